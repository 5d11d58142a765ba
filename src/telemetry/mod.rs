//! Logging to standard error, and the files of access logs: level, format and the writing threads.
//!
//! In: the flags, and the sinks of access logs. Out: a subscriber for this process, which also receives the messages of libraries
//! that use `log`. Only one thread writes to standard error and waits for its reader (`docs/decisions/log-writer.md`), and one to
//! each file of an access log.

pub mod access_log;
mod panics;
mod standard_error;
mod writer;

pub use standard_error::{FlushOnDrop, flush, line_sinks, register, write_line};

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// The target of access log lines. There is one per request.
const ACCESS: &str = "gatefold::access";

static ON_TERMINAL: OnceLock<bool> = OnceLock::new();

/// Whether log lines are text on a terminal. There a diagnostic is rendered with its source lines, elsewhere it is one line.
pub fn draws_diagnostics() -> bool {
    ON_TERMINAL.get().copied().unwrap_or(false)
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings of the log.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// The format; `None` for text on a terminal and JSON elsewhere.
    pub format: Option<Format>,
    /// A level for gatefold's own lines, or directives in the syntax of `RUST_LOG`.
    pub level: Option<String>,
    /// Whether to log a line for each request.
    pub access_log: bool,
}

impl Logging {
    /// Starts logging for the whole process.
    ///
    /// # Errors
    ///
    /// Fails if the filter can't be parsed, if the process already has a subscriber, or if the thread can't be started.
    pub fn start(&self) -> Result<(), String> {
        let filter = EnvFilter::try_new(self.directives())
            .map_err(|error| format!("--log-level: {error}"))?;
        let terminal = io::stderr().is_terminal();
        let default = if terminal { Format::Text } else { Format::Json };
        let format = self.format.unwrap_or(default);
        let lines = standard_error::lines().map_err(|error| error.to_string())?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            // The subscriber would print its errors, and panic if it can't.
            .log_internal_errors(false)
            .with_writer(lines);
        let started = match format {
            Format::Text => builder.with_ansi(terminal).with_target(false).try_init(),
            Format::Json => builder
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .try_init(),
        };
        started.map_err(|error| error.to_string())?;
        let _ = ON_TERMINAL.set(terminal && format == Format::Text);
        panics::log_panics();
        Ok(())
    }

    /// A plain level applies to gatefold's own lines. Libraries are mostly silenced, because they report the same events
    /// again: Pingora logs an error for each request that a backend fails. Directives override this.
    fn directives(&self) -> String {
        const QUIET: &str =
            "warn,pingora_core=off,pingora_proxy=off,hickory_resolver=error,hickory_net=error";
        let access = if self.access_log { "info" } else { "off" };
        let level = self.level.as_deref().unwrap_or("info");
        match level.to_ascii_lowercase().as_str() {
            level @ ("off" | "error") => format!("{level},{ACCESS}={access}"),
            level @ ("warn" | "info" | "debug" | "trace") => {
                format!("{QUIET},gatefold={level},{ACCESS}={access}")
            }
            _ if level.contains(ACCESS) => level.to_owned(),
            _ => format!("{level},{ACCESS}={access}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(level: &str) -> String {
        Logging {
            level: Some(level.to_owned()),
            ..Logging::default()
        }
        .directives()
    }

    #[test]
    fn a_level_applies_to_own_lines_and_directives_are_used_as_written() {
        assert!(directives("debug").contains("gatefold=debug"));
        assert!(
            !directives("pingora_core=trace").contains("pingora_core=off"),
            "directives can enable Pingora's lines"
        );
        assert!(directives("info").contains("gatefold::access=off"));
    }

    #[test]
    fn an_invalid_filter_is_an_error() {
        let logging = Logging {
            level: Some("gatefold=loud".to_owned()),
            ..Logging::default()
        };
        assert!(logging.start().is_err());
    }
}
