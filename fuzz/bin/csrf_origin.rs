//! Runs `csrf_origin` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatefold_fuzz::csrf_origin::check(bytes));
