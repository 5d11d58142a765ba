//! gRPC requests, the matches of GRPCRoute rules, and their precedence.
//!
//! The path of a gRPC request is `/package.Service/Method` (gRPC over HTTP/2, "Requests"). A match that names the service, or
//! the service and the method, is looked up by one hash. All others are searched as a set of patterns.

use super::candidates::Candidate;
use super::host_routes::HostRoutes;
use super::matcher::Matcher;
use super::path_patterns::PatternText;
use super::request::RequestView;
use super::route_match::{LookupKey, RouteMatch};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Version};
use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

const CONTENT_TYPE_OF_GRPC: &str = "application/grpc";

/// Whether a request is gRPC: a POST over HTTP/2 whose content type is `application/grpc`, `application/grpc+proto` or the like
/// (gRPC over HTTP/2, "Requests"). gRPC-Web is another protocol.
pub fn is_grpc(version: Version, method: &Method, headers: &HeaderMap) -> bool {
    let content_type = || headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    version == Version::HTTP_2
        && method == Method::POST
        && content_type().is_some_and(is_grpc_content_type)
}

/// Media types are case-insensitive (RFC 9110, section 8.3.1).
fn is_grpc_content_type(value: &[u8]) -> bool {
    let Some((media_type, rest)) = value.split_at_checked(CONTENT_TYPE_OF_GRPC.len()) else {
        return false;
    };
    let ends = matches!(rest.first(), None | Some(b'+' | b';' | b' '));
    media_type.eq_ignore_ascii_case(CONTENT_TYPE_OF_GRPC.as_bytes()) && ends
}

/// A match of a GRPCRoute rule.
#[derive(Clone, Debug)]
pub struct GrpcMatch {
    /// The condition on the service.
    pub service: NameMatch,
    /// The condition on the method.
    pub method: NameMatch,
    /// The conditions on headers.
    pub matcher: Arc<Matcher>,
}

/// How the name of a gRPC service or method is matched. Case matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// This name.
    Exact(Arc<str>),
    /// A pattern for the whole name. A pattern that [`pattern`](super::matcher::pattern) refuses never matches.
    Regex(Arc<str>),
    /// Any name.
    Any,
}

/// The precedence of a match among those of a hostname.
///
/// "Precedence MUST be given to the rule with the largest number of: characters in a matching service; characters in a
/// matching method; header matches" (`GRPCRouteRule.matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrpcRank<'m> {
    service: NameRank<'m>,
    method: NameRank<'m>,
    headers: Reverse<usize>,
}

/// The rank of a name. Two exact names that match the same request are equal, so the texts never decide between them. The
/// longer of two patterns takes precedence, as for paths; see `docs/decisions/regex-precedence.md`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NameRank<'m> {
    Exact(&'m str),
    Regex(Reverse<usize>),
    Any,
}

impl NameMatch {
    fn rank(&self) -> NameRank<'_> {
        match self {
            NameMatch::Exact(name) => NameRank::Exact(name),
            NameMatch::Regex(pattern) => NameRank::Regex(Reverse(pattern.chars().count())),
            NameMatch::Any => NameRank::Any,
        }
    }

    /// Returns the pattern of the name, `any` if every name matches.
    fn pattern(&self, any: &str) -> String {
        match self {
            NameMatch::Exact(name) => regex::escape(name),
            NameMatch::Regex(pattern) => format!("(?:{pattern})"),
            NameMatch::Any => any.to_owned(),
        }
    }
}

impl RouteMatch for GrpcMatch {
    type Conditions = Matcher;
    type Rank<'m> = GrpcRank<'m>;
    const PATTERN_TEXT: PatternText = PatternText::Segments;

    fn rank(&self) -> GrpcRank<'_> {
        GrpcRank {
            service: self.service.rank(),
            method: self.method.rank(),
            headers: Reverse(self.matcher.headers.len()),
        }
    }

    /// A match of a service and method has the path as its key, a match of any method the service.
    fn lookup_key(&self) -> LookupKey {
        match (&self.service, &self.method) {
            (NameMatch::Exact(service), NameMatch::Exact(method)) => {
                LookupKey::Exact(format!("/{service}/{method}").into())
            }
            (NameMatch::Exact(service), NameMatch::Any) => LookupKey::Prefix(service.clone()),
            (NameMatch::Any, NameMatch::Any) => LookupKey::Any,
            // `Exact` with `Regex` can't occur: the API has one type for both (`GRPCMethodMatch.type`).
            (NameMatch::Regex(_) | NameMatch::Any, _) | (_, NameMatch::Regex(_)) => {
                LookupKey::Pattern
            }
        }
    }

    fn pattern(&self) -> Arc<str> {
        path_pattern(&self.service, &self.method).into()
    }

    fn conditions(&self) -> Option<&Arc<Matcher>> {
        Some(&self.matcher).filter(|matcher| !matcher.is_empty())
    }

    /// Searches in the order of [`GrpcRank`].
    fn find<'r, T>(
        routes: &'r HostRoutes<Self>,
        request: &RequestView<'_>,
        mut take: impl FnMut(&'r Candidate<Self>) -> Option<T>,
    ) -> Option<T> {
        let path = request.path;
        let of_method = routes.exact(path).iter();
        let of_service = service(path).map_or(&[][..], |service| routes.prefix(service));
        let named = of_method.chain(of_service).find_map(&mut take);
        named
            .or_else(|| routes.find_pattern(path, &mut take))
            .or_else(|| routes.any().iter().find_map(&mut take))
    }
}

/// Returns the pattern of the paths that a match applies to. Service and method are segments, each with its own anchors. The
/// pattern may be invalid although both names are valid by themselves, for example if both name the same group.
pub fn path_pattern(service: &NameMatch, method: &NameMatch) -> String {
    let service = service.pattern("(?s:.*)");
    let method = method.pattern("[^/]*");
    format!(r"\A/{service}/{method}\z")
}

/// Returns the service that a path names. `None` if it isn't the path of a gRPC request.
fn service(path: &str) -> Option<&str> {
    let (service, _method) = path.strip_prefix('/')?.rsplit_once('/')?;
    Some(service)
}

impl fmt::Display for GrpcMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GrpcMatch {
            service,
            method,
            matcher,
        } = self;
        write!(f, "gRPC {service}/{method}{matcher}")
    }
}

impl fmt::Display for NameMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameMatch::Exact(name) => f.write_str(name),
            NameMatch::Regex(pattern) => write!(f, "~{pattern:?}"),
            NameMatch::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_the_content_types_of_grpc() {
        for value in [
            "application/grpc",
            "Application/GRPC",
            "application/grpc+proto",
            "application/grpc; charset=utf-8",
        ] {
            assert!(is_grpc_content_type(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grp",
        ] {
            assert!(!is_grpc_content_type(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn only_posts_over_http_2_are_grpc() {
        let content_type = HeaderValue::from_static("application/grpc");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        assert!(is_grpc(Version::HTTP_2, &Method::POST, &headers));
        assert!(!is_grpc(Version::HTTP_2, &Method::GET, &headers));
        assert!(!is_grpc(Version::HTTP_11, &Method::POST, &headers));
        assert!(!is_grpc(Version::HTTP_2, &Method::POST, &HeaderMap::new()));
    }
}
