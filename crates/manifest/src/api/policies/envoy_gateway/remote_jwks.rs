//! `SecurityPolicy.spec.jwt.providers.remoteJWKS`.

use super::field_table::{collect, ignored};
use super::{ClusterBackendRef, PolicyField, SetField, Untyped};
use crate::api::{Duration, object, refuse};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};

object! {
    /// Keys that are fetched over HTTP.
    pub closed RemoteJWKS checked by RemoteJWKS::check {
        /// The older field, which isn't allowed here.
        "backendRef" => backend_ref: Option<Untyped>,
        /// The Services to connect to. Empty for the host of `uri`.
        "backendRefs" => backend_refs: Vec<ClusterBackendRef> [0..=16],
        /// Settings of the connection.
        "backendSettings" => backend_settings: Option<BackendSettings>,
        /// The URL of the JWKS, with `http` or `https`.
        "uri" => uri: String [1..=253],
        /// How long the keys are used before they are fetched again.
        "cacheDuration" => cache_duration: Duration = Duration(std::time::Duration::from_secs(300)),
        /// The pause after a fetch that has failed; absent for gatefold's own pauses.
        "failedRefetchDuration" => failed_refetch_duration: Option<Duration>,
    }
}

impl RemoteJWKS {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.backend_ref.is_some() {
            refuse(
                node,
                "backendRef",
                "isn't allowed: use `backendRefs`",
                decoder,
            );
        }
    }
}

/// Settings of a connection to a backend (`ClusterSettings`).
#[derive(Clone, Debug, PartialEq)]
pub struct BackendSettings {
    /// `timeout.http.requestTimeout`.
    pub request_timeout: Option<Duration>,
    /// `timeout.tcp.connectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// The fields that are set and that gatefold doesn't serve.
    pub unserved: Vec<SetField>,
}

const REQUEST_TIMEOUT: &str = "timeout.http.requestTimeout";
const CONNECT_TIMEOUT: &str = "timeout.tcp.connectTimeout";

impl Decode for BackendSettings {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let read = [REQUEST_TIMEOUT, CONNECT_TIMEOUT];
        let unserved = collect(UNSERVED_OF_BACKEND_SETTINGS, &read, node, decoder);
        for field in ["retry.perRetry.timeout", "retry.retryOn.httpStatusCodes"] {
            if set(node, field).is_some() {
                let why = format!("`{field}` isn't allowed here");
                refuse(node, "retry", &why, decoder);
            }
        }
        Some(BackendSettings {
            request_timeout: duration(node, REQUEST_TIMEOUT, decoder)?,
            connect_timeout: duration(node, CONNECT_TIMEOUT, decoder)?,
            unserved,
        })
    }
}

/// Returns the value of a field that is set, by its path.
fn set<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    let found = path.split('.').try_fold(node, Node::field);
    found.filter(|it| it.value != Value::Null)
}

/// Reads a duration by its path. `None` if it is invalid.
fn duration(node: &Node, path: &'static str, decoder: &mut Decoder) -> Option<Option<Duration>> {
    let Some(value) = set(node, path) else {
        return Some(None);
    };
    within(&mut path.split('.'), value, decoder).map(Some)
}

/// Decodes a value some steps further in.
fn within(
    steps: &mut dyn Iterator<Item = &'static str>,
    value: &Node,
    decoder: &mut Decoder,
) -> Option<Duration> {
    match steps.next() {
        Some(step) => decoder.within(step, |decoder| within(steps, value, decoder)),
        None => Duration::decode(value, decoder),
    }
}

/// The fields of `backendSettings` that gatefold doesn't serve when it sends requests to issuers.
pub const UNSERVED_OF_BACKEND_SETTINGS: &[PolicyField] = ignored! {
    "circuitBreaker" "gatefold limits the number of its requests",
    "connection" "gatefold's own buffers stay in force",
    "dns" "gatefold's own rules for DNS stay in force",
    "healthCheck" "a request that can't connect is sent to the next endpoint",
    "http2" "requests are sent with HTTP/1.1",
    "loadBalancer" "endpoints take turns",
    "proxyProtocol" "no PROXY header is sent",
    "retry" "gatefold's own retries stay in force",
    "tcpKeepalive" "each request has a connection of its own",
    "timeout.http.connectionIdleTimeout" "each request has a connection of its own",
    "timeout.http.maxConnectionDuration" "each request has a connection of its own",
    "timeout.http.maxStreamDuration" "the time limit of a request is `requestTimeout`",
    "timeout.http.streamIdleTimeout" "the time limit of a request is `requestTimeout`",
};
