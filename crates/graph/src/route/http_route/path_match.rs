//! The path of a match, in the normal form that the paths of requests have.

use crate::Build;
use crate::dead_escape::{self, is_matched};
use crate::route::object::RuleAt;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{HTTPPathMatch, PathMatchType};

/// Normalizes the path like the paths of requests. A regular expression stays as written; it is also compared with
/// normalized paths.
///
/// Returns a problem if no request can have such a path, so that the match can't be served.
pub(super) fn normalize(
    path: &mut HTTPPathMatch,
    at: RuleAt<'_>,
    index: usize,
    build: &mut Build<'_>,
) -> Option<Diagnostic> {
    let normalization = build.environment.path_normalization;
    let pointer = || {
        let one = at.pointer().key("matches").index(index);
        one.key("path").key("value")
    };
    if path.kind == PathMatchType::RegularExpression {
        if normalization == PathNormalization::On {
            let finding = dead_escape(&path.value, at, &pointer);
            build.diagnostics.extend(finding);
        }
        return None;
    }
    let written = &path.value;
    let normal = match normalization.normalize(written) {
        Ok(normal) => normal,
        Err(error) => {
            let message = format!("no request has the path `{written}`: {error}");
            let finding = at.finding(Code::InvalidMatch, pointer(), message);
            let help = "requests with such a path are answered 400, see --path-normalization";
            return Some(finding.help(help));
        }
    };
    let matched = normalization.for_matching(&normal);
    if *matched != **written {
        let message = format!("`{written}` is matched as `{matched}`, its normal form");
        let finding = at.finding(Code::PathNotNormal, pointer(), message);
        build.diagnostics.push(finding);
        path.value = matched.into_owned();
    }
    None
}

/// Reports the first escape in a regular expression that no normalized path contains.
fn dead_escape(pattern: &str, at: RuleAt<'_>, pointer: &dyn Fn() -> Pointer) -> Option<Diagnostic> {
    let digits = dead_escape::dead_escape(pattern)?;
    let message = format!("`%{digits}` in `{pattern}` matches nothing: paths are normalized first");
    let finding = at.finding(Code::DeadEscape, pointer(), message);
    Some(finding.help(replacement(digits)))
}

/// Returns what to write instead of an escape that no normalized path contains.
fn replacement(digits: &str) -> String {
    let upper = digits.to_ascii_uppercase();
    match u8::from_str_radix(digits, 16) {
        _ if is_matched(&upper) => format!("write `%{upper}`"),
        Ok(byte) if byte != 0 => format!("write `{}`", char::from(byte).escape_default()),
        Ok(_) | Err(_) => "requests with it are answered 400".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Graph, build};
    use gatefold_diagnostic::Severity;
    use gatefold_manifest::Loader;

    /// Builds a route with one match for this path.
    fn built(kind: &str, path: &str, path_normalization: PathNormalization) -> Graph {
        let text = format!(
            r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec: {{gatewayClassName: any, listeners: [{{name: http, protocol: HTTP, port: 80}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: route}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
  - matches: [{{path: {{type: {kind}, value: '{path}'}}}}]
    filters: [{{type: RequestRedirect, requestRedirect: {{scheme: https}}}}]
"
        );
        let environment = Environment {
            path_normalization,
            ..Environment::default()
        };
        let loaded = Loader::from_text("route.yaml", text.as_str());
        build(&loaded.resources, &environment)
    }

    /// Returns the path as it is matched, and the codes of the diagnostics about it.
    fn matched(kind: &str, path: &str, normalization: PathNormalization) -> (String, Vec<Code>) {
        let graph = built(kind, path, normalization);
        let rules = graph.routes.http.values().flat_map(|route| &route.rules);
        let mut matches = rules.flat_map(|rule| &rule.matches);
        let path = matches.next().map(|one| one.path.value.clone());
        let findings = graph
            .diagnostics
            .iter()
            .filter(|one| one.severity != Severity::Info || one.code == Code::PathNotNormal);
        (
            path.unwrap_or_default(),
            findings.map(|one| one.code).collect(),
        )
    }

    #[test]
    fn matches_the_normal_form_of_a_path_and_reports_the_difference() {
        for kind in ["Exact", "PathPrefix"] {
            for (written, normal) in [
                ("/%61dmin", "/admin"),
                ("/a/%2e%2e/b", "/b"),
                ("/%2e/a", "/a"),
                ("/caf%c3%a9", "/caf%C3%A9"),
            ] {
                let found = matched(kind, written, PathNormalization::On);
                assert_eq!(found, (normal.to_owned(), vec![Code::PathNotNormal]));
            }
            let found = matched(kind, "/a;b/%20/c.d/", PathNormalization::On);
            assert_eq!(found, ("/a;b/%20/c.d/".to_owned(), vec![]));
        }
    }

    #[test]
    fn path_that_no_request_can_have_is_an_invalid_match() {
        for path in ["/%2e%2e/a", "/a%00"] {
            let (_, findings) = matched("Exact", path, PathNormalization::On);
            assert_eq!(findings, [Code::InvalidMatch], "{path}");
        }
    }

    #[test]
    fn keeps_the_path_as_written_if_requests_are_not_normalized() {
        for path in ["/%61dmin", "/%2e%2e/a", "/a%00"] {
            let found = matched("Exact", path, PathNormalization::Off);
            assert_eq!(found, (path.to_owned(), vec![]));
        }
        let found = matched("RegularExpression", "/%61", PathNormalization::Off);
        assert_eq!(found, ("/%61".to_owned(), vec![]));
    }

    #[test]
    fn reports_an_escape_in_an_expression_that_no_path_contains() {
        for (pattern, help) in [
            ("/%61.*", "write `a`"),
            ("/a%2fb", "write `%2F`"),
            ("/[^/]+%2e", "write `.`"),
            ("/%00", "requests with it are answered 400"),
        ] {
            let graph = built("RegularExpression", pattern, PathNormalization::On);
            let mut found = graph.diagnostics.iter();
            let found = found.find(|one| one.code == Code::DeadEscape);
            let help_found = found.and_then(|one| one.help.as_deref());
            assert_eq!(help_found, Some(help), "{pattern}");
        }
        for pattern in [
            "/a%2Fb",
            "(?i)/a%2fb",
            "/%[0-9A-F]{2}",
            "/%+1",
            "/%20%C3%A9",
        ] {
            let (_, findings) = matched("RegularExpression", pattern, PathNormalization::On);
            assert_eq!(findings, [], "{pattern}");
        }
    }
}
