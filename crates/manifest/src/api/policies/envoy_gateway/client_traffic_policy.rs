//! ClientTrafficPolicy.

use super::field_table::collect;
use super::{
    ClientConnection, ClientIPDetectionSettings, ClientTLSSettings, ClientTimeout, FieldEffect,
    HTTP2Settings, HeaderSettings, HealthCheckSettings, PathSettings, PolicyField,
    PolicyTargetFields, ProxyProtocolSettings, SetField, TCPKeepalive, TargetSelector,
};
use crate::api::{LocalPolicyTargetReferenceWithSectionName, Object};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};

/// How connections and requests of clients are treated.
pub type ClientTrafficPolicy = Object<ClientTrafficPolicySpec>;

/// `ClientTrafficPolicy.spec`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientTrafficPolicySpec {
    /// The target; the older field.
    pub target_ref: Option<LocalPolicyTargetReferenceWithSectionName>,
    /// The targets.
    pub target_refs: Vec<LocalPolicyTargetReferenceWithSectionName>,
    /// Targets with certain labels.
    pub target_selectors: Vec<TargetSelector>,
    /// Where the addresses of clients come from.
    pub client_ip_detection: Option<ClientIPDetectionSettings>,
    /// Whether connections begin with a PROXY header; the older field. `proxyProtocol` takes precedence.
    pub enable_proxy_protocol: Option<bool>,
    /// Connections begin with a PROXY header.
    pub proxy_protocol: Option<ProxyProtocolSettings>,
    /// How TLS with clients is set up.
    pub tls: Option<ClientTLSSettings>,
    /// How connections are limited.
    pub connection: Option<ClientConnection>,
    /// Probes by which the system detects that a client is gone.
    pub tcp_keepalive: Option<TCPKeepalive>,
    /// Time limits.
    pub timeout: Option<ClientTimeout>,
    /// How HTTP/2 is spoken.
    pub http2: Option<HTTP2Settings>,
    /// How headers are treated.
    pub headers: Option<HeaderSettings>,
    /// How paths are normalised.
    pub path: Option<PathSettings>,
    /// The path that gatefold answers itself.
    pub health_check: Option<HealthCheckSettings>,
    /// The fields that are set, but for the targets and for those whose value gatefold always applies.
    pub set_fields: Vec<SetField>,
}

/// The kinds that a ClientTrafficPolicy may target.
const TARGETS: [&str; 2] = ["Gateway", "ListenerSet"];
/// The fields that name the targets.
const TARGET_FIELDS: [&str; 3] = ["targetRef", "targetRefs", "targetSelectors"];

impl ClientTrafficPolicySpec {
    /// Returns the fields that name the targets.
    pub fn targets(&self) -> PolicyTargetFields<'_> {
        PolicyTargetFields {
            reference: self.target_ref.as_ref(),
            references: &self.target_refs,
            selectors: &self.target_selectors,
        }
    }

    /// Whether a field closes the targets, because it protects them and gatefold doesn't serve it.
    pub fn closes(&self) -> bool {
        let mut set = self.set_fields.iter();
        set.any(|it| it.field.effect == FieldEffect::Closes)
    }

    /// Whether requests to the targets must not be served without the policy.
    pub fn guards(&self) -> bool {
        let mut set = self.set_fields.iter();
        set.any(|it| it.field.effect.guards())
    }
}

