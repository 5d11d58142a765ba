//! `gatefold man`: the manual pages, generated from the definition of the command line.

use super::{Cli, Error, print};
use clap::CommandFactory as _;
use std::process::ExitCode;

/// The arguments of `gatefold man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The command to describe, such as `run`; describes gatefold itself if absent.
    command: Option<String>,
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, Error> {
    let page = page(args.command.as_deref())?;
    print(String::from_utf8_lossy(&page))
}

/// Generates the page gatefold(1) or gatefold-COMMAND(1).
fn page(name: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut gatefold = Cli::command().disable_help_subcommand(true);
    gatefold.build();
    let command = match name {
        None => &gatefold,
        Some(name) => gatefold.find_subcommand(name).ok_or_else(|| {
            let known: Vec<&str> = gatefold
                .get_subcommands()
                .map(|one| one.get_name())
                .collect();
            let known = known.join(", ");
            Error::Usage(format!(
                "there is no command `{name}`; the commands are {known}"
            ))
        })?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_in_the_main_page_has_its_own_page() {
        let main = page(None).expect("gatefold(1)");
        let main = String::from_utf8(main).expect("text");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let reference = format!("gatefold\\-{name}(1)");
            assert!(main.contains(&reference), "{reference} isn't in {main}");
            let text = page(Some(name)).expect(name);
            let text = String::from_utf8(text).expect("text");
            let title = format!(".TH gatefold-{name} 1");
            assert!(text.contains(&title), "{title} isn't in {text}");
            assert_eq!(
                text.matches(".TH ").count(),
                1,
                "the output must be one page"
            );
        }
    }

    #[test]
    fn an_unknown_command_is_wrong_usage() {
        let error = page(Some("serve")).expect_err("there is no such command");
        assert!(matches!(error, Error::Usage(message) if message.contains("run, dev, check")));
    }
}
