//! The addresses of a Gateway (API: `Gateway.spec.addresses`).

mod in_cluster;

use super::Build;
use super::condition::{Condition, ConditionType, Reason};
use super::environment::{AddressSharing, Environment, SpecAddresses};
use super::gateway::GatewayAddress;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::Gateway;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The API's limit for the addresses in a status.
const MOST_SHOWN: usize = 16;

/// Returns the addresses of a Gateway, and the condition that reports a problem with them: `Accepted` for a type that
/// isn't supported, `Programmed` for an address that can't be assigned.
pub(super) fn assign(
    gateway: &Gateway,
    build: &mut Build<'_>,
) -> (Vec<GatewayAddress>, Option<Condition>) {
    let environment = build.environment;
    let given = environment.gateway_addresses.get(&gateway.key());
    let (addresses, problem) = match (given, environment.spec_addresses) {
        (Some(given), _) => (gateway_addresses(given.iter().copied(), environment), None),
        (None, SpecAddresses::Replace) => replaced(gateway, build),
        (None, SpecAddresses::Bind) => requested(gateway, build),
    };
    if given.is_some() || environment.spec_addresses == SpecAddresses::Replace {
        in_cluster::report_replaced(gateway, &addresses, build);
    }
    in_cluster::report_annotations(gateway, &addresses, build);
    (addresses, problem)
}

/// Returns the addresses of a Gateway whose `spec.addresses` are replaced: one of the pool or, without a pool, the default
/// ones.
fn replaced(gateway: &Gateway, build: &mut Build<'_>) -> (Vec<GatewayAddress>, Option<Condition>) {
    let mut requested = Requested {
        unnamed: 1,
        ..Requested::default()
    };
    let assigned = from_pool(gateway, &mut requested, build);
    (
        gateway_addresses(assigned, build.environment),
        requested.problem,
    )
}

/// Returns the addresses that `spec.addresses` requests, or else the default ones.
fn requested(gateway: &Gateway, build: &mut Build<'_>) -> (Vec<GatewayAddress>, Option<Condition>) {
    if let Some(refused) = unsupported_type(gateway, build) {
        return (Vec::new(), Some(refused));
    }
    let mut requested = Requested::default();
    for (index, address) in gateway.spec.addresses.iter().enumerate() {
        if !address.routability.is_empty() {
            let unsatisfied = unsupported_routability(gateway, index, &address.routability, build);
            requested.problem.get_or_insert(unsatisfied);
            continue;
        }
        match address.value.as_str() {
            "" => requested.unnamed += 1,
            // The loader refuses values that aren't IP addresses.
            text => requested.named.extend(text.parse::<IpAddr>()),
        }
    }
    if gateway.spec.addresses.is_empty() {
        requested.unnamed = 1;
    }
    let assigned = from_pool(gateway, &mut requested, build);
    let all = requested.named.iter().copied().chain(assigned);
    (gateway_addresses(all, build.environment), requested.problem)
}

/// Returns the addresses to bind, each once, with those that the status shows.
fn gateway_addresses(
    all: impl IntoIterator<Item = IpAddr>,
    environment: &Environment,
) -> Vec<GatewayAddress> {
    let mut addresses: Vec<GatewayAddress> = Vec::new();
    for bind in all {
        if !addresses.iter().any(|address| address.bind == bind) {
            addresses.push(GatewayAddress {
                bind,
                shown: shown(bind, environment),
            });
        }
    }
    addresses
}

/// The addresses that `spec.addresses` requests.
#[derive(Default)]
struct Requested {
    /// Entries with a value.
    named: Vec<IpAddr>,
    /// The number of entries without a value.
    unnamed: usize,
    problem: Option<Condition>,
}

