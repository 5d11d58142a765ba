use std::collections::BTreeSet;
use std::path::PathBuf;

/// Which files may have changed since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Touched {
    /// None.
    #[default]
    Nothing,
    /// These ones, and whoever wrote them is done.
    Files(BTreeSet<PathBuf>),
    /// Any, but nothing happens any more.
    Anything,
}

impl Touched {
    /// What may have changed by either.
    #[must_use]
    pub fn and(self, other: Touched) -> Touched {
        use Touched::{Anything, Files, Nothing};
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
    fn what_two_have_touched_is_what_either_has_touched() {
        let files = |names: &[&str]| Touched::Files(names.iter().map(PathBuf::from).collect());
        assert_eq!(files(&["a"]).and(files(&["b"])), files(&["a", "b"]));
        assert_eq!(Touched::Nothing.and(files(&["a"])), files(&["a"]));
        assert_eq!(files(&["a"]).and(Touched::Anything), Touched::Anything);
        assert_eq!(Touched::Anything.and(Touched::Nothing), Touched::Anything);
    }
}
