//! Reloads and findings in the log: what is new, and what is no longer.

use super::{Changes, Published};
use crate::telemetry;
use gatefold_diagnostic::{Code, Diagnostic, ResourceId, Severity, Style, render, summary_line};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;
use tracing::{debug, error, info, warn};

/// What makes two findings the same, although the lines above them have changed.
type Identity<'d> = (Code, Option<&'d ResourceId>, Option<&'d Path>, &'d str);

/// Writes about reloads, each with what it found and what is no longer found. A program that writes broken files on and
/// on fills no disk: lines that are too many are counted, and the next one says how many they were.
#[derive(Debug)]
pub(super) struct ReloadLog {
    reloads: Budget,
    findings: Budget,
}

impl ReloadLog {
    pub(super) fn new(now: Instant) -> Self {
        ReloadLog {
            reloads: Budget::new(300.0, 20.0, now),
            findings: Budget::new(200.0, 5.0, now),
        }
    }

    /// A reload, in one line, and what is new about the findings.
    pub(super) fn reloaded(&mut self, before: &Published, after: &Published, changes: &Changes) {
        let now = Instant::now();
        if let (Some(last), Some(unlogged)) = (&after.reloads.last, self.reloads.take(now)) {
            let listeners = Changes::between_listeners(&before.listeners, &after.listeners);
            let listeners = match listeners.is_empty() {
                true => String::new(),
                false => format!("; listeners: {listeners}"),
            };
            info!(
                generation = last.generation,
                result = last.outcome.as_str(),
                took = ?last.took,
                files = after.loaded.files,
                unlogged = (unlogged > 0).then_some(unlogged),
                "reloaded: {changes}{listeners}"
            );
        }
        self.findings(&before.diagnostics, &after.diagnostics, now);
    }

    /// Sockets that were bound, or lost, between two reloads.
    pub(super) fn bound(&mut self, before: &Published, after: &Published) {
        let listeners = Changes::between_listeners(&before.listeners, &after.listeners);
        if !listeners.is_empty() {
            info!("bound anew: {listeners}");
        }
        self.findings(&before.diagnostics, &after.diagnostics, Instant::now());
    }

    /// Findings that weren't there before, and those that are gone.
    fn findings(&mut self, before: &[Diagnostic], after: &[Diagnostic], now: Instant) {
        for found in new_findings(before, after) {
            self.finding(now, || log(found));
        }
        let gone = new_findings(after, before);
        for old in gone.iter().filter(|old| old.severity != Severity::Info) {
            // Its place isn't looked up: the text has changed since.
            let line = || info!(code = old.code.as_str(), "no longer: {}", old.message);
            self.finding(now, line);
        }
    }

    fn finding(&mut self, now: Instant, line: impl FnOnce()) {
        let Some(unlogged) = self.findings.take(now) else {
            return;
        };
        if unlogged > 0 {
            warn!(
                unlogged,
                "further findings weren't logged: `gatefold check` shows all of them"
            );
        }
        line();
    }
}

/// How many lines may be written: many at once, but only so many on and on.
#[derive(Debug)]
struct Budget {
    most: f64,
    per_second: f64,
    left: f64,
    since: Instant,
    refused: u64,
}

impl Budget {
    fn new(most: f64, per_second: f64, now: Instant) -> Self {
        Budget {
            most,
            per_second,
            left: most,
            since: now,
            refused: 0,
        }
    }

    /// Takes one line, if there is one left; says how many were refused before.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.most);
        self.since = now;
        if self.left < 1.0 {
            self.refused += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.refused))
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
    use gatefold_manifest::Loader;
    use std::time::Duration;

    fn findings(manifest: &str) -> Vec<Diagnostic> {
        Loader::from_text("a.yaml", manifest).diagnostics
    }

    #[test]
    fn lines_that_are_too_many_are_counted_until_there_is_room_again() {
        let start = Instant::now();
        let mut budget = Budget::new(3.0, 2.0, start);
        for _ in 0..3 {
            assert_eq!(budget.take(start), Some(0));
        }
        for _ in 0..10 {
            assert_eq!(budget.take(start), None);
        }
        assert_eq!(budget.take(start + Duration::from_millis(500)), Some(10));
        assert_eq!(budget.take(start + Duration::from_millis(600)), None);
        let later = start + Duration::from_secs(3_600);
        assert_eq!(budget.take(later), Some(1));
        for _ in 0..2 {
            assert_eq!(budget.take(later), Some(0), "no more than at the start");
        }
        assert_eq!(budget.take(later), None);
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
