use super::*;
use std::cell::Cell;
thread_local! { pub(super) static HASHES: Cell<usize> = const { Cell::new(0) }; }
