//! Weighted backends and round-robin endpoints.
//!
//! In: the backends of a rule with their weights, and the endpoints of a Service's port. Out: the backend and the endpoint
//! of the next request, without locks.

use super::backend_tls::BackendTlsByIdentity;
use super::durations::DurationHistogram;
use super::filter::Filters;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The backends of a rule, by weight.
///
/// Requests are distributed in a fixed order that is as even as possible. In any run of as many requests as the sum of the
/// weights (divided by their greatest common divisor), each backend gets exactly its weight; shorter runs come close. With
/// weights 8 and 2, every fifth request goes to the second backend. A pick takes one atomic addition and no lock, or
/// nothing if there is only one backend.
#[derive(Debug)]
pub struct Split {
    last: Backend,
    /// The weight of `last` in the manifest, for `Display` only.
    weight: u32,
    /// How to choose among several backends. Most rules have only one, and their requests read none of this.
    choice: Option<Box<Choice>>,
}

/// The backends of a rule that has several.
#[derive(Debug)]
struct Choice {
    /// All backends except the last, each with the end of its range of positions.
    shares: Box<[(u64, Backend)]>,
    /// The weights of `shares` in the manifest, for `Display` only.
    weights: Box<[u32]>,
    /// The number of positions: the sum of the reduced weights.
    positions: u64,
    /// The step from one request's position to the next. Coprime to `positions`, so that all positions are visited.
    stride: u64,
    next: AtomicU64,
}

impl Split {
    /// Creates a split from backends and their weights, which are at most 1,000,000 each. `served` is the number of requests
    /// that the replaced split has distributed. `None` if no backend has a weight.
    pub fn new(backends: Vec<(u32, Backend)>, served: u64) -> Option<Split> {
        let mut backends = backends;
        backends.retain(|(weight, _)| *weight > 0);
        let common = backends
            .iter()
            .map(|(weight, _)| u64::from(*weight))
            .fold(0, gcd);
        let (weight, last) = backends.pop()?;
        if backends.is_empty() {
            return Some(Split {
                last,
                weight,
                choice: None,
            });
        }
        let weights = backends.iter().map(|(weight, _)| *weight).collect();
        let mut positions = 0;
        let mut shares = Vec::with_capacity(backends.len());
        for (weight, backend) in backends {
            positions += u64::from(weight) / common;
            shares.push((positions, backend));
        }
        positions += u64::from(weight) / common;
        Some(Split {
            last,
            weight,
            choice: Some(Box::new(Choice {
                shares: shares.into(),
                weights,
                positions,
                stride: stride(positions),
                next: AtomicU64::new(served),
            })),
        })
    }

    /// Picks the backend of the next request.
    pub fn pick(&self) -> &Backend {
        let index = self.pick_index();
        self.get(index).unwrap_or(&self.last)
    }

    /// Picks the backend of the next request, as an index among the backends with a weight.
    pub fn pick_index(&self) -> usize {
        // Without a choice, threads need not contend for the counter.
        let Some(choice) = &self.choice else {
            return 0;
        };
        // Both factors are below 16 times 1,000,000: the product fits.
        let count = choice.next.fetch_add(1, Ordering::Relaxed) % choice.positions;
        let position = count * choice.stride % choice.positions;
        choice.shares.partition_point(|(end, _)| *end <= position)
    }

    fn shares(&self) -> &[(u64, Backend)] {
        self.choice.as_ref().map_or(&[], |choice| &choice.shares)
    }

    /// Returns the backend at an index.
    pub fn get(&self, place: usize) -> Option<&Backend> {
        let shares = self.shares();
        match shares.get(place) {
            Some((_, backend)) => Some(backend),
            None => (place == shares.len()).then_some(&self.last),
        }
    }

    /// Returns the number of distributed requests, for the split that replaces this one. It stays 0 if there is only one
    /// backend.
    pub fn served(&self) -> u64 {
        let choice = self.choice.as_ref();
        choice.map_or(0, |choice| choice.next.load(Ordering::Relaxed))
    }

