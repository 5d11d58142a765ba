//! EnvoyProxy: the parameters of a GatewayClass or a Gateway.

use super::field_table::collect;
use super::{FieldEffect, PolicyField, SetField, Untyped};
use crate::api::{Object, choice, object, refuse};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};
use std::collections::BTreeMap;

/// The parameters of a GatewayClass or a Gateway.
pub type EnvoyProxy = Object<EnvoyProxySpec>;

/// `EnvoyProxy.spec`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvoyProxySpec {
    /// The access logs. `None` if it doesn't configure them.
    pub access_log: Option<ProxyAccessLog>,
    /// The fields that are set and that gatefold doesn't serve.
    pub unserved: Vec<SetField>,
}

/// The fields that are decoded, or about the Pods of a cluster.
const READ: [&str; 2] = ["provider", "telemetry.accessLog"];

impl Decode for EnvoyProxySpec {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = decoder.open(node)?;
        let telemetry: Option<Option<Telemetry>> = fields.read("telemetry", decoder);
        let unserved = collect(UNSERVED_OF_ENVOY_PROXY, &READ, node, decoder);
        Some(EnvoyProxySpec {
            access_log: telemetry?.and_then(|telemetry| telemetry.access_log),
            unserved: unserved
                .into_iter()
                .filter(|it| !is_default(it, node))
                .collect(),
        })
    }
}

/// `telemetry`, as far as it is decoded.
struct Telemetry {
    access_log: Option<ProxyAccessLog>,
}

impl Decode for Telemetry {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = decoder.open(node)?;
        let access_log = fields.read("accessLog", decoder)?;
        Some(Telemetry { access_log })
    }
}

/// Whether a field has the value that gatefold always applies.
fn is_default(set: &SetField, spec: &Node) -> bool {
    let value = set.field.path.split('.').try_fold(spec, Node::field);
    match (set.field.path, value.map(|it| &it.value)) {
        ("mergeGateways" | "preserveRouteOrder", Some(Value::Bool(value))) => !value,
        ("routingType", Some(Value::String(text))) => text == "Endpoint",
        _ => false,
    }
}

object! {
    /// The access logs of requests.
    pub closed ProxyAccessLog {
        /// Whether there are none.
        "disable" => disable: Option<bool>,
        /// The access logs; absent for one in the default format on standard output.
        "settings" => settings: Option<Vec<ProxyAccessLogSetting>> [1..=50],
    }
}

object! {
    /// An access log: each request becomes a line in each sink.
    pub closed ProxyAccessLogSetting {
        /// The format of the lines; absent for the default format.
        "format" => format: Option<ProxyAccessLogFormat>,
        /// CEL expressions of which one must be true.
        "matches" => matches: Option<Vec<String>> [0..=10],
        /// Where the lines are written.
        "sinks" => sinks: Vec<ProxyAccessLogSink> [1..=50],
        /// What is logged; absent for requests.
        "type" => kind: Option<ProxyAccessLogType>,
    }
}

choice! {
    /// What an access log contains.
    pub ProxyAccessLogType {
        /// Connections.
        Listener,
        /// Requests.
        Route,
        /// Requests to backends.
        Upstream,
    }
}

object! {
    /// The format of lines: text, or the fields of a JSON object.
    pub closed ProxyAccessLogFormat checked by ProxyAccessLogFormat::check {
        /// Which of the two.
        "type" => kind: Option<ProxyAccessLogFormatType>,
        /// The format of text.
        "text" => text: Option<String>,
        /// The formats of the fields.
        "json" => json: Option<BTreeMap<String, String>>,
    }
}

choice! {
    /// The type of a format.
    pub ProxyAccessLogFormatType {
        /// Text.
        Text,
        /// A JSON object.
        JSON,
    }
}

impl ProxyAccessLogFormat {
    /// The rules of the CRD.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        use ProxyAccessLogFormatType::{JSON, Text};
        match (self.kind, self.text.is_some(), self.json.is_some()) {
            (Some(Text), false, _) => refuse(node, "text", "is required by type Text", decoder),
            (Some(Text), _, true) => refuse(node, "json", "isn't allowed by type Text", decoder),
            (Some(JSON), _, false) => refuse(node, "json", "is required by type JSON", decoder),
            (Some(JSON), true, _) => refuse(node, "text", "isn't allowed by type JSON", decoder),
            (None, false, false) => refuse(node, "text", "is required, or `json`", decoder),
            (Some(Text), true, false) | (Some(JSON), false, true) | (None, ..) => {}
        }
    }
}

