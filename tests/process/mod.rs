//! The process: signals, systemd, and upgrades.

mod lifecycle;
mod systemd;
mod upgrade;
