//! One request for each rule of a route.

use super::pattern::matching_text;
use gatefold_manifest::api::{
    GRPCRouteMatch, GRPCRouteSpec, HTTPHeaderMatch, HTTPMethod, HTTPRouteMatch, HTTPRouteSpec,
    PathMatchType, ValueMatchType,
};

/// A request that a rule of a route matches, whatever its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SampleRequest {
    /// The method. `None` for GET.
    pub method: Option<&'static str>,
    /// The path, as a user would write it.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    /// Whether it is a gRPC call.
    pub is_grpc: bool,
}

/// Returns a request for each rule of an HTTPRoute. A rule has none if its regular expressions match nothing, or if a header has characters
/// that aren't printable ASCII: clients can't send some of them, and a terminal must not get them from a repository.
pub(super) fn of_http_route(route: &HTTPRouteSpec) -> Vec<SampleRequest> {
    let any = HTTPRouteMatch::default();
    let rules = route.rules.iter();
    let matches = rules.map(|rule| rule.matches.first().unwrap_or(&any));
    distinct(matches.filter_map(of_http_match))
}

/// Returns a call for each rule of a GRPCRoute.
pub(super) fn of_grpc_route(route: &GRPCRouteSpec) -> Vec<SampleRequest> {
    let any = GRPCRouteMatch::default();
    let rules = route.rules.iter();
    let matches = rules.map(|rule| rule.matches.first().unwrap_or(&any));
    distinct(matches.filter_map(of_grpc_match))
}

fn distinct(requests: impl Iterator<Item = SampleRequest>) -> Vec<SampleRequest> {
    let mut distinct = Vec::new();
    for request in requests {
        if !distinct.contains(&request) {
            distinct.push(request);
        }
    }
    distinct
}

fn of_http_match(matched: &HTTPRouteMatch) -> Option<SampleRequest> {
    let path = match matched.path.kind {
        PathMatchType::Exact | PathMatchType::PathPrefix => matched.path.value.clone(),
        PathMatchType::RegularExpression => matching_text(&matched.path.value)?,
    };
    let query = matched.query_params.iter().map(|param| {
        let value = value(param.kind, &param.value)?;
        Some((param.name.to_string(), value))
    });
    Some(SampleRequest {
        method: matched
            .method
            .filter(|it| *it != HTTPMethod::Get)
            .map(HTTPMethod::as_str),
        path: if path.starts_with('/') {
            path
        } else {
            format!("/{path}")
        },
        headers: headers(&matched.headers)?,
        query: query.collect::<Option<_>>()?,
        is_grpc: false,
    })
}

fn of_grpc_match(matched: &GRPCRouteMatch) -> Option<SampleRequest> {
    let method = matched.method.as_ref();
    let part = |name: Option<&String>, any: &str| match (method, name) {
        (Some(method), Some(name)) => value(method.kind, name),
        _ => Some(any.to_owned()),
    };
    let service = part(method.and_then(|it| it.service.as_ref()), "example.Service")?;
    let method = part(method.and_then(|it| it.method.as_ref()), "Method")?;
    Some(SampleRequest {
        method: Some("POST"),
        path: format!("/{service}/{method}"),
        headers: headers(&matched.headers)?,
        query: Vec::new(),
        is_grpc: true,
    })
}

fn headers(matched: &[HTTPHeaderMatch]) -> Option<Vec<(String, String)>> {
    let headers = matched.iter().map(|header| {
        let value = value(header.kind, &header.value)?;
        let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let is_printable = value.bytes().all(is_printable);
        is_printable.then(|| (header.name.to_string(), value))
    });
    headers.collect()
}

fn value(kind: ValueMatchType, value: &str) -> Option<String> {
    match kind {
        ValueMatchType::Exact => Some(value.to_owned()),
        ValueMatchType::RegularExpression => matching_text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Loader;

    #[test]
    fn a_header_with_control_characters_has_no_request() {
        let route = |value: &str| {
            format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r}}\nspec:\n  rules:\n    \
                 - matches: [{{headers: [{{name: x, type: RegularExpression, value: '{value}'}}]}}]\n"
            )
        };
        for (value, header) in [
            (r"it.s [^a]", Some("itas b")),
            (r"\x1b\[31m", None),
            (r"a\nb", None),
            (r"\x{202e}", None),
        ] {
            let loaded = Loader::from_text("route.yaml", route(value));
            let route = loaded.resources.http_routes.values().next();
            let requests = of_http_route(&route.expect(value).spec);
            let header = header.map(|it| vec![("x".to_owned(), it.to_owned())]);
            let found = requests.into_iter().next().map(|it| it.headers);
            assert_eq!(found, header, "{value}");
        }
    }
}
