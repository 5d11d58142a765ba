use crate::{Code, Diagnostic, Place, Severity};

/// How many problems of one severity are kept of one document: more help nobody, and a hostile file can
/// make them by the million.
const SHOWN: usize = 50;

/// Problems of a document, the first of each severity.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Diagnostic>,
    kept: [usize; 3],
    dropped: usize,
    /// Where those go that are too many, so that callers can go on adding words to them.
    rest: Option<Diagnostic>,
    errors: usize,
}

impl Findings {
    /// Adds a problem; what is changed in it through the result counts if it is kept.
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

    /// Adds those of a part.
    pub fn append(&mut self, part: Findings) {
        for diagnostic in part.list {
            self.push(diagnostic);
        }
        self.dropped += part.dropped;
    }

    /// The last one, if it is kept.
    pub fn last_mut(&mut self) -> Option<&mut Diagnostic> {
        match &mut self.rest {
            Some(rest) => Some(rest),
            None => self.list.last_mut(),
        }
    }

    /// Those that are kept.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Diagnostic> {
        self.list.iter_mut()
    }

    /// Whether there are errors, shown or not.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// All that is shown; how many more there are is the last.
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
    fn a_flood_of_problems_is_cut_and_counted() {
        let mut findings = Findings::default();
        for i in 0..1_000 {
            let found = Diagnostic::new(Code::UnknownField, Place::Nowhere, format!("{i}"));
            findings.push(found).help = Some("help".into());
        }
        findings.push(Diagnostic::new(Code::IgnoredKind, Place::Nowhere, "info"));
        let shown = findings.into_diagnostics(Place::Nowhere);
        assert_eq!(shown.len(), SHOWN + 2, "each severity has its own share");
        assert!(shown[SHOWN + 1].message.starts_with("950 more problems"));
    }
}
