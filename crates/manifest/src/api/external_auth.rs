use super::{BackendObjectReference, check_unique, choice, object, refuse};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;

object! {
    /// A question to an authorization server (experimental).
    pub closed HTTPExternalAuthFilter checked by HTTPExternalAuthFilter::check {
        /// How the question is put.
        "protocol" => protocol: HTTPRouteExternalAuthProtocol,
        /// Who is asked.
        "backendRef" => backend_ref: BackendObjectReference,
        /// What is sent with protocol GRPC.
        "grpc" => grpc: Option<GRPCAuthConfig>,
        /// What is sent with protocol HTTP.
        "http" => http: Option<HTTPAuthConfig>,
        /// Whether the body is sent.
        "forwardBody" => forward_body: Option<ForwardBodyConfig>,
    }
}

choice! {
    /// How an authorization server is asked.
    pub HTTPRouteExternalAuthProtocol {
        /// By a request with the same method and headers.
        Http = "HTTP",
        /// By Envoy's `ext_authz`.
        Grpc = "GRPC",
    }
}

object! {
    /// What an authorization server gets by gRPC.
    pub closed GRPCAuthConfig checked by GRPCAuthConfig::check {
        /// The headers that are sent besides those that always are.
        "allowedHeaders" => allowed_headers: Vec<String> [0..=64],
    }
}

object! {
    /// What an authorization server gets by HTTP.
    pub closed HTTPAuthConfig checked by HTTPAuthConfig::check {
        /// What stands before the request's own path.
        "path" => path: Option<String> where url_path [0..=1024],
        /// The headers that are sent besides those that always are.
        "allowedHeaders" => allowed_headers: Vec<String> [0..=64],
        /// The headers of its answer that the backend gets; all when empty.
        "allowedResponseHeaders" => allowed_response_headers: Vec<String> [0..=64],
    }
}

object! {
    /// Whether an authorization server gets the body.
    pub closed ForwardBodyConfig checked by ForwardBodyConfig::check {
        /// How many bytes at most.
        "maxSize" => max_size: Option<i32>,
    }
}

fn url_path(text: &str) -> Result<(), String> {
    match super::rule::foreign_character(text) {
        None if !text.is_empty() => Ok(()),
        _ => Err(format!("`{text}` isn't a path")),
    }
}

impl HTTPExternalAuthFilter {
    /// Exactly the field that the protocol names is there.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let fields = [
            (
                HTTPRouteExternalAuthProtocol::Http,
                "http",
                self.http.is_some(),
            ),
            (
                HTTPRouteExternalAuthProtocol::Grpc,
                "grpc",
                self.grpc.is_some(),
            ),
        ];
        for (protocol, field, set) in fields {
            let kind = self.protocol.as_str();
            match (protocol == self.protocol, set) {
                (true, false) => {
                    let why = format!("with protocol {kind} it is needed");
                    refuse(node, field, &why, decoder);
                }
                (false, true) => {
                    let why = format!("doesn't go with protocol {kind}");
                    refuse(node, field, &why, decoder);
                }
                _ => {}
            }
        }
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
        check_unique(node, "allowedHeaders", headers, "stands twice", decoder);
    }
}

impl HTTPAuthConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let headers = self.allowed_headers.iter().map(Some);
        check_unique(node, "allowedHeaders", headers, "stands twice", decoder);
        let headers = self.allowed_response_headers.iter().map(Some);
        check_unique(
            node,
            "allowedResponseHeaders",
            headers,
            "stands twice",
            decoder,
        );
    }
}
