//! The filter of type ExternalAuth.

use crate::Decoder;
use crate::api::{BackendObjectReference, check_union, check_unique, choice, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// Asks an authorization server whether a request is allowed (experimental).
    pub closed HTTPExternalAuthFilter checked by HTTPExternalAuthFilter::check {
        /// The protocol of the authorization server.
        "protocol" => protocol: HTTPRouteExternalAuthProtocol,
        /// The authorization server.
        "backendRef" => backend_ref: BackendObjectReference,
        /// The settings for protocol GRPC.
        "grpc" => grpc: Option<GRPCAuthConfig>,
        /// The settings for protocol HTTP.
        "http" => http: Option<HTTPAuthConfig>,
        /// Whether the body is sent; absent if it isn't.
        "forwardBody" => forward_body: Option<ForwardBodyConfig>,
    }
}

choice! {
    /// The protocol of an authorization server.
    pub HTTPRouteExternalAuthProtocol {
        /// An HTTP request with the same method and headers.
        Http = "HTTP",
        /// Envoy's `ext_authz`.
        Grpc = "GRPC",
    }
}

object! {
    /// What an authorization server receives with gRPC.
    pub closed GRPCAuthConfig checked by GRPCAuthConfig::check {
        /// The headers that are sent in addition to the default ones.
        "allowedHeaders" => allowed_headers: Vec<String> [0..=64],
    }
}

object! {
    /// What an authorization server receives with HTTP.
    pub closed HTTPAuthConfig checked by HTTPAuthConfig::check {
        /// The prefix that is added to the path of the request.
        "path" => path: Option<String> where url_path [0..=1024],
        /// The headers that are sent in addition to the default ones.
        "allowedHeaders" => allowed_headers: Vec<String> [0..=64],
        /// The headers of the response that the backend receives; empty for all of them.
        "allowedResponseHeaders" => allowed_response_headers: Vec<String> [0..=64],
    }
}

object! {
    /// How an authorization server receives the body.
    pub closed ForwardBodyConfig checked by ForwardBodyConfig::check {
        /// The maximum number of bytes.
        "maxSize" => max_size: Option<i32>,
    }
}

fn url_path(text: &str) -> Result<(), String> {
    match crate::api::rule::foreign_character(text) {
        None if !text.is_empty() => Ok(()),
        _ => Err(format!("`{text}` isn't a path")),
    }
}

impl HTTPExternalAuthFilter {
    /// The field of the protocol must be set, and no other.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let wanted = match self.protocol {
            HTTPRouteExternalAuthProtocol::Http => "http",
            HTTPRouteExternalAuthProtocol::Grpc => "grpc",
        };
        let fields = [("http", self.http.is_some()), ("grpc", self.grpc.is_some())];
        let with = format!("protocol {}", self.protocol.as_str());
        check_union(&with, wanted, &fields, node, decoder);
    }
}

impl ForwardBodyConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.max_size.is_some_and(|size| size < 0) {
            refuse(node, "maxSize", "must be at least 0", decoder);
        }
    }
}

impl GRPCAuthConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let headers = self.allowed_headers.iter().map(Some);
        check_unique(node, "allowedHeaders", headers, "appears twice", decoder);
    }
}

impl HTTPAuthConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let headers = self.allowed_headers.iter().map(Some);
        check_unique(node, "allowedHeaders", headers, "appears twice", decoder);
        let headers = self.allowed_response_headers.iter().map(Some);
        check_unique(
            node,
            "allowedResponseHeaders",
            headers,
            "appears twice",
            decoder,
        );
    }
}