impl Decode for ClientTrafficPolicySpec {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = decoder.open(node)?;
        let target_ref = fields.read(TARGET_FIELDS[0], decoder);
        let target_refs = fields.read(TARGET_FIELDS[1], decoder);
        let target_selectors = fields.read(TARGET_FIELDS[2], decoder);
        let client_ip_detection = fields.read("clientIPDetection", decoder);
        let enable_proxy_protocol = fields.read("enableProxyProtocol", decoder);
        let proxy_protocol = fields.read("proxyProtocol", decoder);
        let tls = fields.read("tls", decoder);
        let connection = fields.read("connection", decoder);
        let tcp_keepalive = fields.read("tcpKeepalive", decoder);
        let timeout = fields.read("timeout", decoder);
        let http2 = fields.read("http2", decoder);
        let headers = fields.read("headers", decoder);
        let path = fields.read("path", decoder);
        let health_check = fields.read("healthCheck", decoder);
        let set = collect(CLIENT_TRAFFIC_POLICY_FIELDS, &TARGET_FIELDS, node, decoder);
        let spec = ClientTrafficPolicySpec {
            target_ref: target_ref?,
            target_refs: target_refs?,
            target_selectors: target_selectors?,
            client_ip_detection: client_ip_detection?,
            enable_proxy_protocol: enable_proxy_protocol?,
            proxy_protocol: proxy_protocol?,
            tls: tls?,
            connection: connection?,
            tcp_keepalive: tcp_keepalive?,
            timeout: timeout?,
            http2: http2?,
            headers: headers?,
            path: path?,
            health_check: health_check?,
            set_fields: set.into_iter().filter(|it| !is_default(it, node)).collect(),
        };
        spec.targets().check(&TARGETS, node, decoder);
        Some(spec)
    }
}

/// Whether a field has the value that gatefold always applies.
fn is_default(set: &SetField, spec: &Node) -> bool {
    let value = set.field.path.split('.').try_fold(spec, Node::field);
    match (set.field.path, value.map(|it| &it.value)) {
        // TLS 1.0 and 1.1 are never served.
        ("http1.enableTrailers", Some(Value::Bool(true))) => true,
        ("http1.http10.useDefaultHost", Some(Value::Bool(false))) => true,
        ("tls.minVersion", Some(Value::String(text))) => text == "1.2" || text == "Auto",
        _ => false,
    }
}

macro_rules! fields {
    ($($path:literal $effect:expr,)+) => {
        &[$(PolicyField { path: $path, effect: $effect },)+]
    };
}

use FieldEffect::{Guards, Ignored, Served};

