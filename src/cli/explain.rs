//! `gatefold explain`: the explanations of diagnostic codes.

use super::{Error, print};
use gatefold_diagnostic::Code;
use std::process::ExitCode;

/// The arguments of `gatefold explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// A code, such as GF0201; lists all codes if absent.
    code: Option<String>,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, Error> {
    let Some(wanted) = &args.code else {
        let lines = Code::ALL.iter().map(|code| {
            let text = text(*code);
            let first = text.lines().next().unwrap_or_default();
            format!("{code} {:7} {first}\n", code.severity().as_str())
        });
        return print(lines.collect::<String>());
    };
    let mut all = Code::ALL.iter();
    match all.find(|code| code.as_str().eq_ignore_ascii_case(wanted)) {
        Some(code) => print(format_args!(
            "{code} ({})\n\n{}",
            code.severity(),
            text(*code)
        )),
        None => Err(Error::Usage(format!(
            "there is no code `{wanted}`; `gatefold explain` lists all codes"
        ))),
    }
}

/// The explanation, without the leading space of doc comments.
fn text(code: Code) -> String {
    let lines = code.explanation().lines();
    lines
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect()
}
