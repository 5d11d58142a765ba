//! The `gatefold` command.

use std::process::ExitCode;

/// Many small objects of very different lives: jemalloc keeps memory from scattering over months.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gatefold::cli::main()
}
