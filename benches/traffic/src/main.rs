//! Measures the release binary of gatefold from outside, with its own clients and backend.
//!
//! `gatefold-bench cost` compares the processor time of a request with that of bare Pingora proxies,
//! `gatefold-bench instructions` the number of instructions. `gatefold-bench peers` compares gatefold with other servers,
//! `gatefold-bench compare BINARY BINARY...` several binaries of gatefold. `gatefold-bench reload` measures the time from a file's
//! write to the new answer, `gatefold-bench scale` what thousands of routes cost. `gatefold-bench train BINARY` does a fixed amount
//! of varied work, for a profile (`./x pgo`). `gatefold-bench serve` runs one of the proxies.

mod backend;
mod cores;
mod cost;
mod figures;
mod instructions;
mod peers;
mod process;
mod proxies;
mod reload;
mod scale;
mod scratch;
mod subjects;
#[allow(dead_code, reason = "the tests need the rest of it")]
mod support;
mod train;
mod under_load;
mod usage;

use anyhow::{Context as _, bail};
use peers::PeersOptions;
use scale::Scenario;
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
        ["peers" | "scale", "--help"] => {
            println!(
                "gatefold-bench {}\ngatefold-bench {}",
                PeersOptions::USAGE,
                Scenario::USAGE
            );
            Ok(())
        }
        ["peers", options @ ..] => peers::measure(gatefold()?, &PeersOptions::parse(options)?),
        ["scale", scenarios @ ..] => scale::measure(&gatefold()?, &Scenario::parse(scenarios)?),
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
            "usage: gatefold-bench [cost | instructions | reload | compare BINARY BINARY... | train BINARY | {} | {}]",
            Scenario::USAGE,
            PeersOptions::USAGE
        ),
    }
}

/// The measured binary, in the same folder as this one.
fn gatefold() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("gatefold");
    let found = path.is_file().then_some(path);
    found.context("there is no gatefold next to this binary: build it with the same profile")
}
