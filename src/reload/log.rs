//! The log of reloads: one line for each reload, and one for each diagnostic that appears or disappears.
//!
//! In: the [`Published`] values before and after. Out: log lines, at a bounded rate.

use super::{Changes, Published};
use crate::telemetry;
use gatefold_diagnostic::yaml::sharing_trees;
use gatefold_diagnostic::{Code, Diagnostic, ResourceId, Severity, Style, render, summary_line};
use gatefold_manifest::PassedOver;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;
use tracing::{debug, error, info, warn};

/// Identifies a diagnostic independently of its position in the file, which changes with the lines above it.
type DiagnosticIdentity<'d> = (Code, Option<&'d ResourceId>, Option<&'d Path>, &'d str);

/// Logs reloads with their new and resolved diagnostics. The rate of lines is limited, so that a program that keeps
/// writing broken files cannot fill a disk. Suppressed lines are counted, and the next line reports their number.
#[derive(Debug)]
pub(super) struct ReloadLog {
    reloads: LineBudget,
    findings: LineBudget,
}

impl ReloadLog {
    pub(super) fn new(now: Instant) -> Self {
        ReloadLog {
            reloads: LineBudget::new(300.0, 20.0, now),
            findings: LineBudget::new(200.0, 5.0, now),
        }
    }

    /// Logs a reload in one line, then the diagnostics that are new or resolved.
    pub(super) fn reloaded(&mut self, before: &Published, after: &Published, changes: &Changes) {
        let now = Instant::now();
        if let (Some(last), Some(unlogged)) = (&after.reloads.last, self.reloads.take(now)) {
            let listeners = Changes::between_listeners(&before.listeners, &after.listeners);
            let listeners = if listeners.is_empty() {
                String::new()
            } else {
                format!("; listeners: {listeners}")
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
        for new in newly_passed_over(&before.loaded.passed_over, &after.loaded.passed_over) {
            let found = new.diagnostic();
            debug!(code = found.code.as_str(), "{}", summary_line(&found));
        }
    }

    /// Logs what has changed between two reloads: listeners whose sockets were bound or lost, and problems with fetched keys.
    pub(super) fn state_changed(&mut self, before: &Published, after: &Published) {
        let listeners = Changes::between_listeners(&before.listeners, &after.listeners);
        if !listeners.is_empty() {
            info!("bound again: {listeners}");
        }
        self.findings(&before.diagnostics, &after.diagnostics, Instant::now());
    }

    /// Logs the diagnostics that are new and those that are resolved.
    fn findings(&mut self, before: &[Diagnostic], after: &[Diagnostic], now: Instant) {
        sharing_trees(|| {
            for found in new_findings(before, after) {
                self.finding(now, || log(found));
            }
        });
        let gone = new_findings(after, before);
        for old in gone.iter().filter(|old| old.severity != Severity::Info) {
            // Without its place: the file's text has changed since.
            let line = || info!(code = old.code.as_str(), "resolved: {}", old.message);
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
                "some diagnostics were not logged; `gatefold check` shows all of them"
            );
        }
        line();
    }
}

/// Limits the rate of log lines with a token bucket: short bursts pass, a lasting flood does not.
#[derive(Debug)]
struct LineBudget {
    burst: f64,
    per_second: f64,
    left: f64,
    updated: Instant,
    refused: u64,
}

impl LineBudget {
    fn new(burst: f64, per_second: f64, now: Instant) -> Self {
        LineBudget {
            burst,
            per_second,
            left: burst,
            updated: now,
            refused: 0,
        }
    }

    /// Takes one line and returns the number of lines refused since the last one. `None` if no line is left.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.updated).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.burst);
        self.updated = now;
        if self.left < 1.0 {
            self.refused += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.refused))
    }
}

/// The documents that aren't manifests and that weren't there before.
fn newly_passed_over<'d>(before: &[PassedOver], after: &'d [PassedOver]) -> Vec<&'d PassedOver> {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return Vec::new();
    }
    let identity = |it: &PassedOver| (it.place.path().map(Path::to_owned), it.document_type);
    let known: BTreeSet<_> = before.iter().map(identity).collect();
    let new = after.iter().filter(|it| !known.contains(&identity(it)));
    new.collect()
}

/// The diagnostics of `after` that `before` doesn't contain, in order.
fn new_findings<'d>(before: &[Diagnostic], after: &'d [Diagnostic]) -> Vec<&'d Diagnostic> {
    let known: BTreeSet<DiagnosticIdentity<'_>> = before.iter().map(identity).collect();
    let new = after
        .iter()
        .filter(|found| !known.contains(&identity(found)));
    new.collect()
}

fn identity(diagnostic: &Diagnostic) -> DiagnosticIdentity<'_> {
    (
        diagnostic.code,
        diagnostic.resource.as_ref(),
        diagnostic.place.path(),
        &diagnostic.message,
    )
}

fn log(found: &Diagnostic) {
    let code = found.code.as_str();
    let text = || {
        if telemetry::draws_diagnostics() && found.severity != Severity::Info {
            render(found, Style::Colour)
        } else {
            summary_line(found)
        }
    };
    match found.severity {
        Severity::Error => error!(code, "{}", text()),
        Severity::Warning => warn!(code, "{}", text()),
        // Nearly every folder also contains Deployments and other kinds that gatefold ignores.
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
    fn counts_suppressed_lines_until_the_rate_drops() {
        let start = Instant::now();
        let mut budget = LineBudget::new(3.0, 2.0, start);
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
            assert_eq!(
                budget.take(later),
                Some(0),
                "the burst must not grow over time"
            );
        }
        assert_eq!(budget.take(later), None);
    }

    #[test]
    fn a_diagnostic_that_only_moved_in_its_file_is_not_new() {
        let manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: s, nam: t}\nspec: {port: 1, ports: a}\n";
        let before = findings(manifest);
        assert!(!before.is_empty());
        let moved = findings(&format!("# a comment\n{manifest}"));
        assert!(new_findings(&before, &moved).is_empty(), "{moved:?}");
    }

    #[test]
    fn an_equal_diagnostic_of_another_object_is_new() {
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
