//! Processor time and memory of a process and its descendants, from `/proc`.

use anyhow::{Context as _, anyhow};
use std::collections::HashMap;
use std::fs;

/// The clock rate of `/proc/PID/stat` on every Linux (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// The processor time of each thread of a process tree at one instant.
pub struct ProcessorTime {
    /// Nanoseconds by thread.
    threads: HashMap<u32, u64>,
}

impl ProcessorTime {
    /// Reads the processor time of a process and its descendants, in user and kernel mode.
    ///
    /// # Errors
    /// If the process has ended, or the kernel keeps no `schedstat` (proc(5)).
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for process in tree(process) {
            for thread in threads_of(process) {
                // A thread may end between the listing and the reading.
                let path = format!("/proc/{process}/task/{thread}/schedstat");
                let Ok(text) = fs::read_to_string(path) else {
                    continue;
                };
                let first = text.split(' ').next();
                let nanoseconds = first.and_then(|it| it.parse().ok());
                threads.insert(thread, nanoseconds.context("a schedstat in nanoseconds")?);
            }
        }
        if threads.is_empty() {
            return Err(anyhow!(
                "no processor time of process {process}: it has ended, or the kernel has no schedstat"
            ));
        }
        Ok(ProcessorTime { threads })
    }

    /// The processor time that was used between the two instants, in seconds. Threads that ended in between don't count.
    pub fn since(&self, earlier: &ProcessorTime) -> f64 {
        let used = self.threads.iter().map(|(thread, now)| {
            let before = earlier.threads.get(thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        used.sum::<u64>() as f64 / 1e9
    }
}

/// The processor time of a process since its start, in seconds, including that of threads that have ended. It is exact to
/// ten milliseconds (proc_pid_stat(5)).
///
/// # Errors
/// If the process has ended.
pub fn seconds(process: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field, the command in parentheses, may contain spaces.
    let fields = text
        .rsplit_once(") ")
        .context("a command in parentheses")?
        .1;
    let mut ticks = fields
        .split(' ')
        .skip(11)
        .map(|ticks| ticks.parse::<f64>().ok());
    let (user, system) = (ticks.next().flatten(), ticks.next().flatten());
    Ok((user.context("utime")? + system.context("stime")?) / TICKS_A_SECOND)
}

/// The proportional set size of a process and its descendants in bytes: memory that processes share counts in parts.
///
/// # Errors
/// If the process has ended, or belongs to another user.
pub fn memory(process: u32) -> anyhow::Result<u64> {
    let sizes = tree(process).into_iter().map(|process| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        let size = text.lines().find_map(|line| {
            let size = line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?;
            size.parse::<u64>().ok()
        });
        Ok(size.context("a line Pss in smaps_rollup")? * 1024)
    });
    sizes.sum()
}

/// A process and its descendants.
pub fn tree(process: u32) -> Vec<u32> {
    let mut found = vec![process];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        for thread in threads_of(process) {
            let path = format!("/proc/{process}/task/{thread}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|it| it.parse::<u32>().ok()),
            );
        }
        next += 1;
    }
    found
}

fn threads_of(process: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/task"));
    let names = entries.into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn counts_a_process_and_its_child() {
        let shell = Command::new("sh")
            .args(["-c", "while :; do :; done & echo ready; wait"])
            .stdout(Stdio::piped())
            .spawn();
        let mut shell = shell.expect("a shell");
        let mut ready = String::new();
        let output = shell.stdout.take().expect("its output");
        let read = std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut ready);
        read.expect("a line");
        let processes = tree(shell.id());
        let before = ProcessorTime::of(shell.id()).expect("processor time");
        crate::support::eventually("the child uses processor time", || {
            let now = ProcessorTime::of(shell.id()).ok()?;
            (now.since(&before) > 0.01).then_some(())
        });
        let memory = memory(shell.id());
        for process in &processes {
            let _ = Command::new("kill")
                .args(["-KILL", &process.to_string()])
                .status();
        }
        let _ = shell.wait();
        assert_eq!(
            processes.len(),
            2,
            "the tree must be the shell and its child"
        );
        assert!(memory.expect("memory") > 10_000, "two processes use memory");
    }
}
