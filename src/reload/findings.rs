//! Diagnostics in the log: what is new, and what is no longer.

use crate::diagnostic::{Code, Diagnostic, ResourceId, Severity, Style, render, summary_line};
use crate::telemetry;
use std::collections::BTreeSet;
use std::path::Path;
use tracing::{debug, error, info, warn};

/// How many findings of one reload are logged; further ones are counted.
const LOGGED: usize = 100;

/// What makes two findings the same, although the lines above them have changed.
type Identity<'d> = (Code, Option<&'d ResourceId>, Option<&'d Path>, &'d str);

/// Logs findings that weren't there before, and those that are gone.
pub(super) fn log_findings(before: &[Diagnostic], after: &[Diagnostic]) {
    let new = new_findings(before, after);
    for found in new.iter().take(LOGGED) {
        log(found);
    }
    let gone: Vec<&Diagnostic> = new_findings(after, before)
        .into_iter()
        .filter(|old| old.severity != Severity::Info)
        .collect();
    for old in gone.iter().take(LOGGED) {
        // Its place isn't looked up: the text has changed since.
        info!(code = old.code.as_str(), "no longer: {}", old.message);
    }
    let more = new.len().saturating_sub(LOGGED) + gone.len().saturating_sub(LOGGED);
    if more > 0 {
        warn!(
            more,
            "further findings aren't logged: `gatefold check` shows all of them"
        );
    }
}

/// Those of `after` that aren't in `before`, in order.
fn new_findings<'d>(before: &[Diagnostic], after: &'d [Diagnostic]) -> Vec<&'d Diagnostic> {
    let known: BTreeSet<Identity<'_>> = before.iter().map(identity).collect();
    let new = after
        .iter()
        .filter(|found| !known.contains(&identity(found)));
    new.collect()
}

fn identity(diagnostic: &Diagnostic) -> Identity<'_> {
    (
        diagnostic.code,
        diagnostic.resource.as_ref(),
        diagnostic.place.path(),
        &diagnostic.message,
    )
}

fn log(found: &Diagnostic) {
    let code = found.code.as_str();
    let text = || match telemetry::draws_diagnostics() && found.severity != Severity::Info {
        true => render(found, Style::Colour),
        false => summary_line(found),
    };
    match found.severity {
        Severity::Error => error!(code, "{}", text()),
        Severity::Warning => warn!(code, "{}", text()),
        // Nearly every folder has Deployments beside its Gateways.
        Severity::Info if found.code == Code::IgnoredKind => debug!(code, "{}", text()),
        Severity::Info => info!(code, "{}", text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Loader;

    fn findings(manifest: &str) -> Vec<Diagnostic> {
        Loader::from_text("a.yaml", manifest).diagnostics
    }

    #[test]
    fn a_finding_that_only_moved_is_not_new() {
        let manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: s, nam: t}\nspec: {port: 1, ports: a}\n";
        let before = findings(manifest);
        assert!(!before.is_empty());
        let moved = findings(&format!("# a comment\n{manifest}"));
        assert!(new_findings(&before, &moved).is_empty(), "{moved:?}");
    }

    #[test]
    fn findings_of_another_object_are_new() {
        let manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: a}\n";
        let before = findings(manifest);
        let both = format!("{manifest}---\n{}", manifest.replace("name: s", "name: t"));
        let after = findings(&both);
        assert_eq!(
            new_findings(&before, &after).len(),
            after.len() - before.len()
        );
        assert!(after.len() > before.len());
    }
}
