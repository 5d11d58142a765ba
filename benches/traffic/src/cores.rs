//! The cores of the machine: one for the measured server, the others for this process.

use anyhow::{Context as _, bail};
use std::fs;
use std::process::Command;

/// How the cores are divided.
pub struct Cores {
    /// The server's core: the last one, because the first one usually handles interrupts.
    pub server: usize,
    /// The cores of the load generator and the backend. Empty if there is only one core.
    generator: Vec<usize>,
}

impl Cores {
    /// Divides the cores that this process may use.
    ///
    /// # Errors
    /// If the kernel doesn't list them.
    pub fn divide() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let mut cores = parse(list.context("no Cpus_allowed_list")?.trim())?;
        let server = cores.pop().context("no core")?;
        Ok(Cores {
            server,
            generator: cores,
        })
    }

    /// Limits this process to the generator's cores. Call it before any thread is started. Returns whether the server has its
    /// core to itself.
    ///
    /// # Errors
    /// If `taskset` is missing or fails.
    pub fn limit_this_process(&self) -> anyhow::Result<bool> {
        if self.generator.is_empty() {
            return Ok(false);
        }
        let list: Vec<_> = self.generator.iter().map(usize::to_string).collect();
        let process = std::process::id().to_string();
        let done = Command::new("taskset")
            .args(["-pc", &list.join(","), &process])
            .output()
            .context("taskset is missing (Debian: util-linux)")?;
        if !done.status.success() {
            bail!("taskset: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(true)
    }
}

/// Parses a list such as `0-2,5` (cpuset(7)).
fn parse(list: &str) -> anyhow::Result<Vec<usize>> {
    let mut cores = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<usize>()?..=last.parse()?);
    }
    Ok(cores)
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_lists_of_cores() {
        let cores = super::parse("0-2,5").expect("a list");
        assert_eq!(cores, [0, 1, 2, 5]);
    }
}
