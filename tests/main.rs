//! Tests of the whole: manifests in, answers and statuses out.
//!
//! `support` starts the real binary in a temporary folder and talks to it over real sockets. Nothing waits
//! for a time to pass; everything waits for a condition, with a deadline.

mod support;

mod samples;
mod walkthrough;
