//! The `gatefold` command.

use std::process::ExitCode;

/// gatefold allocates many small objects with very different lifetimes. jemalloc limits fragmentation over months.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gatefold::cli::main()
}
