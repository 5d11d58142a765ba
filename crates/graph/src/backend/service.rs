//! Resolves a backend reference to a Service: its port, endpoints and protocol.

use super::app_protocol::{AppProtocol, Security};
use super::endpoints::{FoundPort, ServicePortKey, ServicePortNode, tcp_port};
use super::{BackendReference, BackendReferences, BackendRefusal};
use crate::condition::{Problem, Reason};
use crate::policy::backend_tls::BackendTlsNode;
use crate::reference::UnresolvedReference;
use crate::route::TargetNode;
use crate::stand_in::StandInServices;
use crate::{Build, name_pointer};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind, Service, ServiceSpec};

/// Resolves a reference to the Service `key`.
pub(super) fn resolve<'a>(
    at: &BackendReference<'_>,
    key: NamespacedName,
    references: &mut BackendReferences<'_, 'a>,
    build: &Build<'a>,
) -> Result<TargetNode, BackendRefusal> {
    let number = at.reference.port.map_or(0, |port| port.get());
    let service = (key, number);
    let port = service_port(at, &service, build)?;
    // All references to the Service share the texts of its own key.
    let service = port.map_or(service, |(found, _)| (found.key(), number));
    let node = references.ports.look_up(&service, port);
    if port.is_none() {
        let finding = outside_the_folder(at, &service.0, &node, build);
        references.findings.extend(finding);
    }
    let app_protocol = node.app_protocol.as_deref();
    let required = references.version;
    let tls = backend_tls(&service.0, &node, build);
    let (version, tls) = protocol(at, port, (app_protocol, required), tls)?;
    references.resolved.push(service.clone());
    if port.is_none()
        && !node.is_echo
        && let Some(policy) = build.policies.for_single_port(&service.0)
    {
        return Err(unknown_port_name(at, &service, &policy));
    }
    if let Some(refusal) = protection(&service.0, port, build) {
        return Err(refusal);
    }
    Ok(TargetNode::Service {
        endpoints: node.endpoints.clone(),
        service,
        version,
        tls,
    })
}

/// Refuses a port that a policy protects which can't be enforced. The policy's own diagnostic reports it.
fn protection(
    key: &NamespacedName,
    port: Option<FoundPort<'_>>,
    build: &Build<'_>,
) -> Option<BackendRefusal> {
    let kind = PolicyTargetKind::Service;
    let name = port.map(|(_, port)| port.name.as_str());
    let refusal = build.protections.refusal(kind, key, name)?;
    let message = format!("Service {key}: {refusal}");
    Some(BackendRefusal {
        problem: Problem::new(Reason::UnenforcedPolicy, message),
        finding: None,
    })
}

/// Returns the Service's port. `None` for a Service that only the command line knows (`--backend`).
fn service_port<'a>(
    at: &BackendReference<'_>,
    wanted: &ServicePortKey,
    build: &Build<'a>,
) -> Result<Option<FoundPort<'a>>, BackendRefusal> {
    let service = match build.resolve::<ServiceSpec>(at.subject.referrer(), at.reference.into()) {
        Ok(service) => service,
        Err(UnresolvedReference::NotFound(_)) if build.environment.has_service(wanted) => {
            return Ok(None);
        }
        // What the command line names exists, whatever the folder says about it.
        Err(UnresolvedReference::Refused(_))
            if build.environment.discovered.contains_key(wanted) =>
        {
            return Ok(None);
        }
        Err(unresolved) => return Err(at.unresolved(unresolved)),
    };
    let (_, number) = wanted;
    if let Some(port) = tcp_port(service, *number) {
        return Ok(Some((service, port)));
    }
    let mut ports = service.spec.ports.iter();
    Err(match ports.find(|other| other.port.get() == *number) {
        Some(other) => unsupported_protocol(at, (service, other), &other.protocol),
        None => port_not_found(at, service, *number),
    })
}

/// Reports who answers for a Service that isn't in the folder. `None` if `--backend` gives it an address.
fn outside_the_folder(
    at: &BackendReference<'_>,
    key: &NamespacedName,
    node: &ServicePortNode,
    build: &Build<'_>,
) -> Option<Diagnostic> {
    if node.is_echo {
        let message =
            format!("Service {key} isn't in the folder; the built-in echo backend answers for it");
        return Some(at.finding(Code::ServiceStandIn, (at.pointer)(), message));
    }
    let message = match build.environment.stand_ins.services {
        _ if !node.endpoints.is_empty() => return None,
        StandInServices::All => {
            format!("no echo backend answers yet for Service {key}, which isn't in the folder")
        }
        StandInServices::None | StandInServices::Named(_) => {
            format!("DNS has no address yet for the host that `--backend` names for Service {key}")
        }
    };
    let finding = at.finding(Code::NoEndpoints, (at.pointer)(), message);
    Some(finding.caption("its share of the traffic gets 503"))
}

