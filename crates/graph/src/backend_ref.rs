//! What a backend reference leads to (API: `HTTPBackendRef`).

use super::app_protocol::{AppProtocol, Security};
use super::backend_tls_policy::BackendTlsNode;
use super::condition::{Problem, Reason};
use super::endpoints::{Port, ServicePortKey, ServicePorts, tcp_port};
use super::reference_grant::{Referent, Referrer, missing_grant};
use super::route::{RuleAt, TargetNode};
use super::{Build, names_in, suggest};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    BackendObjectReference, GATEWAY_GROUP, NamespacedName, PolicyTargetKind, Service,
};

/// The references of a route, and what became of them.
pub(super) struct References<'s, 'a> {
    pub ports: &'s mut ServicePorts<'a>,
    /// The ports that references lead to.
    pub resolved: Vec<ServicePortKey>,
    /// References that lead nowhere.
    pub unresolved: Vec<Problem>,
}

/// The reference's name for logs, and its target. What is wrong with it goes to `references`.
pub(super) fn resolve<'a>(
    at: RuleAt<'a>,
    reference: &'a BackendObjectReference,
    pointer: &dyn Fn() -> Pointer,
    references: &mut References<'_, 'a>,
    build: &mut Build<'a>,
) -> (String, TargetNode) {
    let own = at.route.namespace();
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    let key = NamespacedName::new(namespace, reference.name.as_str());
    let port = reference.port.map_or(0, |port| port.get());
    let name = match reference.port {
        Some(port) => format!("{key}:{port}"),
        None => key.to_string(),
    };
    let service = (key, port);
    let found = permitted(at, reference, &service.0, pointer, build)
        .and_then(|()| service_port(at, &service, pointer, build))
        .and_then(|found| {
            let node = references.ports.look_up(&service, found);
            if found.is_none() && node.endpoints.is_empty() {
                let finding = no_address(at, &service.0, pointer);
                build.diagnostics.push(finding);
            }
            let speaks = node.app_protocol.as_deref();
            let (version, tls) = spoken(at, (&service.0, found), speaks, pointer, build)?;
            Ok((node.endpoints.clone(), version, tls))
        });
    match found {
        Ok((endpoints, version, tls)) => {
            references.resolved.push(service.clone());
            if let Some(refusal) = protected(&service, build) {
                references.unresolved.push(refusal);
                return (name, TargetNode::Invalid);
            }
            let target = TargetNode::Service {
                service,
                endpoints,
                version,
                tls,
            };
            (name, target)
        }
        Err((reason, finding)) => {
            references
                .unresolved
                .push(Problem::new(reason, finding.message.clone()));
            build.diagnostics.push(*finding);
            (name, TargetNode::Invalid)
        }
    }
}

/// Why a Service's port gets no requests: a policy that can't be enforced protects it. The policy's own diagnostic tells
/// about it.
fn protected((key, port): &ServicePortKey, build: &Build<'_>) -> Option<Problem> {
    let kind = PolicyTargetKind::Service;
    let refusal = build
        .protections
        .refusal(kind, key, Some(&port.to_string()))?;
    let message = format!("Service {key}: {refusal}");
    Some(Problem::new(Reason::UnenforcedPolicy, message))
}

type Refusal = (Reason, Box<Diagnostic>);

fn refusal(reason: Reason, finding: Diagnostic) -> Refusal {
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
        return Err(refusal(Reason::InvalidKind, finding));
    }
    let from = Referrer {
        group: GATEWAY_GROUP,
        kind: at.route.route_type.as_str(),
        namespace: at.route.namespace(),
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
        "no ReferenceGrant permits {}s of namespace `{}` to use Service {key}",
        from.kind, from.namespace
    );
    let finding = at.finding(Code::ReferenceNotPermitted, pointer(), message);
    Err(refusal(
        Reason::RefNotPermitted,
        finding.help(missing_grant(from, to)),
    ))
}

