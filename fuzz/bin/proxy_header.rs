//! Runs `proxy_header` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatefold_fuzz::proxy_header::check(bytes));
