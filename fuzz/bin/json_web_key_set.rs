//! Runs `json_web_key_set` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatefold_fuzz::json_web_key_set::check(bytes));
