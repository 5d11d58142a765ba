//! The nodes of rules that match requests, with their filters and backends.

use crate::backend::endpoints::ServicePortKey;
use crate::policy::backend_tls::BackendTlsNode;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::filter::external_auth::AuthSettings;
use gatefold_manifest::api::{
    HTTPCORSFilter, HTTPHeaderFilter, HTTPRequestRedirectFilter, HTTPRouteRetry, HTTPRouteTimeouts,
    HTTPURLRewriteFilter,
};
use std::net::SocketAddr;
use std::sync::Arc;

/// A rule. `M` is the kind's type of matches.
#[derive(Debug)]
pub struct RuleNode<M> {
    /// The matches that requests are compared with. Empty only in a refused rule. Of several header matches with the same
    /// name only the first is present.
    pub matches: Vec<M>,
    /// The filters.
    pub filters: Vec<FilterNode>,
    /// The backends.
    pub backends: Vec<BackendNode>,
    /// The time limits.
    pub timeouts: Option<HTTPRouteTimeouts>,
    /// When a request is retried.
    pub retry: Option<Box<HTTPRouteRetry>>,
    /// Whether the rule can't be served as written. Such a rule answers 500 to the requests that it matches.
    pub refused: bool,
}

/// A filter.
#[derive(Debug)]
pub enum FilterNode {
    /// Changes to request headers.
    RequestHeaderModifier(HTTPHeaderFilter),
    /// Changes to response headers.
    ResponseHeaderModifier(HTTPHeaderFilter),
    /// A redirect as the response. On rules only.
    RequestRedirect(HTTPRequestRedirectFilter),
    /// Changes to the host and path of the request to the backend.
    UrlRewrite(HTTPURLRewriteFilter),
    /// A copy of the request to another backend.
    RequestMirror(MirrorNode),
    /// The permissions of scripts of other origins. On rules only.
    Cors(HTTPCORSFilter),
    /// A question to an authorization server. On rules only.
    ExternalAuth(Arc<ExternalAuthNode>),
}

/// Authorization servers, and what they are asked.
#[derive(Debug)]
pub struct ExternalAuthNode {
    /// The servers. One is enough to allow a request.
    pub servers: Vec<AuthServerNode>,
    /// What they are asked, and what their answers mean.
    pub settings: Arc<AuthSettings>,
}

/// An authorization server.
#[derive(Debug)]
pub struct AuthServerNode {
    /// `namespace/service:port`.
    pub name: String,
    /// The target of the reference.
    pub target: TargetNode,
    /// Its share of the questions, relative to the sum of all weights.
    pub weight: u32,
    /// Whether it is only asked if no other server can be reached.
    pub fallback: bool,
}

/// The destination of copies of requests.
#[derive(Debug)]
pub struct MirrorNode {
    /// `namespace/service:port`.
    pub name: String,
    /// The target of the reference.
    pub target: TargetNode,
    /// The number of requests that are copied, out of how many.
    pub share: (u32, u32),
}

/// A backend reference.
#[derive(Debug)]
pub struct BackendNode {
    /// `namespace/service:port`.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// Its filters.
    pub filters: Vec<FilterNode>,
    /// The target of the reference.
    pub target: TargetNode,
}

/// The target of a backend reference.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetNode {
    /// A port of a Service.
    Service {
        /// The Service and its port.
        service: ServicePortKey,
        /// The ready endpoints, in order, each once. Possibly none. Shared by all references to the port.
        endpoints: Arc<[SocketAddr]>,
        /// The version of HTTP that the endpoints speak.
        version: HttpVersion,
        /// Whether connections to the endpoints use TLS.
        tls: BackendTlsNode,
    },
    /// None, because the reference is invalid. Its share of the traffic is answered 500.
    Invalid,
}
