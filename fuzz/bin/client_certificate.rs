//! Runs `client_certificate` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatefold_fuzz::client_certificate::check(bytes));
