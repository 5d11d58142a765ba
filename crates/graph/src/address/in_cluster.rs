//! Names the addresses that a Gateway has in a cluster, where they differ from those that it has here.
//!
//! In: `spec.addresses` that are replaced, and the annotations by which the usual load balancers choose addresses. Out: a
//! diagnostic for each of them. gatefold never binds an address of an annotation.

use crate::Build;
use crate::environment::AddressSharing;
use crate::gateway::GatewayAddress;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::Gateway;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The annotations by which load balancers choose the addresses of a Gateway's Service: Cilium, MetalLB and kube-vip.
const LOAD_BALANCER_ANNOTATIONS: [&str; 5] = [
    "lbipam.cilium.io/ips",
    "io.cilium/lb-ipam-ips",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "kube-vip.io/loadbalancerIPs",
];

/// Reports `spec.addresses` that are replaced by `addresses`.
pub(super) fn report_replaced(
    gateway: &Gateway,
    addresses: &[GatewayAddress],
    build: &mut Build<'_>,
) {
    let requested = gateway.spec.addresses.iter();
    let requested: Vec<&str> = requested
        .map(|it| it.value.as_str())
        .filter(|value| !value.is_empty())
        .collect();
    let pointer = Pointer::spec().key("addresses");
    report(gateway, pointer, &requested, addresses, build);
}

/// Reports addresses in annotations of the Gateway, or for the objects that implement it, that aren't among `addresses`.
pub(super) fn report_annotations(
    gateway: &Gateway,
    addresses: &[GatewayAddress],
    build: &mut Build<'_>,
) {
    let infrastructure = gateway.spec.infrastructure.as_ref();
    let of_infrastructure = infrastructure.map(|it| {
        let pointer = Pointer::spec().key("infrastructure");
        (pointer.key("annotations"), &it.annotations)
    });
    let own = Pointer::root().key("metadata").key("annotations");
    let places = of_infrastructure
        .into_iter()
        .chain([(own, &gateway.meta.annotations)]);
    let mut seen = BTreeSet::new();
    for (pointer, annotations) in places {
        for (name, requested) in requested_by(annotations) {
            if seen.insert(requested.clone()) {
                report(gateway, pointer.key(name), &requested, addresses, build);
            }
        }
    }
}

/// Returns the annotations of load balancers, each with its comma-separated addresses.
fn requested_by(
    annotations: &BTreeMap<String, String>,
) -> impl Iterator<Item = (&'static str, Vec<&str>)> {
    LOAD_BALANCER_ANNOTATIONS.into_iter().filter_map(|name| {
        let list = annotations.get(name)?.split(',').map(str::trim);
        let requested: Vec<&str> = list.filter(|address| !address.is_empty()).collect();
        (!requested.is_empty()).then_some((name, requested))
    })
}

fn report(
    gateway: &Gateway,
    pointer: Pointer,
    requested: &[&str],
    addresses: &[GatewayAddress],
    build: &mut Build<'_>,
) {
    let is_bound = |text: &&str| {
        let address: Option<IpAddr> = text.parse().ok();
        address.is_some_and(|address| addresses.iter().any(|it| it.bind == address))
    };
    if requested.is_empty() || requested.iter().all(is_bound) {
        return;
    }
    let requested = crate::quoted(requested.iter().copied());
    let here = match build.environment.sharing {
        AddressSharing::Shared => format!("; here it listens on {}", bound(addresses)),
        AddressSharing::Separate => String::new(),
    };
    let message = format!("in a cluster, the address of this Gateway is {requested}{here}");
    let finding = Diagnostic::new(Code::ClusterAddress, gateway.place(pointer), message)
        .about(gateway.id())
        .help("choose the address here with `--address NS/GATEWAY=IP` or `--address-pool CIDR`");
    build.diagnostics.push(finding);
}

/// Names the addresses that are bound.
fn bound(addresses: &[GatewayAddress]) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    if addresses.iter().all(|it| it.bind.is_unspecified()) {
        return "every interface".to_owned();
    }
    let addresses: Vec<String> = addresses.iter().map(|it| it.bind.to_string()).collect();
    addresses.join(", ")
}
