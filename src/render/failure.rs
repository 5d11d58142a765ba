//! Explains why a command has no usable output.

use super::command::RenderCommand;
use gatefold_diagnostic::{Code, Diagnostic, Place};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// How much of the standard error is kept, in bytes.
const TAIL: usize = 8 << 10;
/// How many of its last lines are shown.
const LINES: usize = 10;

/// Why a command has no usable output.
#[derive(Debug)]
pub(super) enum Failure {
    /// The shell can't be started or waited for.
    NotStarted(std::io::Error),
    /// It ended with another exit code than 0, or by a signal.
    Status(ExitStatus),
    /// It took longer than its limit.
    TimedOut,
    /// It printed more than a file may have.
    TooLarge,
    /// It ended with exit code 0 and wrote to standard error, but not to standard output.
    OnlyErrors,
}

impl Failure {
    /// The diagnostic for the command.
    pub(super) fn diagnostic(&self, command: &RenderCommand, stderr: &StderrTail) -> Diagnostic {
        let place = Place::File(command.name().into());
        let message = format!("the command of --render {}", self.reason(command));
        let mut found = Diagnostic::new(Code::RenderFailed, place, message);
        found.notes.extend(stderr.lines());
        found.help(self.help(command))
    }

    fn reason(&self, command: &RenderCommand) -> String {
        match self {
            Failure::NotStarted(error) => format!("can't be run: {error}"),
            Failure::Status(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("ended with exit code {code}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => format!("ended with {status}"),
            },
            Failure::TimedOut => format!(
                "took longer than {} s (--render-timeout) and was killed",
                command.limit().as_secs()
            ),
            Failure::TooLarge => format!(
                "printed more than {} MiB and was killed",
                gatefold_manifest::FILE_SIZE >> 20
            ),
            Failure::OnlyErrors => "printed no manifest, only errors".to_owned(),
        }
    }

    fn help(&self, command: &RenderCommand) -> String {
        match self {
            Failure::TooLarge => {
                "split it into several commands, or filter what it prints".to_owned()
            }
            Failure::NotStarted(_)
            | Failure::Status(_)
            | Failure::TimedOut
            | Failure::OnlyErrors => {
                format!(
                    "run it in the folder that gatefold was started in: {}",
                    command.text()
                )
            }
        }
    }
}

/// The end of what a command has written to its standard error.
#[derive(Debug, Default)]
pub(super) struct StderrTail(Vec<u8>);

impl StderrTail {
    /// Adds text and drops what is too old.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(TAIL);
        self.0.drain(..excess);
    }

    /// Whether the command has written nothing but white space.
    pub(super) fn is_empty(&self) -> bool {
        self.0.trim_ascii().is_empty()
    }

    /// The last lines.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0);
        let lines = text.lines().map(str::trim_end).filter(|it| !it.is_empty());
        let lines: Vec<&str> = lines.collect();
        let first = lines.len().saturating_sub(LINES);
        lines
            .iter()
            .skip(first)
            .map(|line| (*line).to_owned())
            .collect()
    }
}
