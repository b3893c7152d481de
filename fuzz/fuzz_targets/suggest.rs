#![no_main]
//! See `tests/fuzz/targets.rs`.

#[allow(dead_code, reason = "each program runs one of the targets")]
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::suggestions(bytes));
