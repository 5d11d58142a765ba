//! Manifests that commands print: `--render 'kubectl kustomize overlays/dev'`.
//!
//! In: commands, and when to run them. Out: texts for the loader, or a diagnostic that says why a command has none. Never
//! decodes a manifest and never waits for a reload, and no reload waits for a command.

mod command;
mod failure;
mod origin;
mod runner;

pub use command::{RenderCommand, RenderOutcome};
pub use origin::add_origins;
pub use runner::{RenderOutputs, RenderRequests, Renders};

use gatefold_diagnostic::Diagnostic;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What a command printed, or why that can't be used.
pub type RenderedText = Result<Vec<u8>, Box<Diagnostic>>;

/// The commands of `--render`. A command that is given twice counts once. `limit` is the time that each may take.
pub fn commands(texts: &[String], limit: Duration) -> Vec<RenderCommand> {
    let mut commands: Vec<RenderCommand> = Vec::new();
    for text in texts {
        if commands.iter().any(|known| known.text() == text) {
            continue;
        }
        let same_name = |it: &&RenderCommand| it.has_name_of(text);
        let same = commands.iter().filter(same_name).count();
        commands.push(RenderCommand::new(text, same, limit));
    }
    commands
}

/// Runs each command once, one after the other. Returns the name of each with its text.
pub fn render_once(commands: &[RenderCommand]) -> Vec<(String, RenderedText)> {
    let never = AtomicBool::new(false);
    let rendered = commands.iter().filter_map(|command| {
        let text = match command.run(&never) {
            RenderOutcome::Printed(text) => Ok(text),
            RenderOutcome::Failed(failure) => Err(failure),
            RenderOutcome::Stopped => return None,
        };
        Some((command.name().to_owned(), text))
    });
    rendered.collect()
}
