//! `SecurityPolicy.spec.extAuth`.

use super::field_table::{collect, ignored};
use super::{ClusterBackendRef, ENVOY_GATEWAY_GROUP, PolicyField, SetField};
use crate::api::{
    BackendObjectReference, Duration, LocalObjectReference, SecretText, check_union, check_unique,
    choice, object, refuse, rule,
};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;

object! {
    /// Authorization by a server that is asked about each request. It has either `http` or `grpc`.
    pub closed ExtAuth checked by ExtAuth::check {
        /// The server, asked over gRPC.
        "grpc" => grpc: Option<GRPCExtAuthService>,
        /// The server, asked over HTTP.
        "http" => http: Option<HTTPExtAuthService>,
        /// The headers of the request that the server gets. Empty for the default: over gRPC all of them.
        "headersToExtAuth" => headers_to_ext_auth: Vec<String>,
        /// Whether the server gets the body; absent if it doesn't.
        "bodyToExtAuth" => body_to_ext_auth: Option<BodyToExtAuth>,
        /// The time limit of a question; absent for 10 seconds.
        "timeout" => timeout: Option<Duration>,
        /// Whether requests pass if the server gives no answer; absent for no.
        "failOpen" => fail_open: Option<bool>,
        /// Whether the route is chosen again with the headers that the server sets; absent for no.
        "recomputeRoute" => recompute_route: Option<bool>,
        /// Whether the server learns which route the request has; absent for no.
        "includeRouteMetadata" => include_route_metadata: Option<bool>,
        /// Texts that the server gets with each question.
        "contextExtensions" => context_extensions: Vec<ContextExtension>,
        /// The status of the answer to the client if the server gives none; absent for 403.
        "statusOnError" => status_on_error: Option<i32>,
    }
}

/// The statuses that `statusOnError` may have.
const STATUSES: [i32; 37] = [
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421,
    422, 423, 424, 426, 428, 429, 431, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

impl ExtAuth {
    /// Whether it names a server.
    pub fn has_servers(&self) -> bool {
        self.servers().next().is_some()
    }

    /// Returns all references to servers.
    pub fn servers(&self) -> impl Iterator<Item = &BackendObjectReference> {
        let http = self
            .http
            .iter()
            .map(|it| (&it.backend_ref, &it.backend_refs));
        let grpc = self
            .grpc
            .iter()
            .map(|it| (&it.backend_ref, &it.backend_refs));
        http.chain(grpc).flat_map(|(older, references)| {
            let references = references.iter().map(|it| &it.backend);
            older.iter().chain(references)
        })
    }

    fn check(&self, node: &Node, decoder: &mut Decoder) {
        match (&self.grpc, &self.http) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => refuse(node, "http", "is required, or `grpc`", decoder),
            (Some(_), Some(_)) => {
                refuse(node, "grpc", "isn't allowed together with `http`", decoder);
            }
        }
        if let Some(status) = self.status_on_error
            && !STATUSES.contains(&status)
        {
            let why = format!("`{status}` isn't a status of an error that the API allows");
            refuse(node, "statusOnError", &why, decoder);
        }
        let names = self.context_extensions.iter().map(|it| Some(&it.name));
        check_unique(node, "contextExtensions", names, "appears twice", decoder);
    }
}

object! {
    /// An authorization server that is asked over gRPC.
    pub closed GRPCExtAuthService checked by GRPCExtAuthService::check {
        /// The server; the older field.
        "backendRef" => backend_ref: Option<BackendObjectReference>,
        /// The servers.
        "backendRefs" => backend_refs: Vec<ClusterBackendRef> [0..=16],
        /// Settings of the connections.
        "backendSettings" => backend_settings: Option<AuthBackendSettings>,
    }
}

object! {
    /// An authorization server that is asked over HTTP.
    pub closed HTTPExtAuthService checked by HTTPExtAuthService::check {
        /// The server; the older field.
        "backendRef" => backend_ref: Option<BackendObjectReference>,
        /// The servers.
        "backendRefs" => backend_refs: Vec<ClusterBackendRef> [0..=16],
        /// Settings of the connections.
        "backendSettings" => backend_settings: Option<AuthBackendSettings>,
        /// The prefix that is added to the path of the request.
        "path" => path: Option<String>,
        /// The path that replaces that of the request.
        "pathOverride" => path_override: Option<String>,
        /// The headers of the server's answer that the backend gets. Empty for none.
        "headersToBackend" => headers_to_backend: Vec<String>,
    }
}

impl GRPCExtAuthService {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_backends(
            self.backend_ref.is_some(),
            &self.backend_refs,
            node,
            decoder,
        );
    }
}

impl HTTPExtAuthService {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_backends(
            self.backend_ref.is_some(),
            &self.backend_refs,
            node,
            decoder,
        );
        if self.path.is_some() && self.path_override.is_some() {
            let why = "isn't allowed together with `path`";
            refuse(node, "pathOverride", why, decoder);
        }
    }
}

