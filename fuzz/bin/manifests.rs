//! Runs `manifests` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatefold_fuzz::manifests::check(bytes));
