//! Servers of issuers that policies name as Services (`backendRefs` of `remoteJWKS` and of OpenID providers).
//!
//! In: the references of a policy. Out: the Services, and after all policies have been evaluated, their endpoints.

use super::backend_tls::BackendTlsNode;
use super::security_settings::SettingsReader;
use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts, tcp_port};
use crate::backend::service::backend_tls;
use crate::condition::Reason;
use crate::reference::{Reference, ReferenceField, ReferenceScope, UnresolvedReference};
use crate::reported_object::ReportedObject;
use gatefold_dataplane::issuer_fetch::FetchLimits;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    BackendSettings, ClusterBackendRef, Duration, PolicyTargetKind, SecurityPolicy, ServiceSpec,
};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time;

const ISSUER_SERVER: ReferenceField = ReferenceField {
    role: "a server of an issuer",
    supported: "a Service",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (Code::InvalidSecurityPolicy, Reason::Invalid),
    not_found: (Code::InvalidSecurityPolicy, Reason::Invalid),
};

/// The time limit of a request if the policy has none, as in Envoy Gateway (`defaultExtServiceRequestTimeout`).
const DEFAULT_TOTAL: time::Duration = time::Duration::from_secs(10);
/// The time limit for connecting if the policy has none.
const DEFAULT_CONNECT: time::Duration = time::Duration::from_secs(5);
/// The longest time limit of a request.
const MAX_TOTAL: time::Duration = time::Duration::from_secs(60);

/// A Service of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssuerBackend {
    /// Its port.
    pub port: ServicePortKey,
    /// Its share of the requests, relative to the sum of all weights.
    pub weight: u32,
    /// Whether it is only used if the others fail.
    pub fallback: bool,
}

/// The endpoints of a Service of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerEndpoints {
    /// Their addresses.
    pub addresses: Arc<[SocketAddr]>,
    /// How connections to them are secured.
    pub tls: BackendTlsNode,
}

impl SettingsReader<'_, '_> {
    /// Resolves the Services of an issuer. Reports those that can't be resolved. `None` if there are such ones.
    pub(super) fn issuer_backends(
        &mut self,
        owner: &SecurityPolicy,
        references: &[ClusterBackendRef],
        list: &Pointer,
    ) -> Option<Vec<IssuerBackend>> {
        let all = references.iter().enumerate();
        let backends: Vec<Option<IssuerBackend>> = all
            .map(|(index, reference)| self.issuer_backend(owner, reference, list.index(index)))
            .collect();
        let backends: Vec<IssuerBackend> = backends.into_iter().collect::<Option<_>>()?;
        if !backends.is_empty() && backends.iter().all(|it| it.weight == 0) {
            let why = "all weights are 0, so no backend would be asked".to_owned();
            self.report(owner, list.clone(), why);
            return None;
        }
        Some(backends)
    }

    /// Resolves a reference to a Service. Whether it has endpoints doesn't matter here: without any, it can't be asked yet.
    fn issuer_backend(
        &mut self,
        owner: &SecurityPolicy,
        fields: &ClusterBackendRef,
        pointer: Pointer,
    ) -> Option<IssuerBackend> {
        let build = self.build;
        let reference = Reference::from(&fields.backend);
        let number = fields.backend.port.map_or(0, |port| port.get());
        let port = (reference.key(owner.referrer()), number);
        let service = match build.resolve::<ServiceSpec>(owner.referrer(), reference) {
            Ok(service) => Some(service),
            Err(UnresolvedReference::NotFound(_)) if build.environment.has_service(&port) => None,
            Err(UnresolvedReference::Refused(_))
                if build.environment.discovered.contains_key(&port) =>
            {
                None
            }
            Err(unresolved) => {
                self.unresolved(owner, &ISSUER_SERVER, (reference, pointer), unresolved);
                return None;
            }
        };
        let name = match service.map(|service| tcp_port(service, number)) {
            Some(None) => {
                let why = format!("Service {} has no TCP port {number}", port.0);
                self.report(owner, pointer.key("port"), why);
                return None;
            }
            Some(Some(found)) => Some(found.name.as_str()),
            None => None,
        };
        let kind = PolicyTargetKind::Service;
        if let Some(refusal) = build.protections.refusal(kind, &port.0, name) {
            self.report(owner, pointer, format!("Service {}: {refusal}", port.0));
            return None;
        }
        Some(IssuerBackend {
            port,
            weight: fields.weight,
            fallback: fields.fallback,
        })
    }
}

/// Returns the time limits of requests.
pub(super) fn limits(settings: Option<&BackendSettings>) -> FetchLimits {
    let limit = |limit: Option<Duration>, default: time::Duration| {
        let set = limit.map(|it| it.0).filter(|it| !it.is_zero());
        set.unwrap_or(default).min(MAX_TOTAL)
    };
    FetchLimits {
        connect: limit(settings.and_then(|it| it.connect_timeout), DEFAULT_CONNECT),
        total: limit(settings.and_then(|it| it.request_timeout), DEFAULT_TOTAL),
    }
}

/// Returns the endpoints of Services.
pub(super) fn endpoints<'a>(
    backends: &[IssuerBackend],
    ports: &mut ServicePorts<'a>,
    build: &Build<'a>,
) -> Vec<IssuerEndpoints> {
    let endpoints = backends.iter().map(|IssuerBackend { port: key, .. }| {
        let service = build.resources.services.get(&key.0);
        let port = service.and_then(|service| Some((service, tcp_port(service, key.1)?)));
        let resolved = ports.look_up(key, port);
        IssuerEndpoints {
            addresses: resolved.endpoints.clone(),
            tls: backend_tls(&key.0, &resolved, build),
        }
    });
    endpoints.collect()
}

/// Writes the Services after the name of what they serve. Nothing if there are none.
pub(super) fn write(backends: &[IssuerBackend], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, backend) in backends.iter().enumerate() {
        let separator = if index == 0 { " at" } else { "," };
        let (name, port) = &backend.port;
        write!(f, "{separator} {name}:{port}")?;
        if backend.weight != 1 {
            write!(f, " x{}", backend.weight)?;
        }
        if backend.fallback {
            f.write_str(" as fallback")?;
        }
    }
    Ok(())
}
