//! Normalises the path of a request.

use crate::filter::url_rewrite;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::path_normalization::{PathError, PathNormalization, PathRules};
use http::Uri;
use http::uri::PathAndQuery;
use std::borrow::Cow;

/// The target of a request after normalisation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NormalizedTarget {
    /// The URI with the normalised path. The query is kept. `None` if the path is already normal.
    pub(crate) uri: Option<Uri>,
    /// Whether the client must ask for it itself.
    pub(crate) must_redirect: bool,
}

/// Normalises the path of a target, which must be a path.
///
/// # Errors
/// If the path has no normal form, or the rules reject it.
pub(crate) fn normalized(
    uri: &Uri,
    normalization: PathNormalization,
    rules: PathRules,
) -> Result<NormalizedTarget, AnswerReason> {
    let normal = match rules.normalize(normalization, uri.path()) {
        Ok(normal) => normal,
        Err(PathError::LeavesRoot) => return Err(AnswerReason::PathLeavesRoot),
        Err(PathError::EncodedNul) => return Err(AnswerReason::PathWithNul),
        Err(PathError::MalformedEscape) => return Err(AnswerReason::PathWithMalformedEscape),
        Err(PathError::EscapedSlash) => return Err(AnswerReason::PathWithEscapedSlash),
    };
    let uri = match normal.path {
        Cow::Borrowed(_) => None,
        Cow::Owned(path) => Some(with_path(uri, path)?),
    };
    Ok(NormalizedTarget {
        uri,
        must_redirect: normal.must_redirect,
    })
}

fn with_path(uri: &Uri, path: String) -> Result<Uri, AnswerReason> {
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    // A normal path only contains valid characters, so only its length can be wrong: percent-encoding triples the length of
    // bytes that a path can't contain.
    let target = target.map_err(|_| AnswerReason::PathTooLong)?;
    url_rewrite::with_target(uri, target).map_err(|_| AnswerReason::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(uri: &str) -> Result<Option<Uri>, AnswerReason> {
        let uri: Uri = uri.parse().expect("a URI");
        let normal = normalized(&uri, PathNormalization::On, PathRules::default());
        normal.map(|it| it.uri)
    }

    #[test]
    fn normalises_the_path_and_keeps_host_and_query() {
        for (before, after) in [
            ("/a/../b", "/b"),
            ("/a//b?", "/a/b?"),
            ("/%61?x=/../%61//&y=%00", "/a?x=/../%61//&y=%00"),
            ("https://example.com:1/./a?b", "https://example.com:1/a?b"),
        ] {
            let changed = on(before).expect("a normal form").expect("another URI");
            assert_eq!(changed.to_string(), after);
        }
    }

    #[test]
    fn keeps_a_normal_path_with_any_query() {
        for uri in ["/", "/a%2fb?/../%zz", "https://example.com/a"] {
            assert_eq!(on(uri), Ok(None), "{uri}");
        }
    }

    #[test]
    fn rejects_a_path_that_is_too_long_once_encoded() {
        let path = format!("/{}", "[".repeat(30_000));
        assert_eq!(on(&path), Err(AnswerReason::PathTooLong));
        let query = format!("/[?{}", "q".repeat(65_531));
        assert_eq!(on(&query), Err(AnswerReason::PathTooLong), "with the query");
    }
}
