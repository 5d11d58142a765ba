//! Measures the release binary of gatefold from outside, with its own clients and backend.
//!
//! `gatefold-bench cost` compares the processor time of a request with that of bare Pingora proxies,
//! `gatefold-bench instructions` the number of instructions. `gatefold-bench reload` measures the time from a file's write to
//! the new answer. `gatefold-bench compare BINARY BINARY...` compares several binaries of gatefold. `gatefold-bench train BINARY`
//! does a fixed amount of varied work, for a profile (`./x pgo`). `gatefold-bench serve` runs one of the proxies.

mod backend;
mod cost;
mod figures;
mod instructions;
mod process;
mod proxies;
mod reload;
mod scratch;
mod subjects;
#[allow(dead_code, reason = "the tests need the rest of it")]
mod support;
mod train;

use anyhow::{Context as _, bail};
use std::path::PathBuf;

/// The same allocator as gatefold's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", kind, folder] => proxies::serve(kind, folder.as_ref()),
        ["cost"] => cost::measure(gatefold()?),
        ["instructions"] => instructions::measure(gatefold()?),
        ["reload"] => reload::measure(&gatefold()?),
        ["compare", binaries @ ..] if binaries.len() > 1 => {
            cost::compare(&binaries.iter().map(PathBuf::from).collect::<Vec<_>>())
        }
        ["train", gatefold] => train::train(gatefold.as_ref()),
        [] => {
            reload::measure(&gatefold()?)?;
            cost::measure(gatefold()?)
        }
        _ => bail!(
            "usage: gatefold-bench [cost | instructions | reload | compare BINARY BINARY... | train BINARY]"
        ),
    }
}

/// The measured binary, in the same folder as this one.
fn gatefold() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("gatefold");
    let found = path.is_file().then_some(path);
    found.context("there is no gatefold next to this binary: build it with the same profile")
}
