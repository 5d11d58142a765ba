//! The commands of the documents exist.

use crate::support::daemon::gatefold;
use crate::support::repository;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// A command of a document: a subcommand of gatefold, and the names of its long flags.
type NamedCommand = (String, Vec<String>);

/// The README, and the pages in docs.
fn documents() -> Vec<PathBuf> {
    let pages = fs::read_dir(repository("docs")).expect("docs/");
    let pages = pages.map(|it| it.expect("an entry").path());
    let pages = pages.filter(|it| it.extension().is_some_and(|it| it == "md"));
    pages.chain([repository("README.md")]).collect()
}

/// The commands of gatefold in the code of a document: lines of code, and text between backticks.
fn commands(text: &str) -> Vec<NamedCommand> {
    let mut found = Vec::new();
    let mut is_code = false;
    // A backslash continues a line.
    for line in text.replace("\\\n", " ").lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code || line.starts_with("    ") {
            found.extend(command(line));
        } else {
            let quoted = line.split('`').skip(1).step_by(2);
            found.extend(quoted.filter_map(command));
        }
    }
    found
}

/// The command that a line of code begins with, or that follows the options of `docker run`.
fn command(code: &str) -> Option<NamedCommand> {
    let code = code.split(" #").next()?;
    let end = |it: &&str| ["|", "<", "&&", ";"].contains(it);
    let mut words = code.split_whitespace();
    let is_binary = |it: &str| it == "gatefold" || it.ends_with("/gatefold");
    match words.next()? {
        "docker" => _ = words.find(|it| is_binary(it))?,
        first if is_binary(first) => {}
        _ => return None,
    }
    let mut words = words.take_while(|it| !end(it));
    let subcommand = words.next()?;
    let is_name = subcommand.chars().all(|it| it.is_ascii_lowercase());
    let flags = words.filter(|it| it.len() > 2 && it.starts_with("--"));
    let name = |it: &str| it.split('=').next().unwrap_or(it).to_owned();
    is_name.then(|| (subcommand.to_owned(), flags.map(name).collect()))
}

#[test]
fn every_command_and_flag_in_the_documents_exists() {
    let mut help: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for (subcommand, flags) in commands(&text) {
            let known = help.entry(subcommand.clone()).or_insert_with(|| {
                let output = gatefold().args([&subcommand, "--help"]).output();
                let output = output.expect("gatefold runs");
                let name = document.display();
                assert!(
                    output.status.success(),
                    "{name}: there is no `gatefold {subcommand}`"
                );
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                // A flag with an optional value is shown as `--flag[=<VALUE>]`.
                let is_separator = |it: char| it.is_whitespace() || it == ',' || it == '[';
                text.split(is_separator).map(str::to_owned).collect()
            });
            for flag in flags {
                count += 1;
                assert!(
                    known.contains(&flag),
                    "{}: `gatefold {subcommand}` has no flag {flag}",
                    document.display()
                );
            }
        }
    }
    assert!(count > 10, "only {count} flags were found");
}

#[test]
fn finds_the_commands_of_a_document() {
    let text = "Use `gatefold get KIND` or `--echo`.\n\n```sh\ngatefold dev . --backend a/b=c # all\n\
                docker run --rm \\\n  gatefold check - < a.yaml\n```\n";
    let found = commands(text);
    let found: Vec<_> = found.iter().map(|(it, _)| it.as_str()).collect();
    assert_eq!(found, ["get", "dev", "check"]);
    assert_eq!(commands(text)[1].1, ["--backend"]);
}