object! {
    /// Where lines are written.
    pub closed ProxyAccessLogSink checked by ProxyAccessLogSink::check {
        /// The type.
        "type" => kind: ProxyAccessLogSinkType,
        /// A file.
        "file" => file: Option<FileEnvoyProxyAccessLog>,
        /// Envoy's Access Log Service.
        "als" => als: Option<Untyped>,
        /// An OpenTelemetry collector.
        "openTelemetry" => open_telemetry: Option<Untyped>,
    }
}

choice! {
    /// The type of a sink.
    pub ProxyAccessLogSinkType {
        /// Envoy's Access Log Service.
        ALS,
        /// A file.
        File,
        /// An OpenTelemetry collector.
        OpenTelemetry,
    }
}

impl ProxyAccessLogSink {
    /// The rules of the CRD.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        use ProxyAccessLogSinkType::{ALS, File, OpenTelemetry};
        for (kind, field, is_set) in [
            (ALS, "als", self.als.is_some()),
            (File, "file", self.file.is_some()),
            (
                OpenTelemetry,
                "openTelemetry",
                self.open_telemetry.is_some(),
            ),
        ] {
            match (self.kind == kind, is_set) {
                (true, false) => refuse(node, field, "is required by the sink's type", decoder),
                (false, true) => refuse(node, field, "isn't allowed by the sink's type", decoder),
                (true, true) | (false, false) => {}
            }
        }
    }
}

object! {
    /// A file.
    pub closed FileEnvoyProxyAccessLog {
        /// Its path.
        "path" => path: String [1..=4096],
    }
}

macro_rules! unserved {
    ($($path:literal $instead:literal,)+) => {
        &[$(PolicyField { path: $path, effect: FieldEffect::Ignored($instead) },)+]
    };
}

/// The fields of an EnvoyProxy that gatefold doesn't serve.
pub const UNSERVED_OF_ENVOY_PROXY: &[PolicyField] = unserved! {
    "backendTLS.alpnProtocols" "the protocol of a backend follows from its Service",
    "backendTLS.ciphers" "the cipher suites of rustls are offered, which are all considered secure",
    "backendTLS.clientCertificateRef" "backends are shown the Gateway's certificate, `spec.tls.backend.clientCertificateRef`",
    "backendTLS.ecdhCurves" "the key exchange groups of rustls are offered",
    "backendTLS.maxVersion" "TLS 1.2 and 1.3 are offered",
    "backendTLS.minVersion" "TLS 1.2 and 1.3 are offered",
    "backendTLS.signatureAlgorithms" "the signature algorithms of rustls are offered",
    "bootstrap" "gatefold has no bootstrap configuration",
    "concurrency" "`--threads` sets the number of threads",
    "dynamicModules" "gatefold loads no modules",
    "extraArgs" "gatefold is configured by its own command line",
    "filterOrder" "filters have gatefold's own order, those of a SecurityPolicy first",
    "geoIP" "gatefold doesn't look up the places of addresses",
    "ipFamily" "`--address` sets the addresses of Gateways",
    "logging.level" "`--log-level` sets the level of the log",
    "luaValidation" "gatefold runs no scripts",
    "mergeBackends" "each rule has its own backends",
    "mergeGateways" "Gateways share addresses unless `--address` or `--address-pool` separates them",
    "mergeType" "the EnvoyProxy of a Gateway replaces that of its class",
    "preserveRouteOrder" "the precedence of the Gateway API stays in force",
    "routingType" "requests are sent to endpoints",
    "shutdown.drainTimeout" "`--drain-timeout` sets how long requests may take",
    "shutdown.healthCheckFailureDelay" "`/readyz` fails as soon as gatefold is asked to end",
    "shutdown.minDrainDuration" "gatefold ends as soon as all requests are finished",
    "telemetry.healthCheckLog" "gatefold doesn't check the health of endpoints",
    "telemetry.metrics" "the admin API serves gatefold's own metrics",
    "telemetry.requestID" "`X-Request-ID` doesn't carry decisions about tracing",
    "telemetry.tracing" "requests aren't traced",
};

#[cfg(test)]
mod tests {
    use super::super::field_table::check_documentation;
    use super::*;

    #[test]
    fn every_field_of_an_envoy_proxy_is_documented() {
        check_documentation("EnvoyProxy", UNSERVED_OF_ENVOY_PROXY, "docs/envoyproxy.md");
    }
}
