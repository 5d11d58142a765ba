//! The command line.
//!
//! In: arguments and environment variables. Out: an exit code: 0 for success, 1 for problems, 2 for wrong usage. Only
//! this module prints errors.

mod ca;
mod check;
mod daemon;
mod echo;
mod explain;
mod get;
mod health;
mod load_args;
mod man;
mod manifest_args;
mod render_args;
mod roots;
mod run;
mod stand_in_args;
mod table;

use crate::telemetry::{FlushOnDrop, write_line};
use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The exit code for wrong usage: an invalid flag or path.
const USAGE: u8 = 2;

/// Run Kubernetes Gateway API manifests without Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "gatefold",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves folders of manifests until it is stopped.
    Run(Box<run::RunArgs>),
    /// Serves folders of manifests like run, adds what a cluster would add, and prints a curl line for each route. For
    /// development and tests.
    Dev(Box<run::RunArgs>),
    /// Shows the conditions that a cluster would show, and all problems of the manifests.
    Check(Box<check::CheckArgs>),
    /// Shows objects of a running daemon with their statuses.
    Get(get::GetArgs),
    /// Checks whether a running daemon is ready; exits with 0 if it is, else with 1.
    Health(health::HealthArgs),
    /// Explains the code of a diagnostic and how to fix the problem.
    Explain(explain::ExplainArgs),
    /// Prints the certificate of the development CA, and how to trust it.
    Ca(ca::CaArgs),
    /// Runs a backend that answers with the request it received, as JSON.
    Echo(echo::EchoArgs),
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints a manual page: `gatefold man | man -l -`.
    Man(man::ManArgs),
    /// Prints the version.
    Version,
}

/// An error of a command; its variant selects the exit code.
#[derive(Debug)]
enum Error {
    /// Wrong usage: exit code 2.
    Usage(String),
    /// Any other error: exit code 1.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Error::Failed(error.into())
    }
}

/// Runs the command of the command line.
pub fn main() -> ExitCode {
    // Also if this function panics.
    let _last_lines = FlushOnDrop;
    match Cli::try_parse() {
        Ok(Cli { command }) => report(execute(command)),
        Err(error) if error.use_stderr() => {
            // An error of printing the error can't be reported.
            let _ = error.print();
            ExitCode::from(USAGE)
        }
        // `--help` and `--version`.
        Err(text) => report(printed(text.print().and_then(|()| io::stdout().flush()))),
    }
}

fn execute(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Run(args) => run::run(*args),
        Command::Dev(args) => run::dev(*args),
        Command::Ca(args) => ca::ca(&args),
        Command::Check(args) => check::check(*args),
        Command::Get(args) => get::get(&args),
        Command::Health(args) => health::health(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Echo(args) => echo::echo(args),
        Command::Completions { shell } => completions(shell),
        Command::Man(args) => man::man(&args),
        Command::Version => print(format_args!("gatefold {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

/// Returns the exit code. Prints the error, if there is one.
fn report(outcome: Result<ExitCode, Error>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(Error::Usage(message)) => {
            write_line(format_args!("error: {message}"));
            ExitCode::from(USAGE)
        }
        Err(Error::Failed(error)) => {
            write_line(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn print(text: impl std::fmt::Display) -> Result<ExitCode, Error> {
    let mut out = io::stdout().lock();
    printed(write!(out, "{text}").and_then(|()| out.flush()))
}

/// Maps the result of writing to standard output. A closed pipe is no error: `gatefold get routes | head`.
fn printed(outcome: io::Result<()>) -> Result<ExitCode, Error> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        outcome => outcome.context("can't write to standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gatefold", &mut text);
    print(String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ignores_a_broken_pipe_of_standard_output_only() {
        let broken_pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(report(printed(Err(broken_pipe()))), ExitCode::SUCCESS);
        let full = io::ErrorKind::StorageFull;
        assert_eq!(report(printed(Err(full.into()))), ExitCode::FAILURE);
        let daemon = Err::<(), _>(broken_pipe()).context("no daemon answers");
        let failed = daemon.expect_err("an error");
        assert_eq!(report(Err(failed.into())), ExitCode::FAILURE);
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        let command = Cli::command();
        for name in ["run", "dev", "check", "get", "health", "ca", "echo"] {
            let command = command.find_subcommand(name).expect(name);
            for flag in command.get_arguments().filter(|flag| !flag.is_positional()) {
                let id = flag.get_id().as_str();
                let variable = flag.get_env().and_then(|name| name.to_str());
                // The echo backend uses the variables of the Gateway API's echo-basic.
                let named = variable.is_some_and(|v| name == "echo" || v.starts_with("GATEFOLD_"));
                assert!(
                    named || ["help", "version"].contains(&id),
                    "{name} --{id} has no environment variable"
                );
            }
        }
    }
}
