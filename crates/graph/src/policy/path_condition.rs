//! `operation.path` of a rule of `authorization`.

use gatefold_dataplane::filter::security::path_condition::{PathCondition, PathTest};
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::routing::matcher;
use gatefold_manifest::api::{AuthorizationPathMatch, PathMatchType};

/// Reads a condition, in the form that the paths of requests have.
///
/// # Errors
/// If no request can have such a path, or the expression can't be read or depends on the query. Contains the message.
pub(super) fn read(
    fields: &AuthorizationPathMatch,
    normalization: PathNormalization,
) -> Result<PathCondition, String> {
    let AuthorizationPathMatch {
        kind,
        value,
        invert,
    } = fields;
    let normal = || {
        if !value.starts_with('/') {
            return Err(format!("the path `{value}` doesn't begin with a slash"));
        }
        let normal = normalization.normalize(value);
        let normal =
            normal.map_err(|error| format!("no request has the path `{value}`: {error}"))?;
        Ok(normalization.for_matching(&normal).into_owned())
    };
    Ok(PathCondition {
        test: match kind {
            PathMatchType::Exact => PathTest::Exact(normal()?.into()),
            PathMatchType::PathPrefix => PathTest::prefix(&normal()?),
            PathMatchType::RegularExpression => PathTest::Expression(expression(value)?),
        },
        is_inverted: *invert == Some(true),
    })
}

/// Envoy compares expressions with the path and the query. gatefold leaves the query out: an expression that contains one would
/// never match, and so never deny.
fn expression(text: &str) -> Result<regex::Regex, String> {
    if text.contains("\\?") || text.contains("[?") {
        return Err(format!(
            "`{text}` contains a question mark, but expressions are compared with the path, without the query"
        ));
    }
    let compiled = matcher::pattern(text);
    compiled.map_err(|error| format!("`{text}` isn't a regular expression: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: PathMatchType, value: &str) -> Result<PathCondition, String> {
        let fields = AuthorizationPathMatch {
            kind,
            value: value.to_owned(),
            invert: None,
        };
        read(&fields, PathNormalization::On)
    }

    #[test]
    fn paths_are_brought_into_the_form_of_requests() {
        for (kind, value, path) in [
            (PathMatchType::Exact, "/%61dmin", "/admin"),
            (
                PathMatchType::PathPrefix,
                "/a/../caf%c3%a9/",
                "/caf%C3%A9/x",
            ),
            (PathMatchType::RegularExpression, "/v[0-9]+/.*", "/v1/a"),
        ] {
            let condition = condition(kind, value).expect("a condition");
            assert!(condition.matches(path), "{value}");
            assert!(!condition.matches("/other"), "{value}");
        }
    }

    #[test]
    fn what_would_never_match_is_refused() {
        for (kind, value) in [
            (PathMatchType::Exact, "admin"),
            (PathMatchType::PathPrefix, "/../admin"),
            (PathMatchType::RegularExpression, "/admin(\\?.*)?"),
            (PathMatchType::RegularExpression, "/admin[?].*"),
            (PathMatchType::RegularExpression, "("),
        ] {
            assert!(condition(kind, value).is_err(), "{value}");
        }
    }
}
