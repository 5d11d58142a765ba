//! The problems of one document while it is parsed and decoded.

use crate::{Code, Diagnostic, Place, Severity};

/// How many problems of each severity are kept per document. More would not help, and a hostile file can have
/// millions.
const SHOWN: usize = 50;

/// The problems of a document. For each severity only the first ones are kept.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Diagnostic>,
    kept: [usize; 3],
    dropped: usize,
    /// The latest dropped problem, so that callers can still add to what [`push`](Self::push) returned.
    rest: Option<Diagnostic>,
    errors: usize,
}

impl Findings {
    /// Adds a problem and returns it. Changes to it have an effect if it is kept.
    pub fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        let kept = &mut self.kept[diagnostic.severity as usize];
        if *kept >= SHOWN {
            self.dropped += 1;
            return self.rest.insert(diagnostic);
        }
        *kept += 1;
        self.list.push(diagnostic);
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// Adds the problems of a part of the document.
    pub fn append(&mut self, part: Findings) {
        for diagnostic in part.list {
            self.push(diagnostic);
        }
        self.dropped += part.dropped;
    }

    /// The problem that was added last.
    pub fn last_mut(&mut self) -> Option<&mut Diagnostic> {
        match &mut self.rest {
            Some(rest) => Some(rest),
            None => self.list.last_mut(),
        }
    }

    /// The problems that are kept.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Diagnostic> {
        self.list.iter_mut()
    }

    /// Whether there are errors, kept or dropped.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The kept problems. If some were dropped, the last diagnostic gives their number.
    pub fn into_diagnostics(mut self, place: Place) -> Vec<Diagnostic> {
        if self.dropped > 0 {
            let message = format!(
                "{} more problems in this document aren't shown",
                self.dropped
            );
            self.list
                .push(Diagnostic::new(Code::TooMany, place, message));
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_problems_and_counts_the_rest() {
        let mut findings = Findings::default();
        for i in 0..1_000 {
            let found = Diagnostic::new(Code::UnknownField, Place::Nowhere, format!("{i}"));
            findings.push(found).help = Some("help".into());
        }
        findings.push(Diagnostic::new(Code::IgnoredKind, Place::Nowhere, "info"));
        let shown = findings.into_diagnostics(Place::Nowhere);
        assert_eq!(shown.len(), SHOWN + 2, "each severity has its own limit");
        assert!(shown[SHOWN + 1].message.starts_with("950 more problems"));
    }
}
