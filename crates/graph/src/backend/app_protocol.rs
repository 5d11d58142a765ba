//! Maps `appProtocol` to the protocol used with an endpoint (API: GEP-1911; Kubernetes: `ServicePort.appProtocol`,
//! KEP-3726).

use gatefold_dataplane::backend::HttpVersion;

/// The protocol of a Service's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AppProtocol {
    /// The version of HTTP to use for routes of any kind that don't require one.
    pub version: HttpVersion,
    /// Whether the protocol is defined for this version only.
    is_version_fixed: bool,
    /// Whether TLS is required.
    pub security: Security,
}

/// Whether a port requires TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// A BackendTLSPolicy decides.
    ByPolicy,
    /// TLS is required.
    Tls,
}

impl AppProtocol {
    /// Returns the protocol with this name: a name of KEP-3726, a name that IANA registers for HTTP ("IANA standard service
    /// names", in any case), or a name that meshes and clouds use for HTTP/2, gRPC or TCP. `None` if it isn't known to carry
    /// HTTP.
    pub fn named(name: Option<&str>) -> Option<AppProtocol> {
        use HttpVersion::{Http1, Http2};
        use Security::{ByPolicy, Tls};
        // A WebSocket begins as HTTP/1.1, and HTTP/1.1 runs over TCP: neither needs anything else.
        let (version, security, is_version_fixed) =
            match name.unwrap_or_default().to_ascii_lowercase().as_str() {
                "" | "tcp" | "http" | "http-alt" | "www" | "www-http" => (Http1, ByPolicy, false),
                "kubernetes.io/ws" | "ws" | "grpc-web" => (Http1, ByPolicy, true),
                "kubernetes.io/h2c" | "h2c" | "http2" | "grpc" => (Http2, ByPolicy, true),
                "https" | "https-alt" | "tls" => (Http1, Tls, false),
                "kubernetes.io/wss" | "wss" => (Http1, Tls, true),
                "h2" | "grpcs" => (Http2, Tls, true),
                _ => return None,
            };
        Some(AppProtocol {
            version,
            is_version_fixed,
            security,
        })
    }

    /// Whether the protocol can be used with this version of HTTP.
    pub fn supports(self, version: HttpVersion) -> bool {
        self.version == version || !self.is_version_fixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_case_and_returns_none_for_unknown_names() {
        let named = |name| AppProtocol::named(Some(name));
        assert_eq!(named("HTTPS"), named("https"));
        assert_eq!(named("http"), AppProtocol::named(None));
        assert_eq!(
            named("kubernetes.io/h2c").map(|it| it.version),
            Some(HttpVersion::Http2)
        );
        let supports_grpc = |name| named(name).is_some_and(|it| it.supports(HttpVersion::Http2));
        assert!(supports_grpc("http") && supports_grpc("https") && supports_grpc("grpc"));
        assert!(!supports_grpc("kubernetes.io/ws") && !supports_grpc("grpc-web"));
        assert_eq!(named("mysql"), None);
        assert_eq!(named("example.com/http"), None);
    }
}
