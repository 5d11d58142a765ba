//! The command line and the admin API.

mod admin;
mod check;
mod check_warnings;
mod durations;
mod echo;
mod gateway_addresses;
