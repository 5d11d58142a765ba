//! Runs `access_log_format` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatefold_fuzz::access_log_format::check(bytes));
