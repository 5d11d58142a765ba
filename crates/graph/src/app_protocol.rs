//! From `appProtocol` to what is spoken (API: GEP-1911; Kubernetes: `ServicePort.appProtocol`, KEP-3726).

use gatefold_dataplane::backend::HttpVersion;

/// What a Service's port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AppProtocol {
    /// The version of HTTP.
    pub version: HttpVersion,
    /// Whether it must be in TLS.
    pub security: Security,
}

/// Whether a port speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// The name doesn't say; a BackendTLSPolicy decides.
    Unsaid,
    /// Only TLS will do.
    Tls,
}

impl AppProtocol {
    /// By name: those of KEP-3726, those that IANA registers for HTTP ("IANA standard service names", in either
    /// case), and what meshes and clouds call HTTP/2, gRPC and TCP. Nothing for what carries no HTTP that we know of.
    pub fn named(name: Option<&str>) -> Option<AppProtocol> {
        use HttpVersion::{Http1, Http2};
        use Security::{Tls, Unsaid};
        // A WebSocket begins as HTTP/1.1, and TCP is what HTTP/1.1 runs over: neither asks for anything.
        let (version, security) = match name.unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "tcp" | "http" | "http-alt" | "www" | "www-http" => (Http1, Unsaid),
            "kubernetes.io/ws" | "ws" | "grpc-web" => (Http1, Unsaid),
            "kubernetes.io/h2c" | "h2c" | "http2" | "grpc" => (Http2, Unsaid),
            "https" | "https-alt" | "tls" => (Http1, Tls),
            "kubernetes.io/wss" | "wss" => (Http1, Tls),
            "h2" | "grpcs" => (Http2, Tls),
            _ => return None,
        };
        Some(AppProtocol { version, security })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_either_case_and_unknown_ones_are_none() {
        let named = |name| AppProtocol::named(Some(name));
        assert_eq!(named("HTTPS"), named("https"));
        assert_eq!(named("http"), AppProtocol::named(None));
        assert_eq!(
            named("kubernetes.io/h2c").map(|it| it.version),
            Some(HttpVersion::Http2)
        );
        assert_eq!(named("mysql"), None);
        assert_eq!(named("example.com/http"), None);
    }
}
