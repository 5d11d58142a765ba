//! Runs a command and collects what it prints.
//!
//! In: a command for `sh -c`, and a time limit. Out: its standard output, or a diagnostic with its exit code and the end of its
//! standard error. The command has a process group of its own, which is killed as a whole. Its standard input is empty.

use super::failure::{Failure, StderrTail};
use gatefold_diagnostic::Diagnostic;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Maximum length of a command in its name, in characters.
const NAME: usize = 60;
/// Size of the buffer for reading a pipe, in bytes.
const CHUNK: usize = 64 << 10;
/// How often a running command is checked for the end of gatefold, and an ending one for its exit code.
const TICK: Duration = Duration::from_millis(50);

/// A command of `--render`.
#[derive(Clone, Debug)]
pub struct RenderCommand {
    text: String,
    name: String,
    limit: Duration,
}

/// How a command ended.
#[derive(Debug)]
pub enum RenderOutcome {
    /// It succeeded and printed this.
    Printed(Vec<u8>),
    /// It failed, or its output can't be used.
    Failed(Box<Diagnostic>),
    /// It was stopped, because gatefold ends.
    Stopped,
}

/// What a thread reads from a pipe of the command.
enum PipeEvent {
    Output(Vec<u8>),
    Errors(Vec<u8>),
    Closed,
}

/// The result of a command that has ended.
struct Collected {
    output: Vec<u8>,
    stderr: StderrTail,
    end: Result<ExitStatus, Failure>,
}

impl RenderCommand {
    /// A command that may take `limit`. `same` is the number of earlier commands with the same name.
    pub(super) fn new(text: &str, same: usize, limit: Duration) -> Self {
        let number = match same {
            0 => String::new(),
            more => format!("#{}", more + 1),
        };
        RenderCommand {
            text: text.to_owned(),
            name: format!("<{}{number}>", short(text)),
            limit,
        }
    }

    /// The command, as given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of its output, shown as a path: `<helm template app>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another command would have the same name, apart from a number.
    pub(super) fn has_name_of(&self, text: &str) -> bool {
        short(&self.text) == short(text)
    }

    /// Runs the command in the current folder. It is killed when `stop` becomes true.
    pub fn run(&self, stop: &AtomicBool) -> RenderOutcome {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.text).process_group(0);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |failure: Failure, stderr: &StderrTail| {
            RenderOutcome::Failed(Box::new(failure.diagnostic(self, stderr)))
        };
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(Failure::NotStarted(error), &StderrTail::default()),
        };
        let Some(Collected {
            output,
            stderr,
            end,
        }) = self.collect(&mut child, stop)
        else {
            return RenderOutcome::Stopped;
        };
        match end {
            Err(failure) => failed(failure, &stderr),
            Ok(status) if !status.success() => failed(Failure::Status(status), &stderr),
            // For example a pipe whose first command failed.
            Ok(_) if output.trim_ascii().is_empty() && !stderr.is_empty() => {
                failed(Failure::OnlyErrors, &stderr)
            }
            Ok(_) => RenderOutcome::Printed(output),
        }
    }

    /// The time that the command may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Reads the pipes until the command ends. Kills it if it takes too long, prints too much, or gatefold ends; `None` in the
    /// last case.
    fn collect(&self, child: &mut Child, stop: &AtomicBool) -> Option<Collected> {
        let deadline = Instant::now() + self.limit;
        let events = pipe_events(child);
        let mut collected = Collected {
            output: Vec::new(),
            stderr: StderrTail::default(),
            end: Err(Failure::TimedOut),
        };
        let end = match read_pipes(&events, &mut collected, deadline, stop) {
            Ok(()) => wait(child, deadline, stop),
            Err(interruption) => Err(interruption),
        };
        match end {
            Ok(status) => collected.end = Ok(status),
            Err(interruption) => {
                kill(child);
                collected.end = Err(match interruption {
                    Interruption::Stopped => return None,
                    Interruption::Failed(failure) => failure,
                });
            }
        }
        Some(collected)
    }
}

/// Why a command is killed.
enum Interruption {
    Stopped,
    Failed(Failure),
}

/// Starts a thread for each pipe of the command.
fn pipe_events(child: &mut Child) -> Receiver<PipeEvent> {
    let (sender, events) = sync_channel(16);
    if let Some(stdout) = child.stdout.take() {
        read_pipe(stdout, sender.clone(), PipeEvent::Output);
    }
    if let Some(stderr) = child.stderr.take() {
        read_pipe(stderr, sender, PipeEvent::Errors);
    }
    events
}

/// Sends the contents of a pipe. The thread ends when the pipe is closed, or when the receiver is dropped.
fn read_pipe(
    mut pipe: impl Read + Send + 'static,
    sender: SyncSender<PipeEvent>,
    event: fn(Vec<u8>) -> PipeEvent,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            let sent = match pipe.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => break,
                Ok(count) => sender.send(event(buffer.iter().take(count).copied().collect())),
            };
            if sent.is_err() {
                return;
            }
        }
        // Fails only if the command was killed.
        let _ = sender.send(PipeEvent::Closed);
    });
}

fn read_pipes(
    events: &Receiver<PipeEvent>,
    collected: &mut Collected,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<(), Interruption> {
    let mut open = 2;
    while open > 0 {
        let left = check(deadline, stop)?;
        match events.recv_timeout(left.min(TICK)) {
            Ok(PipeEvent::Output(bytes)) => {
                collected.output.extend(bytes);
                if collected.output.len() as u64 > gatefold_manifest::FILE_SIZE {
                    return Err(Interruption::Failed(Failure::TooLarge));
                }
            }
            Ok(PipeEvent::Errors(bytes)) => collected.stderr.add(&bytes),
            Ok(PipeEvent::Closed) => open -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    Ok(())
}

/// Waits for a command that has closed its pipes. Nearly always it has ended already.
fn wait(
    child: &mut Child,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<ExitStatus, Interruption> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(Interruption::Failed(Failure::NotStarted(error))),
        }
        let left = check(deadline, stop)?;
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(TICK);
    }
}

/// The time that is left.
fn check(deadline: Instant, stop: &AtomicBool) -> Result<Duration, Interruption> {
    if stop.load(Ordering::Relaxed) {
        return Err(Interruption::Stopped);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Interruption::Failed(Failure::TimedOut));
    }
    Ok(left)
}

/// Kills a command with everything that it has started. It hasn't been waited for, so its process group is still its own.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // Fails only if all processes have ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// A command on one line, truncated.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