/// Returns the TLS settings for a port's endpoints.
pub(crate) fn backend_tls(
    key: &NamespacedName,
    node: &ServicePortNode,
    build: &Build<'_>,
) -> BackendTlsNode {
    if node.is_echo {
        build.policies.of_echo(key, node.port_name())
    } else {
        build.policies.of(key, node.port_name())
    }
}

/// Returns the protocol of the port's endpoints. If the port requires TLS, plain text is never used: without a policy, it is
/// unknown which authorities to trust (GEP-1911, on `kubernetes.io/wss`).
fn protocol(
    at: &BackendReference<'_>,
    port: Option<FoundPort<'_>>,
    (app_protocol, required): (Option<&str>, Option<HttpVersion>),
    tls: BackendTlsNode,
) -> Result<(HttpVersion, BackendTlsNode), BackendRefusal> {
    let Some(port) = port else {
        return Ok((required.unwrap_or(HttpVersion::Http1), tls));
    };
    let name = app_protocol.unwrap_or_default();
    match AppProtocol::named(app_protocol) {
        None => Err(unsupported_protocol(at, port, name)),
        Some(AppProtocol {
            security: Security::Tls,
            ..
        }) if tls == BackendTlsNode::Plain => Err(no_policy(at, port, name)),
        Some(protocol) => match required.filter(|version| !protocol.supports(*version)) {
            Some(version) => Err(unsuitable_protocol(at, port, name, version)),
            None => Ok((required.unwrap_or(protocol.version), tls)),
        },
    }
}

fn no_policy(
    at: &BackendReference<'_>,
    (service, port): FoundPort<'_>,
    protocol: &str,
) -> BackendRefusal {
    let why = "but no BackendTLSPolicy names the CA certificates to trust";
    let help = format!(
        "add a BackendTLSPolicy to namespace `{}` with `targetRefs: [{{group: \"\", kind: Service, name: {}}}]`",
        service.meta.namespace, service.meta.name
    );
    let finding = unusable_port(at, (service, port), protocol, why);
    BackendRefusal::new(Reason::UnsupportedProtocol, finding.help(help))
}

/// Refuses a port of a Service that isn't in the folder if a policy is for a port by its name: the name is in the Service only, so it
/// is unknown whether the policy demands TLS for this port.
fn unknown_port_name(
    at: &BackendReference<'_>,
    (service, number): &ServicePortKey,
    policy: &NamespacedName,
) -> BackendRefusal {
    let message = format!(
        "Service {service} isn't in the folder, so it is unknown whether BackendTLSPolicy {policy}, which is for one of its ports, \
         applies to port {number}"
    );
    let finding = at.finding(Code::InvalidBackendTls, (at.pointer)(), message);
    let finding = finding
        .caption("its share of the traffic gets 500")
        .help("add the Service to the folder, or remove `sectionName` from the policy");
    BackendRefusal::new(Reason::UnsupportedProtocol, finding)
}

fn unsupported_protocol(
    at: &BackendReference<'_>,
    port: FoundPort<'_>,
    protocol: &str,
) -> BackendRefusal {
    let why = "which gatefold doesn't support for backends";
    let finding = unusable_port(at, port, protocol, why);
    BackendRefusal::new(Reason::UnsupportedProtocol, finding)
}

/// Refuses a port whose protocol excludes the version of HTTP that the route needs.
fn unsuitable_protocol(
    at: &BackendReference<'_>,
    port: FoundPort<'_>,
    protocol: &str,
    needed: HttpVersion,
) -> BackendRefusal {
    let why = match needed {
        HttpVersion::Http1 => "but this kind of route needs HTTP/1.1",
        HttpVersion::Http2 => "but this kind of route needs HTTP/2",
    };
    let finding = unusable_port(at, port, protocol, why);
    BackendRefusal::new(Reason::UnsupportedProtocol, finding)
}

fn unusable_port(
    at: &BackendReference<'_>,
    (service, port): FoundPort<'_>,
    protocol: &str,
    why: &str,
) -> Diagnostic {
    let (number, key) = (port.port, service.key());
    let message = format!("port {number} of Service {key} uses the protocol `{protocol}`, {why}");
    let place = service.place(Pointer::spec().key("ports"));
    at.finding(Code::UnsupportedBackendProtocol, (at.pointer)(), message)
        .label(place, "the Service's ports")
}

fn port_not_found(at: &BackendReference<'_>, service: &Service, port: u16) -> BackendRefusal {
    let ports = service.spec.ports.iter().map(|port| port.port.to_string());
    let ports: Vec<String> = ports.collect();
    let message = format!("Service {} has no port {port}", service.key());
    let pointer = (at.pointer)().key("port");
    let finding = at.finding(Code::BackendPortNotFound, pointer, message);
    let (place, help) = if ports.is_empty() {
        (name_pointer(), "the Service has no ports".to_owned())
    } else {
        let help = format!("its ports: {}", ports.join(", "));
        (Pointer::spec().key("ports"), help)
    };
    let finding = finding.label(service.place(place), "the Service");
    BackendRefusal::new(Reason::BackendNotFound, finding.help(help))
}