/// The fields of a ClientTrafficPolicy, apart from those that name its targets.
pub const CLIENT_TRAFFIC_POLICY_FIELDS: &[PolicyField] = fields! {
    "clientIPDetection" Guards("the client in `authorization`, logs and forwarded headers"),
    "connection.bufferLimit" Served("at most 256 KiB of a request wait here, or its HTTP/2 window, so greater limits are kept; smaller ones aren't"),
    "connection.connectionLimit.closeDelay" Served("a connection beyond the limit is kept so long, and then closed"),
    "connection.connectionLimit.maxConnectionDuration" Served("a connection ends after this time, once the requests in flight are answered"),
    "connection.connectionLimit.maxRequestsPerConnection" Served("a connection ends after so many requests"),
    "connection.connectionLimit.maxStreamDuration" Ignored("requests have the timeouts of their route"),
    "connection.connectionLimit.value" Served("the limit of the listening socket. `--max-connections` limits all sockets together"),
    "connection.maxAcceptPerSocketEvent" Served("connections are accepted one by one until none is queued, so no limit is needed"),
    "connection.socketBufferLimit" Ignored("the system chooses the buffers of sockets"),
    "enableProxyProtocol" Guards("connections must begin with a PROXY header"),
    "grpc.enableWeb" Ignored("gRPC-Web isn't translated"),
    "headers.disableRateLimitHeaders" Served("gatefold sends no such headers in any case"),
    "headers.earlyRequestHeaders" Guards("requests are changed before they are routed"),
    "headers.enableEnvoyHeaders" Ignored("gatefold sends no such headers"),
    "headers.host" Served("backends get the host without a dot at its end. Routes are matched without it in any case"),
    "headers.lateResponseHeaders" Served("every response is changed, also those of gatefold"),
    "headers.preserveXRequestID" Served("`X-Request-ID`"),
    "headers.requestID" Served("`X-Request-ID`"),
    "headers.withUnderscoresAction" Guards("request headers with underscores"),
    "headers.xForwardedClientCert" Served("what backends learn of [client certificates](#client-certificates). `X-Forwarded-Client-Cert` is removed without the field"),
    "healthCheck" Served("the path is answered 200 instead of being routed"),
    "http1.disableSafeMaxConnectionDuration" Ignored("a connection between two requests is closed within a second, one with a request after the response"),
    "http1.enableTrailers" Ignored("trailers are always forwarded, as with `true`"),
    "http1.http10.useDefaultHost" Ignored("requests in HTTP/1.0 without a host belong to the listener without a hostname"),
    "http1.ignoredUpgradeTypes" Ignored("every upgrade is forwarded"),
    "http1.preserveHeaderCase" Ignored("`--preserve-header-case` decides for all Gateways"),
    "http2.connectionKeepalive" Ignored("gatefold sends no PINGs; `tcpKeepalive` detects clients that are gone"),
    "http2.initialConnectionWindowSize" Served("65,535 bytes to 2 GiB; 1 MiB without the field"),
    "http2.initialStreamWindowSize" Served("65,535 bytes to 2 GiB; 256 KiB without the field"),
    "http2.maxConcurrentStreams" Served("100 without the field"),
    "http2.onInvalidMessage" Served("`TerminateStream`. `TerminateConnection` isn't: an invalid message ends only its stream"),
    "http3" Ignored("clients use HTTP/2 or HTTP/1.1"),
    "path" Guards("adjacent slashes, and `%2F` and `%5C`"),
    "proxyProtocol" Guards("connections begin with a PROXY header, which names the client"),
    "scheme" Ignored("backends get the scheme of the client's request"),
    "tcpKeepalive" Served("connections are always probed; the fields replace gatefold's own values"),
    "timeout.http.idleTimeout" Served("for the next request on a connection. 60 s, over HTTP/2 300 s, without the field"),
    "timeout.http.requestHeadersReceivedTimeout" Served("from the first byte of the header. 10 s without the field"),
    "timeout.http.requestReceivedTimeout" Served("from the end of the header to that of the body. No limit without the field"),
    "timeout.http.streamIdleTimeout" Served("for the next piece of a body in either direction of the client. 60 s without the field"),
    "timeout.tcp.connectionInspectionTimeout" Ignored("`tlsHandshakeTimeout` includes the PROXY header"),
    "timeout.tcp.idleTimeout" Ignored("it concerns TCP and TLS listeners, which gatefold doesn't serve yet"),
    "timeout.tcp.tlsHandshakeTimeout" Served("for the TLS handshake and the PROXY header. 10 s without the field"),
    "tls.alpnProtocols" Served("`h2`, `http/1.1` and `http/1.0`, in the order of the list"),
    "tls.ciphers" Served("those cipher suites of TLS 1.2 that rustls has, [which are these](#tls)"),
    "tls.clientValidation" Guards("HTTPS listeners request and verify certificates, [see below](#client-certificates)"),
    "tls.ecdhCurves" Served("`X25519`, `P-256` and `P-384`"),
    "tls.fingerprints" Ignored("gatefold computes no fingerprints"),
    "tls.maxVersion" Served("TLS 1.2 and 1.3"),
    "tls.minVersion" Guards("TLS 1.2 and 1.3. Older versions are never served"),
    "tls.session" Served("`stateless` with tickets, `stateful` with 1,024 sessions for each listener. Without the field, tickets are used"),
    "tls.signatureAlgorithms" Served("those algorithms by which gatefold signs that fit its certificates"),
};

#[cfg(test)]
mod tests {
    use super::super::field_table::check_documentation;
    use super::*;

    #[test]
    fn every_field_of_a_client_traffic_policy_is_documented() {
        let table = CLIENT_TRAFFIC_POLICY_FIELDS;
        check_documentation("ClientTrafficPolicy", table, "docs/policies.md");
    }
}
