//! Which files to check for changes.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Which files may have changed since the last load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChangeHint {
    /// No file.
    #[default]
    Nothing,
    /// These files. They are complete.
    Files(BTreeSet<PathBuf>),
    /// Any file. Files that are not being written are complete.
    Anything,
}

impl ChangeHint {
    /// Combines two hints.
    #[must_use]
    pub fn and(self, other: ChangeHint) -> ChangeHint {
        use ChangeHint::{Anything, Files, Nothing};
        match (self, other) {
            (Nothing, any) | (any, Nothing) => any,
            (Files(mut files), Files(more)) => {
                files.extend(more);
                Files(files)
            }
            (Anything, Anything | Files(_)) | (Files(_), Anything) => Anything,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combines_the_files_of_two_hints() {
        let files = |names: &[&str]| ChangeHint::Files(names.iter().map(PathBuf::from).collect());
        assert_eq!(files(&["a"]).and(files(&["b"])), files(&["a", "b"]));
        assert_eq!(ChangeHint::Nothing.and(files(&["a"])), files(&["a"]));
        let anything = ChangeHint::Anything;
        assert_eq!(files(&["a"]).and(ChangeHint::Anything), anything);
        assert_eq!(ChangeHint::Anything.and(ChangeHint::Nothing), anything);
    }
}
