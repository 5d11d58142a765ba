//! Logging: what goes to standard error, in which form, and how much of it.
//!
//! In: the flags. Out: a subscriber for this process, which also takes what libraries say through `log`. No thread but
//! the log's own ever writes to standard error or waits for its reader (`docs/decisions/log-writer.md`).

mod panics;
mod queue;
mod standard_error;
mod writer;

pub use standard_error::{WriteOut, register, say, write_out};

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// The target of access log lines, one a request.
const ACCESS: &str = "gatefold::access";

static ON_TERMINAL: OnceLock<bool> = OnceLock::new();

/// Whether log lines are text on a terminal: there a diagnostic is drawn with its lines, elsewhere it is one
/// line.
pub fn draws_diagnostics() -> bool {
    ON_TERMINAL.get().copied().unwrap_or(false)
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// The form; by default text on a terminal and JSON elsewhere.
    pub format: Option<Format>,
    /// A level for our own lines, or directives as `RUST_LOG` has them.
    pub level: Option<String>,
    /// Whether each request gets a line.
    pub access_log: bool,
}

impl Logging {
    /// Starts logging for the whole process.
    ///
    /// # Errors
    ///
    /// A filter that can't be parsed, a process that logs already, or no thread for the log.
    pub fn start(&self) -> Result<(), String> {
        let filter = EnvFilter::try_new(self.directives())
            .map_err(|error| format!("--log-level: {error}"))?;
        let terminal = io::stderr().is_terminal();
        let format = self.format.unwrap_or(match terminal {
            true => Format::Text,
            false => Format::Json,
        });
        let lines = standard_error::lines().map_err(|error| error.to_string())?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            // It would print them, and panic if it can't.
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

    /// The libraries say much that is ours to say: Pingora logs an error for each request that a backend
    /// fails. A level by its name is for our own lines; whoever wants more of the libraries writes directives.
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
    fn a_level_is_for_our_own_lines_and_directives_are_taken_as_they_are() {
        assert!(directives("debug").contains("gatefold=debug"));
        assert!(
            !directives("pingora_core=trace").contains("pingora_core=off"),
            "whoever asks for Pingora's lines gets them"
        );
        assert!(directives("info").contains("gatefold::access=off"));
    }

    #[test]
    fn a_filter_that_cannot_be_parsed_is_an_error() {
        let logging = Logging {
            level: Some("gatefold=loud".to_owned()),
            ..Logging::default()
        };
        assert!(logging.start().is_err());
    }
}
