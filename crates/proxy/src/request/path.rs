//! Normalises the path of a request.

use crate::filter::url_rewrite;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::path_normalization::{PathError, PathNormalization};
use http::Uri;
use http::uri::PathAndQuery;
use pingora_proxy::Session;
use std::borrow::Cow;

/// Normalises the path of a request whose target is a path. The query is kept, and so is the whole target if nothing has to
/// change.
pub(crate) fn normalize(
    session: &mut Session,
    normalization: PathNormalization,
) -> Result<(), AnswerReason> {
    if let Some(uri) = normalized(&session.req_header().uri, normalization)? {
        session.req_header_mut().set_uri(uri);
    }
    Ok(())
}

/// Returns the URI with the normalised path. `None` if the path is already normal.
fn normalized(uri: &Uri, normalization: PathNormalization) -> Result<Option<Uri>, AnswerReason> {
    let path = match normalization.normalize(uri.path()) {
        Ok(Cow::Borrowed(_)) => return Ok(None),
        Ok(Cow::Owned(path)) => path,
        Err(PathError::LeavesRoot) => return Err(AnswerReason::PathLeavesRoot),
        Err(PathError::EncodedNul) => return Err(AnswerReason::PathWithNul),
        Err(PathError::MalformedEscape) => return Err(AnswerReason::PathWithMalformedEscape),
    };
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    // A normal path only contains valid characters, so only its length can be wrong: percent-encoding triples the length of
    // bytes that a path can't contain.
    let target = target.map_err(|_| AnswerReason::PathTooLong)?;
    let uri = url_rewrite::with_target(uri, target).map_err(|_| AnswerReason::Internal)?;
    Ok(Some(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(uri: &str) -> Result<Option<Uri>, AnswerReason> {
        let uri: Uri = uri.parse().expect("a URI");
        normalized(&uri, PathNormalization::On)
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