fn check_backends(
    has_older: bool,
    references: &[ClusterBackendRef],
    node: &Node,
    decoder: &mut Decoder,
) {
    if !has_older && references.is_empty() {
        refuse(node, "backendRefs", "is required", decoder);
    }
    let is_known = |it: &ClusterBackendRef| {
        let kinds = ["Service", "ServiceImport", "Backend"];
        let groups = ["", "multicluster.x-k8s.io", ENVOY_GATEWAY_GROUP];
        kinds.contains(&it.backend.kind.as_str()) && groups.contains(&it.backend.group.as_str())
    };
    if !references.iter().all(is_known) {
        let why = "must be Services, ServiceImports or Backends";
        refuse(node, "backendRefs", why, decoder);
    }
}

object! {
    /// How much of the body an authorization server gets.
    pub closed BodyToExtAuth checked by BodyToExtAuth::check {
        /// The maximum length of a body, in bytes. Requests with a longer one are answered 413.
        "maxRequestBytes" => max_request_bytes: i32,
    }
}

impl BodyToExtAuth {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.max_request_bytes < 1 {
            refuse(node, "maxRequestBytes", "must be at least 1", decoder);
        }
    }
}

object! {
    /// A text for the authorization server. `type` decides which of the other fields is set.
    pub closed ContextExtension checked by ContextExtension::check {
        /// Its name, unique in the policy.
        "name" => name: String,
        /// Where the text is.
        "type" => kind: ContextExtensionValueType = ContextExtensionValueType::Value,
        /// The text. It may be a secret.
        "value" => value: Option<SecretText>,
        /// The ConfigMap or Secret with the text.
        "valueRef" => value_ref: Option<LocalObjectKeyReference>,
    }
}

choice! {
    /// Where a text is.
    pub ContextExtensionValueType {
        /// In the policy.
        Value,
        /// In a ConfigMap or a Secret.
        ValueRef,
    }
}

impl ContextExtension {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let fields = [
            ("value", self.value.is_some()),
            ("valueRef", self.value_ref.is_some()),
        ];
        let wanted = match self.kind {
            ContextExtensionValueType::Value => "value",
            ContextExtensionValueType::ValueRef => "valueRef",
        };
        let with = format!("type {}", self.kind.as_str());
        check_union(&with, wanted, &fields, node, decoder);
    }
}

/// An entry of an object in the same namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalObjectKeyReference {
    /// The object.
    pub object: LocalObjectReference,
    /// The name of the entry.
    pub key: String,
}

object! {
    /// The fields of [`LocalObjectKeyReference`] as in YAML, where the reference is inline.
    pub closed LocalObjectKeyReferenceFields checked by LocalObjectKeyReferenceFields::check {
        /// See [`LocalObjectReference`].
        "group" => group: String where rule::group,
        /// See [`LocalObjectReference`].
        "kind" => kind: String where rule::kind,
        /// See [`LocalObjectReference`].
        "name" => name: String where rule::object_name,
        /// See [`LocalObjectKeyReference`].
        "key" => key: String,
    }
}

impl LocalObjectKeyReferenceFields {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if !matches!(self.kind.as_str(), "ConfigMap" | "Secret") {
            refuse(node, "kind", "must be `ConfigMap` or `Secret`", decoder);
        }
        if !matches!(self.group.as_str(), "" | "v1") {
            refuse(node, "group", "must be empty", decoder);
        }
    }
}

impl Decode for LocalObjectKeyReference {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let fields = LocalObjectKeyReferenceFields::decode(node, decoder)?;
        Some(LocalObjectKeyReference {
            object: LocalObjectReference {
                // The API allows `v1` here, too, which means the core group.
                group: String::new(),
                kind: fields.kind,
                name: fields.name,
            },
            key: fields.key,
        })
    }
}

/// Settings of connections to an authorization server (`ClusterSettings`). gatefold serves none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthBackendSettings {
    /// The fields that are set.
    pub unserved: Vec<SetField>,
}

impl Decode for AuthBackendSettings {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let unserved = collect(UNSERVED_OF_AUTH_BACKEND_SETTINGS, &[], node, decoder);
        Some(AuthBackendSettings { unserved })
    }
}

/// The fields of `backendSettings` that gatefold doesn't serve when it asks an authorization server.
pub const UNSERVED_OF_AUTH_BACKEND_SETTINGS: &[PolicyField] = ignored! {
    "circuitBreaker" "gatefold's own limits stay in force",
    "connection" "gatefold's own buffers stay in force",
    "dns" "gatefold's own rules for DNS stay in force",
    "healthCheck" "a server that can't be reached is skipped for the question",
    "http2" "gatefold's own settings for HTTP/2 stay in force",
    "loadBalancer" "endpoints take turns",
    "proxyProtocol" "no PROXY header is sent",
    "retry" "another endpoint is asked only if one can't be reached",
    "tcpKeepalive" "gatefold's own settings stay in force",
    "timeout" "the time limit of a question is `extAuth.timeout`",
};
