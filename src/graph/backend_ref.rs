//! What a backend reference leads to (API: `HTTPBackendRef`).

use super::endpoints::ServiceEndpoints;
use super::http_route::TargetNode;
use super::http_rule::RuleAt;
use super::listener::Problem;
use super::reference_grant::{Referent, Referrer, missing_grant};
use super::{Build, names_in, suggest};
use crate::diagnostic::{Code, Diagnostic, Pointer};
use crate::manifest::api::{
    BackendObjectReference, GATEWAY_GROUP, NamespacedName, Service, ServicePort,
};
use std::sync::Arc;

/// Application protocols of a Service's port that gatefold can't speak to backends yet.
const UNSUPPORTED_PROTOCOLS: &[&str] =
    &["kubernetes.io/h2c", "kubernetes.io/wss", "https", "HTTPS"];

/// The reference's name for logs, and its target. What is wrong with it goes to `unresolved`.
pub(super) fn resolve<'a>(
    at: RuleAt<'a>,
    reference: &'a BackendObjectReference,
    pointer: &dyn Fn() -> Pointer,
    unresolved: &mut Vec<Problem>,
    services: &mut ServiceEndpoints<'a>,
    build: &mut Build<'a>,
) -> (String, TargetNode) {
    let own = at.route.meta.namespace.as_str();
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    let key = NamespacedName::new(namespace, reference.name.as_str());
    let port = reference.port.map_or(0, |port| port.get());
    let name = match reference.port {
        Some(port) => format!("{key}:{port}"),
        None => key.to_string(),
    };
    let found = permitted(at, reference, &key, pointer, build)
        .and_then(|()| service_port(at, &key, port, pointer, build));
    match found {
        Ok(found) => {
            let service = (key, port);
            let endpoints = match services.known(&service) {
                Some(endpoints) => endpoints,
                None => services.endpoints(&service, found, build),
            };
            (name, TargetNode::Service { service, endpoints })
        }
        Err((reason, finding)) => {
            unresolved.push((reason, finding.message.clone()));
            build.diagnostics.push(*finding);
            (name, TargetNode::Invalid)
        }
    }
}

type Refusal = (&'static str, Box<Diagnostic>);

fn refusal(reason: &'static str, finding: Diagnostic) -> Refusal {
    (reason, Box::new(finding))
}

/// Whether it is a Service at all, and may be referred to.
fn permitted(
    at: RuleAt<'_>,
    reference: &BackendObjectReference,
    key: &NamespacedName,
    pointer: &dyn Fn() -> Pointer,
    build: &Build<'_>,
) -> Result<(), Refusal> {
    if !reference.group.is_empty() || reference.kind != "Service" {
        let (group, kind) = (&reference.group, &reference.kind);
        let message =
            format!("a backend of kind `{kind}` (group `{group}`) isn't supported; a Service is");
        let finding = at.finding(Code::UnsupportedBackendKind, pointer(), message);
        return Err(refusal("InvalidKind", finding));
    }
    let from = Referrer {
        group: GATEWAY_GROUP,
        kind: "HTTPRoute",
        namespace: &at.route.meta.namespace,
    };
    let to = Referent {
        group: "",
        kind: "Service",
        namespace: &key.namespace,
        name: &key.name,
    };
    if build.grants.permit(from, to) {
        return Ok(());
    }
    let message = format!(
        "no ReferenceGrant permits HTTPRoutes of namespace `{}` to use Service {key}",
        from.namespace
    );
    let finding = at.finding(Code::ReferenceNotPermitted, pointer(), message);
    Err(refusal(
        "RefNotPermitted",
        finding.help(missing_grant(from, to)),
    ))
}

/// The Service's port; nothing for a Service that only the command line knows (`--backend`).
fn service_port<'a>(
    at: RuleAt<'_>,
    key: &NamespacedName,
    port: u16,
    pointer: &dyn Fn() -> Pointer,
    build: &Build<'a>,
) -> Result<Option<(&'a Service, &'a ServicePort)>, Refusal> {
    let resources = build.resources;
    let Some(service) = resources.services.get(key) else {
        let given = build
            .environment
            .discovered
            .contains_key(&(key.clone(), port));
        if given {
            return Ok(None);
        }
        let message = format!("Service {key} isn't in the folder");
        let mut finding = at.finding(Code::BackendNotFound, pointer().key("name"), message);
        let near = suggest(&key.name, names_in(&resources.services, &key.namespace));
        finding.help = near.or_else(|| elsewhere(key, build));
        return Err(refusal("BackendNotFound", finding));
    };
    let service: &'a Arc<Service> = service;
    let mut same = service.spec.ports.iter().filter(|p| p.port.get() == port);
    let found = match same.clone().find(|port| port.protocol == "TCP") {
        Some(tcp) => tcp,
        None => match same.next() {
            Some(other) => return Err(unsupported_protocol(at, service, other, pointer)),
            None => return Err(port_not_found(at, service, port, pointer)),
        },
    };
    let speaks = found.app_protocol.as_deref().unwrap_or_default();
    if UNSUPPORTED_PROTOCOLS.contains(&speaks) {
        return Err(unsupported_protocol(at, service, found, pointer));
    }
    Ok(Some((service, found)))
}

fn elsewhere(key: &NamespacedName, build: &Build<'_>) -> Option<String> {
    let mut others = build.resources.services.keys();
    let other = others.find(|other| other.name == key.name)?;
    Some(format!(
        "there is one in another namespace: add `namespace: {}`",
        other.namespace
    ))
}

fn port_not_found(
    at: RuleAt<'_>,
    service: &Service,
    port: u16,
    pointer: &dyn Fn() -> Pointer,
) -> Refusal {
    let ports = service.spec.ports.iter().map(|port| port.port.to_string());
    let ports: Vec<String> = ports.collect();
    let message = format!("Service {} has no port {port}", service.key());
    let finding = at.finding(Code::BackendPortNotFound, pointer().key("port"), message);
    let (place, help) = match ports.is_empty() {
        true => (super::name_pointer(), "the Service has no ports".to_owned()),
        false => (
            Pointer::spec().key("ports"),
            format!("its ports: {}", ports.join(", ")),
        ),
    };
    let finding = finding.label(service.place(place), "the Service");
    refusal("BackendNotFound", finding.help(help))
}

fn unsupported_protocol(
    at: RuleAt<'_>,
    service: &Service,
    port: &ServicePort,
    pointer: &dyn Fn() -> Pointer,
) -> Refusal {
    let speaks = port.app_protocol.as_deref().unwrap_or(&port.protocol);
    let message = format!(
        "port {} of Service {} speaks `{speaks}`, which gatefold can't speak to backends yet",
        port.port,
        service.key()
    );
    let finding = at
        .finding(Code::UnsupportedBackendProtocol, pointer(), message)
        .label(
            service.place(Pointer::spec().key("ports")),
            "the Service's ports",
        );
    refusal("UnsupportedProtocol", finding)
}