    /// Returns all backends that have a weight, with their weights, in the order of the manifest.
    pub fn backends(&self) -> impl Iterator<Item = (u32, &Backend)> {
        let weights = self.choice.iter().flat_map(|choice| &choice.weights);
        let shares = self.shares().iter().map(|(_, backend)| backend);
        let shares = weights.copied().zip(shares);
        shares.chain([(self.weight, &self.last)])
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Returns a step around a ring of `positions` that visits all of them and, at any time, leaves no gap much wider than
/// another. The golden section of the ring does that, because it is badly approximable: its continued fraction consists of
/// ones. This chooses the coprime step near it whose continued fraction has the smallest terms.
fn stride(positions: u64) -> u64 {
    // The nearest steps first. A few are enough, since most numbers have a coprime neighbour with small terms.
    const TRIES: usize = 64;
    let golden = (positions as f64 * 0.618_033_988_749_894_9).round() as u64;
    (0..positions)
        .flat_map(|distance| [golden.saturating_sub(distance), golden + distance])
        .filter(|step| (1..=positions).contains(step) && gcd(positions, *step) == 1)
        .take(TRIES)
        .min_by_key(|step| largest_term(positions, *step))
        .unwrap_or(1)
}

/// Returns the largest term of the continued fraction of `a / b`.
fn largest_term(a: u64, b: u64) -> u64 {
    a.checked_div(b)
        .map_or(0, |term| term.max(largest_term(b, a % b)))
}

/// One backend of a rule.
#[derive(Debug)]
pub struct Backend {
    /// `namespace/service:port`, for logs.
    pub name: Arc<str>,
    /// The filters of the backend. They apply only to requests for this backend.
    pub filters: Filters,
    /// How long its endpoints take to respond.
    pub durations: Arc<DurationHistogram>,
    /// Its endpoints.
    pub target: BackendTarget,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name, self.target, self.filters)
    }
}

/// The endpoints of a backend reference.
#[derive(Clone, Debug)]
pub enum BackendTarget {
    /// The endpoints.
    Endpoints(Arc<EndpointSet>),
    /// There is none at the moment: requests get 503.
    NoEndpoints,
    /// The reference is invalid: requests get 500.
    Invalid,
}

impl BackendTarget {
    /// Returns the endpoints, if there are any.
    pub fn endpoints(&self) -> Option<&EndpointSet> {
        match self {
            BackendTarget::Endpoints(endpoints) => Some(endpoints),
            BackendTarget::NoEndpoints | BackendTarget::Invalid => None,
        }
    }
}

impl fmt::Display for BackendTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackendTarget::Endpoints(endpoints) => write!(f, "{endpoints}"),
            BackendTarget::NoEndpoints => f.write_str("503"),
            BackendTarget::Invalid => f.write_str("500"),
        }
    }
}

/// The HTTP version of requests to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1. Its connections can be upgraded.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
}

/// The endpoints of a Service's port. All rules that refer to it share them.
#[derive(Debug)]
pub struct EndpointSet {
    /// The HTTP version that all of them speak.
    pub version: HttpVersion,
    /// The TLS settings. `None` for plain text.
    tls: Option<BackendTlsByIdentity>,
    first: SocketAddr,
    /// All addresses, including the first.
    addresses: Box<[SocketAddr]>,
    next: AtomicU64,
}

impl EndpointSet {
    /// Creates endpoints from distinct addresses. `served` is the number of requests distributed before. `None` if there are
    /// no addresses.
    pub fn new(version: HttpVersion, addresses: &[SocketAddr], served: u64) -> Option<EndpointSet> {
        Some(EndpointSet {
            version,
            tls: None,
            first: *addresses.first()?,
            addresses: addresses.into(),
            next: AtomicU64::new(served),
        })
    }

    /// Adds TLS settings.
    pub fn in_tls(self, tls: BackendTlsByIdentity) -> EndpointSet {
        EndpointSet {
            tls: Some(tls),
            ..self
        }
    }

    /// Returns the TLS settings. `None` for plain text.
    pub fn tls(&self) -> Option<&BackendTlsByIdentity> {
        self.tls.as_ref()
    }

    /// Returns the number of endpoints.
    pub fn count(&self) -> usize {
        self.addresses.len()
    }

    /// Returns the endpoint of the next request, round-robin.
    pub fn next(&self) -> SocketAddr {
        if self.addresses.len() == 1 {
            return self.first;
        }
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        self.at(count % self.addresses.len().max(1) as u64)
    }

    /// Returns the endpoint to try after `tried` has failed. `None` if there is no other.
    pub fn after(&self, tried: SocketAddr) -> Option<SocketAddr> {
        let place = self.addresses.iter().position(|it| *it == tried);
        let after = place.map_or(0, |it| it + 1) % self.addresses.len().max(1);
        Some(self.at(after as u64)).filter(|it| *it != tried)
    }

    /// Returns the number of distributed requests. It stays 0 if there is only one endpoint.
    pub fn served(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn at(&self, place: u64) -> SocketAddr {
        let place = usize::try_from(place).unwrap_or(0);
        self.addresses.get(place).copied().unwrap_or(self.first)
    }
}

/// The addresses, separated by commas, with the protocol as a prefix unless it is HTTP/1.1.
impl fmt::Display for EndpointSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, &self.tls) {
            (HttpVersion::Http1, _) => {}
            (HttpVersion::Http2, None) => f.write_str("h2c:")?,
            (HttpVersion::Http2, Some(_)) => f.write_str("h2:")?,
        }
        if let Some(tls) = &self.tls {
            write!(f, "({}) ", tls.anonymous.handshake)?;
        }
        write!(f, "{}", self.first)?;
        let rest = self.addresses.iter().skip(1);
        rest.into_iter()
            .try_for_each(|address| write!(f, ",{address}"))
    }
}

#[cfg(test)]
mod tests;