/// Returns addresses for the entries without a value: from the pool or, without a pool, those of `--address` if the
/// Gateway names no other.
fn from_pool(gateway: &Gateway, requested: &mut Requested, build: &mut Build<'_>) -> Vec<IpAddr> {
    if requested.unnamed == 0 {
        return Vec::new();
    }
    let help = match &build.environment.pool {
        None if requested.named.is_empty() => return default_addresses(build.environment),
        // A cluster assigns the addresses.
        None if build.environment.sharing == AddressSharing::Separate => {
            return default_addresses(build.environment);
        }
        None => "give gatefold a pool with `--address-pool CIDR`, or give the address a value",
        Some(pool) => {
            let assigned = pool.get(&gateway.key()).cloned().unwrap_or_default();
            if assigned.len() >= requested.unnamed {
                return assigned.into_iter().take(requested.unnamed).collect();
            }
            "give gatefold a larger `--address-pool`, or remove Gateways that aren't needed"
        }
    };
    let message = "no address is left for the Gateway";
    let place = gateway.place(address_pointer(gateway));
    let finding = Diagnostic::new(Code::AddressNotAssigned, place, message)
        .about(gateway.id())
        .help(help);
    build.diagnostics.push(finding);
    requested.problem.get_or_insert(Condition::fails(
        ConditionType::Programmed,
        Reason::AddressNotAssigned,
        format!("{message}: {help}"),
    ));
    let pool = build.environment.pool.as_ref();
    pool.and_then(|pool| pool.get(&gateway.key()).cloned())
        .unwrap_or_default()
}

fn address_pointer(gateway: &Gateway) -> Pointer {
    if gateway.spec.addresses.is_empty() {
        super::name_pointer()
    } else {
        Pointer::spec().key("addresses")
    }
}

fn default_addresses(environment: &Environment) -> Vec<IpAddr> {
    if environment.addresses.is_empty() {
        // A socket that is bound to `[::]` accepts IPv6 only.
        vec![
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ]
    } else {
        environment.addresses.clone()
    }
}

/// Returns the addresses that a client can use: the address itself or, for the unspecified address, those that reach
/// this host. In a cluster these aren't known before the Gateway is served.
fn shown(bind: IpAddr, environment: &Environment) -> Vec<IpAddr> {
    if !bind.is_unspecified() {
        return vec![bind];
    }
    if environment.sharing == AddressSharing::Separate {
        return Vec::new();
    }
    let reachable = environment.reachable.iter().copied();
    let fits = reachable.filter(|ip| bind.is_ipv6() == ip.is_ipv6());
    fits.take(MOST_SHOWN).collect()
}

/// Reports an address with a `routability`. Networks outside gatefold decide from where an address can be reached, so the
/// request can't be satisfied (GEP-5093).
fn unsupported_routability(
    gateway: &Gateway,
    index: usize,
    routability: &str,
    build: &mut Build<'_>,
) -> Condition {
    let message = format!(
        "addresses[{index}] isn't bound: gatefold can't promise routability `{routability}`"
    );
    let pointer = Pointer::spec().key("addresses").index(index);
    let place = gateway.place(pointer.key("routability"));
    let finding = Diagnostic::new(Code::UnsupportedRoutability, place, message.clone())
        .about(gateway.id())
        .help("leave `routability` out, and give the address a value that can be reached from there only");
    build.diagnostics.push(finding);
    let reason = Reason::AddressNotAssigned;
    Condition::fails(ConditionType::Programmed, reason, message)
}

/// Reports addresses of types that aren't supported. Returns the condition for the first one.
fn unsupported_type(gateway: &Gateway, build: &mut Build<'_>) -> Option<Condition> {
    let mut refused = None;
    for (index, address) in gateway.spec.addresses.iter().enumerate() {
        if address.kind == "IPAddress" {
            continue;
        }
        let message = format!(
            "an address of type `{}` isn't supported; only `IPAddress` is",
            address.kind
        );
        let pointer = Pointer::spec().key("addresses").index(index).key("type");
        let finding = Diagnostic::new(
            Code::UnsupportedAddress,
            gateway.place(pointer),
            message.clone(),
        );
        build.diagnostics.push(finding.about(gateway.id()));
        refused.get_or_insert(Condition::fails(
            ConditionType::Accepted,
            Reason::UnsupportedAddress,
            message,
        ));
    }
    refused
}
