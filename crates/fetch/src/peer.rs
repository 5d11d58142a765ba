//! Chooses the addresses to connect to.

use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::issuer_fetch::{IssuerPeers, IssuerPlace, IssuerService, PeerSecurity};
use hickory_resolver::TokioResolver;
use http::Uri;
use std::net::{IpAddr, SocketAddr};

/// The maximum number of addresses that one request tries.
const MAX_ATTEMPTS: usize = 3;

/// An address, and how to connect to it.
#[derive(Clone, Debug)]
pub(crate) struct FetchPeer {
    pub(crate) address: SocketAddr,
    pub(crate) security: PeerSecurity,
}

/// Returns the addresses to try, in order. `turn` counts the requests, so that Services and endpoints take turns. Only the name of a
/// host needs a resolver.
///
/// # Errors
/// If there are none. The text says why.
pub(crate) async fn choose<'r>(
    place: &IssuerPlace,
    turn: usize,
    resolver: impl FnOnce() -> Option<&'r TokioResolver>,
) -> Result<Vec<FetchPeer>, String> {
    let mut peers = match &place.peers {
        IssuerPeers::Services(services) => of_services(services, turn),
        IssuerPeers::Host(security) => {
            let addresses = by_turns(of_host(&place.uri, resolver).await?);
            let peers = addresses.into_iter().map(|address| FetchPeer {
                address,
                security: security.clone(),
            });
            peers.collect()
        }
    };
    peers.truncate(MAX_ATTEMPTS);
    if peers.is_empty() {
        return Err("the backends have no endpoints".to_owned());
    }
    Ok(peers)
}

/// Returns the endpoints of the Service whose turn it is, then those of the others, then those of fallbacks.
fn of_services(services: &[IssuerService], turn: usize) -> Vec<FetchPeer> {
    let used = services.iter().filter(|service| service.weight > 0);
    let used: Vec<&IssuerService> = used.collect();
    let primary = used.iter().copied().filter(|service| !service.fallback);
    let primary: Vec<&IssuerService> = primary.collect();
    let chosen = by_weight(&primary, turn);
    let is_chosen = |service: &&IssuerService| chosen.is_some_and(|it| std::ptr::eq(it, *service));
    let others = primary.iter().copied().filter(|it| !is_chosen(it));
    let fallbacks = used.iter().copied().filter(|service| service.fallback);
    let ordered = chosen.into_iter().chain(others).chain(fallbacks);
    let peers = ordered.flat_map(|service| {
        let endpoints = service.endpoints.len();
        let start = turn.checked_rem(endpoints).unwrap_or(0);
        let rotated = service.endpoints.iter().cycle().skip(start);
        rotated.take(endpoints).map(|address| FetchPeer {
            address: *address,
            security: service.security.clone(),
        })
    });
    peers.collect()
}

/// Returns the Service whose turn it is: each has as many turns in a row as its weight.
fn by_weight<'s>(services: &[&'s IssuerService], turn: usize) -> Option<&'s IssuerService> {
    let weights = services.iter().map(|service| u64::from(service.weight));
    let mut place = (turn as u64).checked_rem(weights.sum())?;
    services.iter().copied().find(|service| {
        let weight = u64::from(service.weight);
        let found = place < weight;
        place = place.saturating_sub(weight);
        found
    })
}

/// Resolves the host of a URL.
async fn of_host<'r>(
    uri: &Uri,
    resolver: impl FnOnce() -> Option<&'r TokioResolver>,
) -> Result<Vec<SocketAddr>, String> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // The graph accepts no other scheme.
    let scheme = uri.scheme_str().and_then(Scheme::parse);
    let default = scheme.unwrap_or(Scheme::Http).port();
    let port = uri.port_u16().unwrap_or(default);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let resolver = resolver().ok_or("the system's DNS configuration can't be read")?;
    let found = resolver.lookup_ip(host).await;
    let found = found.map_err(|_| format!("DNS has no address for `{host}`"))?;
    Ok(found.iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Lets addresses of IPv4 and IPv6 take turns, so that there is always one of each among the first (RFC 8305, section 4). Otherwise a host
/// with three addresses of the one could not be reached from a network without it.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let of_first = |address: &SocketAddr| address.is_ipv6() == first_is_v6;
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(of_first);
    let mut other = other.into_iter();
    let mut ordered = Vec::new();
    for address in one {
        ordered.push(address);
        ordered.extend(other.next());
    }
    ordered.extend(other);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(weight: u32, fallback: bool, ports: &[u16]) -> IssuerService {
        let endpoints = ports
            .iter()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
        IssuerService {
            weight,
            fallback,
            endpoints: endpoints.collect(),
            security: PeerSecurity::Plain,
        }
    }

    fn ports(services: &[IssuerService], turn: usize) -> Vec<u16> {
        let peers = of_services(services, turn);
        peers.iter().map(|peer| peer.address.port()).collect()
    }

    #[test]
    fn services_take_turns_by_weight_and_fallbacks_come_last() {
        let services = [
            service(1, true, &[9]),
            service(2, false, &[1]),
            service(0, false, &[8]),
            service(1, false, &[2]),
        ];
        let first: Vec<u16> = (0..6).map(|turn| ports(&services, turn)[0]).collect();
        assert_eq!(first, [1, 1, 2, 1, 1, 2]);
        assert_eq!(ports(&services, 0), [1, 2, 9]);
        assert_eq!(ports(&services, 2), [2, 1, 9]);
    }

    #[test]
    fn endpoints_of_a_service_take_turns() {
        let services = [service(1, false, &[1, 2, 3])];
        assert_eq!(ports(&services, 1), [2, 3, 1]);
        assert_eq!(ports(&services, 5), [3, 1, 2]);
        assert_eq!(ports(&[service(1, false, &[])], 1), [0; 0]);
        assert_eq!(ports(&[], 1), [0; 0]);
        assert_eq!(ports(&[service(1, true, &[7])], 1), [7], "only a fallback");
    }

    #[test]
    fn addresses_of_both_versions_take_turns() {
        let read = |list: &[&str]| -> Vec<SocketAddr> {
            let parse = |ip: &&str| SocketAddr::new(ip.parse().expect("an address"), 443);
            list.iter().map(parse).collect()
        };
        for (found, ordered) in [
            (
                &["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"][..],
                &["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"][..],
            ),
            (
                &["1.1.1.1", "::1", "::2", "::3"],
                &["1.1.1.1", "::1", "::2", "::3"],
            ),
            (&["1.1.1.1", "2.2.2.2"], &["1.1.1.1", "2.2.2.2"]),
            (&[], &[]),
        ] {
            assert_eq!(by_turns(read(found)), read(ordered));
        }
    }
}
