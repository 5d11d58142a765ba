//! Diagnostics about the endpoints of a Service's port.

use super::{FoundPort, ServicePortKey};
use crate::quoted;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{EndpointPort, EndpointSlice};

/// Reports a port that has endpoints neither in the folder nor in the environment.
pub(crate) fn no_endpoints(key: &ServicePortKey, (service, _): FoundPort<'_>) -> Diagnostic {
    let message = format!(
        "Service {}, port {}, has no endpoints in the folder",
        key.0, key.1
    );
    let place = service.place(crate::name_pointer());
    Diagnostic::new(Code::NoEndpoints, place, message)
        .about(service.id())
        .help("`gatefold run` asks DNS for its name; `--backend` names an address, `--echo` answers itself")
}

/// Reports an endpoint whose address isn't an IP address.
pub(crate) fn unsupported_endpoint(
    slice: &EndpointSlice,
    index: usize,
    text: &str,
    findings: &mut Vec<Diagnostic>,
) {
    let pointer = Pointer::root()
        .key("endpoints")
        .index(index)
        .key("addresses");
    let message = format!("`{text}` isn't an IP address; the endpoint isn't used");
    let finding = Diagnostic::new(Code::UnsupportedEndpoint, slice.place(pointer), message);
    let help = "for a DNS name, use a Service of type ExternalName";
    findings.push(finding.about(slice.id()).help(help));
}

/// Reports a port whose name no endpoint port has.
pub(crate) fn port_not_found<'p>(
    kind: &str,
    (service, port): FoundPort<'_>,
    ports: impl Iterator<Item = &'p EndpointPort>,
    findings: &mut Vec<Diagnostic>,
) {
    let message = format!(
        "no port of the {kind} of Service {} is named `{}` like the Service's port {}",
        service.key(),
        port.name,
        port.port
    );
    let mut names: Vec<&str> = ports.map(|port| port.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let place = service.place(Pointer::spec().key("ports"));
    let finding = Diagnostic::new(Code::EndpointPortNotFound, place, message);
    let help = format!("the names of their ports: {}", quoted(names));
    findings.push(finding.about(service.id()).help(help));
}