/// The Service's port; nothing for a Service that only the command line knows (`--backend`).
fn service_port<'a>(
    at: RuleAt<'_>,
    wanted: &ServicePortKey,
    pointer: &dyn Fn() -> Pointer,
    build: &Build<'a>,
) -> Result<Option<Port<'a>>, Refusal> {
    let (resources, (key, port)) = (build.resources, wanted);
    let Some(service) = resources.services.get(key) else {
        if build.environment.discovered.contains_key(wanted) {
            return Ok(None);
        }
        let message = format!("Service {key} isn't in the folder");
        let mut finding = at.finding(Code::BackendNotFound, pointer().key("name"), message);
        let near = suggest(&key.name, names_in(&resources.services, &key.namespace));
        finding.help = near.or_else(|| elsewhere(key, build));
        return Err(refusal(Reason::BackendNotFound, finding));
    };
    if let Some(found) = tcp_port(service, *port) {
        return Ok(Some((service, found)));
    }
    let mut ports = service.spec.ports.iter();
    Err(match ports.find(|other| other.port.get() == *port) {
        Some(other) => unsupported_protocol(at, (service, other), &other.protocol, pointer),
        None => port_not_found(at, service, *port, pointer),
    })
}

/// Reports that DNS has no address yet for the host of a `--backend`.
fn no_address(at: RuleAt<'_>, key: &NamespacedName, pointer: &dyn Fn() -> Pointer) -> Diagnostic {
    let message =
        format!("DNS has no address yet for the host that `--backend` names for Service {key}");
    let finding = at.finding(Code::NoEndpoints, pointer(), message);
    finding.caption("its share of the traffic gets 503")
}

/// What is spoken to the port's endpoints. One that must be spoken to in TLS never is in plain text: without a policy
/// nobody knows whom to trust (GEP-1911, on `kubernetes.io/wss`).
fn spoken<'a>(
    at: RuleAt<'_>,
    (key, port): (&NamespacedName, Option<Port<'a>>),
    name: Option<&str>,
    pointer: &dyn Fn() -> Pointer,
    build: &Build<'a>,
) -> Result<(HttpVersion, BackendTlsNode), Refusal> {
    let Some(port) = port else {
        return Ok((HttpVersion::Http1, build.policies.of(key, "")));
    };
    let tls = build.policies.of(key, &port.1.name);
    let speaks = name.unwrap_or_default();
    match AppProtocol::named(name) {
        None => Err(unsupported_protocol(at, port, speaks, pointer)),
        Some(AppProtocol {
            security: Security::Tls,
            ..
        }) if tls == BackendTlsNode::Plain => Err(no_policy(at, port, speaks, pointer)),
        Some(protocol) => Ok((protocol.version, tls)),
    }
}

fn no_policy(
    at: RuleAt<'_>,
    (service, port): Port<'_>,
    speaks: &str,
    pointer: &dyn Fn() -> Pointer,
) -> Refusal {
    let why = "but no BackendTLSPolicy says whom to trust";
    let (reason, mut finding) = unusable_port(at, (service, port), speaks, why, pointer);
    finding.help = Some(format!(
        "add a BackendTLSPolicy to namespace `{}` with `targetRefs: [{{group: \"\", kind: Service, name: {}}}]`",
        service.meta.namespace, service.meta.name
    ));
    (reason, finding)
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
    refusal(Reason::BackendNotFound, finding.help(help))
}

fn unsupported_protocol(
    at: RuleAt<'_>,
    port: Port<'_>,
    speaks: &str,
    pointer: &dyn Fn() -> Pointer,
) -> Refusal {
    let why = "which gatefold can't speak to backends";
    unusable_port(at, port, speaks, why, pointer)
}

fn unusable_port(
    at: RuleAt<'_>,
    (service, port): Port<'_>,
    speaks: &str,
    why: &str,
    pointer: &dyn Fn() -> Pointer,
) -> Refusal {
    let message = format!(
        "port {} of Service {} speaks `{speaks}`, {why}",
        port.port,
        service.key()
    );
    let place = service.place(Pointer::spec().key("ports"));
    let finding = at.finding(Code::UnsupportedBackendProtocol, pointer(), message);
    let finding = finding.label(place, "the Service's ports");
    refusal(Reason::UnsupportedProtocol, finding)
}
