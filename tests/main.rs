//! Tests of the whole: manifests in, answers and statuses out.
//!
//! `support` starts the real binary in a temporary folder and talks to it over real sockets. Nothing waits
//! for a time to pass; everything waits for a condition, with a deadline.

mod support;

mod addresses;
mod admin;
mod backend_protocols;
mod bad_input;
mod certificates;
mod check;
mod check_warnings;
mod client_certificates;
mod connections;
mod cors;
mod documentation;
mod echo;
mod endpoints;
mod foreign_status;
mod forwarding;
mod graph_fixtures;
mod incremental;
mod large_folder;
mod lifecycle;
mod listener_sets;
mod listeners;
mod load;
mod logging;
mod malformed_requests;
mod matching;
mod paths;
mod policies;
mod reference_grant;
mod reload;
mod reload_report;
mod rewriting;
mod samples;
mod stalled_streams;
mod systemd;
mod upgrade;
mod walkthrough;
mod watching;
mod weights;
