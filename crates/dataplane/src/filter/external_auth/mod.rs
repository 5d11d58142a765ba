//! External authorization: asks a server about each request, over HTTP or gRPC.
//!
//! In: a client's request. Out: what the server is asked, and which headers of its answer the backend gets. Used by the filter
//! `ExternalAuth` of HTTPRoutes (GEP-1494) and by `extAuth` of SecurityPolicies (API: `ExtAuth`).

mod copied_headers;
mod servers;

pub use copied_headers::CopiedHeaders;
pub use servers::{AuthServer, AuthServers};

use super::route_choice::RouteChoice;
use http::header::AUTHORIZATION;
use http::{HeaderName, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Requires that an authorization server allows a request.
#[derive(Debug)]
pub struct ExternalAuth {
    /// The authorization servers.
    pub servers: AuthServers,
    /// What they are asked, and what their answers mean.
    pub settings: Arc<AuthSettings>,
}

/// What an authorization server is asked, and what its answers mean.
#[derive(Debug)]
pub struct AuthSettings {
    /// The protocol of the server.
    pub protocol: AuthProtocol,
    /// The headers of the request that the server gets.
    pub request_headers: SentHeaders,
    /// The time limit of a question, from choosing an endpoint to the end of the answer.
    pub timeout: Duration,
    /// What happens to a request if the server gives no answer. A denial is an answer.
    pub on_error: OnAuthError,
    /// Whether the route is chosen again with the headers that the server sets.
    pub routing: RouteChoice,
    /// The maximum length of a body, which the server gets, too; at most [`AuthSettings::LARGEST_BODY`]. `None` if it gets none.
    pub body_limit: Option<usize>,
}

/// The protocol of an authorization server.
#[derive(Debug)]
pub enum AuthProtocol {
    /// HTTP: status 200 allows the request.
    Http(HttpAuth),
    /// gRPC: `envoy.service.auth.v3.Authorization/Check`. The servers' endpoints speak HTTP/2.
    Grpc(GrpcAuth),
}

/// How a server is asked over gRPC. Its answer says itself which headers change.
#[derive(Debug)]
pub struct GrpcAuth {
    /// The `:authority` of a question.
    pub authority: Box<str>,
    /// Texts that the server gets with each question (API: `contextExtensions`).
    pub context: ContextExtensions,
    /// Whether the server learns the route of the request (API: `includeRouteMetadata`).
    pub sends_route: bool,
}

/// Named texts, which may be secrets.
#[derive(Default)]
pub struct ContextExtensions(Vec<(String, String)>);

/// How a server is asked over HTTP.
#[derive(Debug)]
pub struct HttpAuth {
    /// The path of a question.
    pub path: AuthPath,
    /// The headers of the server's answer that the backend gets.
    pub copied: CopiedHeaders,
}

/// The path of a question.
#[derive(Debug)]
pub enum AuthPath {
    /// This text, followed by the path and the query of the request. Empty, or begins with `/`.
    Prefix(Box<str>),
    /// Always this one. Begins with `/`.
    Fixed(Box<str>),
}

/// The headers of a request that an authorization server gets.
#[derive(Debug)]
pub enum SentHeaders {
    /// All of them.
    All,
    /// These.
    Listed(Box<[HeaderName]>),
}

/// What happens to a request if the authorization server gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAuthError {
    /// It is answered with this status.
    Deny(StatusCode),
    /// It passes, without the headers that an answer would have set (API: `failOpen`).
    Allow,
}

impl AuthSettings {
    /// The time limit of a question if none is set (Envoy Gateway: `defaultExtServiceRequestTimeout`).
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The greatest maximum length of a body, in bytes. Servers of gRPC accept no longer messages by default, either.
    pub const LARGEST_BODY: usize = 4 * 1024 * 1024;
}

impl ContextExtensions {
    /// Keeps texts with their names.
    pub fn new(texts: Vec<(String, String)>) -> Self {
        ContextExtensions(texts)
    }

