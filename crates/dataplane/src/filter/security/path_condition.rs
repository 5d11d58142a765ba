//! A condition of `authorization` on the path of a request (API: `Operation.path`).

use regex::Regex;
use std::fmt;

/// A condition on the path, without the query, in the form that routes are compared with.
#[derive(Clone, Debug)]
pub struct PathCondition {
    /// How the path is compared.
    pub test: PathTest,
    /// Whether it matches the paths that don't pass the test.
    pub is_inverted: bool,
}

/// How a path is compared. Parameters at its end (`/admin;v=1`) don't matter for texts, as in Envoy Gateway (`PathExactRegex`).
#[derive(Clone, Debug)]
pub enum PathTest {
    /// The path is equal to this.
    Exact(Box<str>),
    /// The path begins with these segments. There is no final slash.
    Prefix(Box<str>),
    /// The whole path matches this expression.
    Expression(Regex),
}

impl PathCondition {
    /// Whether a path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.test.passes(path) != self.is_inverted
    }
}

impl PathTest {
    /// Begins with segments. A final slash is ignored.
    pub fn prefix(segments: &str) -> Self {
        PathTest::Prefix(segments.strip_suffix('/').unwrap_or(segments).into())
    }

    fn passes(&self, path: &str) -> bool {
        match self {
            PathTest::Exact(whole) => {
                let rest = path.strip_prefix(&**whole);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(';'))
            }
            PathTest::Prefix(segments) => {
                let rest = path.strip_prefix(&**segments);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ';']))
            }
            PathTest::Expression(expression) => expression.is_match(path),
        }
    }
}

impl fmt::Display for PathCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_inverted { "not " } else { "" })?;
        match &self.test {
            PathTest::Exact(whole) => write!(f, "path {whole}"),
            PathTest::Prefix(segments) => write!(f, "path {segments}/*"),
            PathTest::Expression(expression) => write!(f, "path ~{:?}", expression.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_by_segments_and_without_parameters() {
        let exact = PathTest::Exact("/admin".into());
        let prefix = PathTest::prefix("/admin/");
        let all = PathTest::prefix("/");
        for (path, is_exact, has_prefix) in [
            ("/admin", true, true),
            ("/admin/", false, true),
            ("/admin/users", false, true),
            ("/admin;v=1", true, true),
            ("/admin;v=1/users", true, true),
            ("/administrator", false, false),
            ("/Admin", false, false),
            ("/", false, false),
        ] {
            assert_eq!(exact.passes(path), is_exact, "{path}");
            assert_eq!(prefix.passes(path), has_prefix, "{path}");
            assert!(all.passes(path), "{path}");
            let inverted = PathCondition {
                test: prefix.clone(),
                is_inverted: true,
            };
            assert_eq!(inverted.matches(path), !has_prefix, "{path}");
        }
    }
}
