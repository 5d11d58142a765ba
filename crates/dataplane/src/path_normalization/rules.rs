//! Rules of a listener for paths, beside `--path-normalization` (ClientTrafficPolicy `path`).

use super::{PathError, PathNormalization};
use std::borrow::Cow;
use std::fmt;

/// How the paths of a listener's requests are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathRules {
    /// Whether adjacent slashes become one.
    pub merges_slashes: bool,
    /// What happens to a path with `%2F` or `%5C`.
    pub escaped_slashes: EscapedSlashes,
}

/// What happens to a path with an escaped slash or backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// They stay.
    Keep,
    /// The request is answered 400.
    Reject,
    /// They become slashes.
    Unescape,
    /// They become slashes, and the client is redirected to the path.
    Redirect,
}

/// A path after normalisation.
#[derive(Debug, PartialEq, Eq)]
pub struct NormalizedPath<'p> {
    /// The path. Borrowed if nothing has changed.
    pub path: Cow<'p, str>,
    /// Whether the client must ask for the path itself.
    pub must_redirect: bool,
}

impl Default for PathRules {
    fn default() -> Self {
        PathRules {
            merges_slashes: true,
            escaped_slashes: EscapedSlashes::Keep,
        }
    }
}

impl PathRules {
    /// Normalises a path, which must begin with `/`. What this does with escaped slashes doesn't depend on `normalization`.
    ///
    /// # Errors
    /// If the path has no normal form, or the rules reject it.
    pub fn normalize(
        self,
        normalization: PathNormalization,
        path: &str,
    ) -> Result<NormalizedPath<'_>, PathError> {
        let merges = self.merges_slashes;
        if self.escaped_slashes == EscapedSlashes::Keep || !has_escaped_slash(path) {
            return Ok(NormalizedPath {
                path: normalization.normal_form(path, merges)?,
                must_redirect: false,
            });
        }
        if self.escaped_slashes == EscapedSlashes::Reject {
            return Err(PathError::EscapedSlash);
        }
        let path = unescaped_slashes(path);
        let path = normalization.normal_form(&path, merges)?.into_owned();
        Ok(NormalizedPath {
            path: path.into(),
            must_redirect: self.escaped_slashes == EscapedSlashes::Redirect,
        })
    }
}

/// Whether an escape is that of a slash or a backslash. `rest` follows the percent sign.
fn is_escaped_slash(rest: &str) -> bool {
    let digits = rest.as_bytes().get(..2);
    digits.is_some_and(|it| it.eq_ignore_ascii_case(b"2f") || it.eq_ignore_ascii_case(b"5c"))
}

fn has_escaped_slash(path: &str) -> bool {
    path.split('%').skip(1).any(is_escaped_slash)
}

fn unescaped_slashes(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut parts = path.split('%');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.get(2..).filter(|_| is_escaped_slash(part)) {
            Some(rest) => {
                text.push('/');
                text.push_str(rest);
            }
            None => {
                text.push('%');
                text.push_str(part);
            }
        }
    }
    text
}

impl fmt::Display for PathRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.escaped_slashes {
            EscapedSlashes::Keep => "escaped slashes kept",
            EscapedSlashes::Reject => "escaped slashes rejected",
            EscapedSlashes::Unescape => "escaped slashes unescaped",
            EscapedSlashes::Redirect => "escaped slashes redirected",
        })?;
        if !self.merges_slashes {
            f.write_str(", slashes not merged")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(rules: PathRules, path: &str) -> Result<(String, bool), PathError> {
        let found = rules.normalize(PathNormalization::On, path)?;
        Ok((found.path.into_owned(), found.must_redirect))
    }

    fn with(escaped_slashes: EscapedSlashes) -> PathRules {
        PathRules {
            escaped_slashes,
            ..PathRules::default()
        }
    }

    #[test]
    fn escaped_slashes_are_kept_rejected_or_unescaped() {
        let path = "/a%2fb/%5C../c%252F";
        let kept = normalized(with(EscapedSlashes::Keep), path);
        assert_eq!(kept, Ok((path.to_owned(), false)));
        let rejected = normalized(with(EscapedSlashes::Reject), path);
        assert_eq!(rejected, Err(PathError::EscapedSlash));
        // The new slashes make dot segments and repeated slashes.
        let plain = "/a/b/c%252F".to_owned();
        let unescaped = normalized(with(EscapedSlashes::Unescape), path);
        assert_eq!(unescaped, Ok((plain.clone(), false)));
        let redirected = normalized(with(EscapedSlashes::Redirect), path);
        assert_eq!(redirected, Ok((plain, true)));
    }

    #[test]
    fn a_path_without_escaped_slashes_is_never_redirected() {
        let found = normalized(with(EscapedSlashes::Redirect), "/a//%62");
        assert_eq!(found, Ok(("/a/b".to_owned(), false)));
    }

    #[test]
    fn unescaping_cannot_lead_out_of_the_root_or_make_new_escapes() {
        let rules = with(EscapedSlashes::Unescape);
        assert_eq!(
            normalized(rules, "/a%2F..%2F..%2Fb"),
            Err(PathError::LeavesRoot)
        );
        assert_eq!(normalized(rules, "/%2%2F"), Err(PathError::MalformedEscape));
    }

    #[test]
    fn slashes_may_stay_apart() {
        let rules = PathRules {
            merges_slashes: false,
            ..PathRules::default()
        };
        assert_eq!(
            normalized(rules, "/a//./b"),
            Ok(("/a//b".to_owned(), false))
        );
        assert_eq!(
            normalized(rules, "/a//../b"),
            Ok(("/a/b".to_owned(), false))
        );
    }

    #[test]
    fn escaped_slashes_are_rejected_without_normalisation_too() {
        let found = with(EscapedSlashes::Reject).normalize(PathNormalization::Off, "/a%2Fb//c");
        assert_eq!(found, Err(PathError::EscapedSlash));
        let found = with(EscapedSlashes::Unescape).normalize(PathNormalization::Off, "/a%5cb//c");
        assert_eq!(
            found.map(|it| it.path.into_owned()).as_deref(),
            Ok("/a/b//c")
        );
    }
}