    /// Returns the names and texts, for the question.
    pub fn texts(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0.iter().cloned()
    }
}

/// The names only.
impl fmt::Debug for ContextExtensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl HttpAuth {
    /// Returns the target of a question about a request for `path_and_query`.
    pub fn target_of(&self, path_and_query: &str) -> String {
        match &self.path {
            AuthPath::Prefix(prefix) => format!("{prefix}{path_and_query}"),
            AuthPath::Fixed(path) => path.to_string(),
        }
    }
}

impl SentHeaders {
    /// The headers that a server gets over HTTP: these, and `Authorization`. `Host` and the framing belong to the question itself.
    pub fn over_http(names: Vec<HeaderName>) -> Self {
        let mut names = names;
        if !names.contains(&AUTHORIZATION) {
            names.push(AUTHORIZATION);
        }
        SentHeaders::Listed(names.into())
    }

    /// The headers that a server gets over gRPC: these, or all of them if there are none.
    pub fn over_grpc(names: Vec<HeaderName>) -> Self {
        if names.is_empty() {
            SentHeaders::All
        } else {
            SentHeaders::Listed(names.into())
        }
    }

    /// Whether the server gets a header of the request.
    pub fn contains(&self, name: &HeaderName) -> bool {
        match self {
            SentHeaders::All => true,
            SentHeaders::Listed(names) => names.contains(name),
        }
    }
}

impl fmt::Display for ExternalAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " asks [{}{}]", self.servers, self.settings)
    }
}

/// What differs from the default, each after a space.
impl fmt::Display for AuthSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuthSettings {
            protocol,
            request_headers,
            timeout,
            on_error,
            routing,
            body_limit,
        } = self;
        protocol.fmt(f)?;
        match request_headers {
            SentHeaders::All => f.write_str(" gets all")?,
            SentHeaders::Listed(names) => names
                .iter()
                .filter(|name| **name != AUTHORIZATION)
                .try_for_each(|name| write!(f, " gets {name}"))?,
        }
        if *timeout != AuthSettings::DEFAULT_TIMEOUT {
            write!(f, " within {timeout:?}")?;
        }
        match on_error {
            OnAuthError::Deny(StatusCode::FORBIDDEN) => {}
            OnAuthError::Deny(status) => write!(f, " or {}", status.as_u16())?,
            OnAuthError::Allow => f.write_str(" or passes")?,
        }
        if *routing == RouteChoice::Recompute {
            f.write_str(" reroutes")?;
        }
        if let Some(limit) = body_limit {
            write!(f, " body {limit}")?;
        }
        Ok(())
    }
}

impl fmt::Display for AuthProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthProtocol::Http(http) => http.fmt(f),
            AuthProtocol::Grpc(grpc) => grpc.fmt(f),
        }
    }
}

impl fmt::Display for GrpcAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " gRPC {}", self.authority)?;
        for (name, _) in &self.context.0 {
            write!(f, " says {name}")?;
        }
        if self.sends_route {
            f.write_str(" says route")?;
        }
        Ok(())
    }
}

impl fmt::Display for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            AuthPath::Prefix(prefix) => write!(f, " {prefix}*")?,
            AuthPath::Fixed(path) => write!(f, " {path}")?,
        }
        self.copied.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gets_the_path_behind_the_prefix_or_a_fixed_one() {
        let target = |path| {
            let copied = CopiedHeaders::All;
            HttpAuth { path, copied }.target_of("/a?b")
        };
        assert_eq!(target(AuthPath::Prefix("/check".into())), "/check/a?b");
        assert_eq!(target(AuthPath::Prefix("".into())), "/a?b");
        assert_eq!(target(AuthPath::Fixed("/check".into())), "/check");
    }

    #[test]
    fn the_server_gets_few_headers_over_http() {
        let sent = SentHeaders::over_http(vec![HeaderName::from_static("cookie")]);
        let names = ["authorization", "cookie", "x-user"].map(HeaderName::from_static);
        assert_eq!(names.map(|name| sent.contains(&name)), [true, true, false]);
    }
}
