//! Reloads: edits under traffic, their reports, and the reuse of unchanged nodes.

mod reload;
mod reload_report;
mod reuse;
