use super::backend_tls::BackendTlsByIdentity;
use super::filter::Filters;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The backends of a rule, by weight.
///
/// Requests are dealt out in a fixed order that is as even as can be: out of any run of as many requests as the
/// weights add up to (after dividing by what they have in common), each backend gets exactly its weight, and
/// shorter runs stay close. With weights 8 and 2, every fifth request goes to the second. Picking takes
/// one atomic addition and no lock; a backend without others not even that.
#[derive(Debug)]
pub struct Split {
    /// All but the last one, each with the positions below which they are its own or one before's.
    shares: Box<[(u64, Backend)]>,
    last: Backend,
    /// Weights as in the manifest, for people.
    weights: Box<[u32]>,
    /// How many positions there are: the sum of the weights, reduced.
    positions: u64,
    /// From one request's position to the next one's; coprime to `positions`, so that all are visited.
    stride: u64,
    next: AtomicU64,
}

impl Split {
    /// From backends and their weights, which are at most 1,000,000 each. `served` is how many requests have
    /// been dealt out before, by the split that this one replaces. Nothing when no backend has a weight: then
    /// there is none to pick.
    pub fn new(backends: Vec<(u32, Backend)>, served: u64) -> Option<Split> {
        let mut backends = backends;
        backends.retain(|(weight, _)| *weight > 0);
        let weights: Box<[u32]> = backends.iter().map(|(weight, _)| *weight).collect();
        let common = weights.iter().copied().map(u64::from).fold(0, gcd);
        let mut positions = 0;
        let mut shares = Vec::with_capacity(backends.len());
        for (weight, backend) in backends {
            positions += u64::from(weight) / common;
            shares.push((positions, backend));
        }
        let (_, last) = shares.pop()?;
        Some(Split {
            shares: shares.into(),
            last,
            weights,
            positions,
            stride: stride(positions),
            next: AtomicU64::new(served),
        })
    }

    /// The next request's backend.
    pub fn pick(&self) -> &Backend {
        let place = self.pick_place();
        self.get(place).unwrap_or(&self.last)
    }

    /// The place of the next request's backend among those that have a weight.
    pub fn pick_place(&self) -> usize {
        // Threads that count in one place wait for each other.
        if self.shares.is_empty() {
            return 0;
        }
        // Both factors are below 16 times 1,000,000: the product fits.
        let count = self.next.fetch_add(1, Ordering::Relaxed) % self.positions;
        let position = count * self.stride % self.positions;
        self.shares.partition_point(|(end, _)| *end <= position)
    }

    /// The backend at a place.
    pub fn get(&self, place: usize) -> Option<&Backend> {
        match self.shares.get(place) {
            Some((_, backend)) => Some(backend),
            None => (place == self.shares.len()).then_some(&self.last),
        }
    }

    /// How many requests were dealt out, as far as that decides where the next one goes: a backend without others
    /// isn't counted for.
    pub fn served(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// All backends that have a weight, with their weights, in the order of the manifest.
    pub fn backends(&self) -> impl Iterator<Item = (u32, &Backend)> {
        let all = self.shares.iter().map(|(_, backend)| backend);
        let all = all.chain(std::iter::once(&self.last));
        self.weights.iter().copied().zip(all)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A step around a ring of `positions` that visits all of them and leaves, at any time, no gap much wider than
/// another. That is what a golden section of the ring does, because it is badly approximable: its continued
/// fraction has only ones. Near it we take the coprime step whose continued fraction has the smallest terms.
fn stride(positions: u64) -> u64 {
    // Nearest first; a few tries do, since most numbers have a coprime neighbour of small terms.
    const TRIES: usize = 64;
    let golden = (positions as f64 * 0.618_033_988_749_894_9).round() as u64;
    (0..positions)
        .flat_map(|distance| [golden.saturating_sub(distance), golden + distance])
        .filter(|step| (1..=positions).contains(step) && gcd(positions, *step) == 1)
        .take(TRIES)
        .min_by_key(|step| largest_term(positions, *step))
        .unwrap_or(1)
}

/// The largest term of the continued fraction of `a / b`.
fn largest_term(a: u64, b: u64) -> u64 {
    a.checked_div(b)
        .map_or(0, |term| term.max(largest_term(b, a % b)))
}

/// One backend of a rule.
#[derive(Debug)]
pub struct Backend {
    /// `namespace/service:port`, for logs.
    pub name: Arc<str>,
    /// Changes for requests that go to this backend only.
    pub filters: Filters,
    /// Where it is.
    pub target: Target,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name, self.target, self.filters)
    }
}

/// Where a backend is.
#[derive(Clone, Debug)]
pub enum Target {
    /// At one of these; never empty.
    Endpoints(Arc<Endpoints>),
    /// Nowhere for now: 503.
    NoEndpoints,
    /// The reference is invalid: 500.
    Invalid,
}

impl Target {
    /// The endpoints, if it has some.
    pub fn endpoints(&self) -> Option<&Endpoints> {
        match self {
            Target::Endpoints(endpoints) => Some(endpoints),
            Target::NoEndpoints | Target::Invalid => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Endpoints(endpoints) => write!(f, "{endpoints}"),
            Target::NoEndpoints => f.write_str("503"),
            Target::Invalid => f.write_str("500"),
        }
    }
}

/// The version of HTTP in which an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1; its connections can be upgraded.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
}

/// The endpoints of a Service's port; shared by all rules that use it.
#[derive(Debug)]
pub struct Endpoints {
    /// What all of them speak.
    pub version: HttpVersion,
    /// How TLS is spoken to them; plain text when absent.
    tls: Option<BackendTlsByIdentity>,
    first: SocketAddr,
    /// The first one among them.
    addresses: Box<[SocketAddr]>,
    next: AtomicU64,
}

impl Endpoints {
    /// From addresses, each once. `served` is how many requests have been dealt out before. Nothing when
    /// there are no addresses.
    pub fn new(version: HttpVersion, addresses: &[SocketAddr], served: u64) -> Option<Endpoints> {
        Some(Endpoints {
            version,
            tls: None,
            first: *addresses.first()?,
            addresses: addresses.into(),
            next: AtomicU64::new(served),
        })
    }

    /// The same, to be connected to in TLS.
    pub fn in_tls(self, tls: BackendTlsByIdentity) -> Endpoints {
        Endpoints {
            tls: Some(tls),
            ..self
        }
    }

    /// How TLS is spoken to them; plain text when absent.
    pub fn tls(&self) -> Option<&BackendTlsByIdentity> {
        self.tls.as_ref()
    }

    /// The next one, in turn.
    pub fn next(&self) -> SocketAddr {
        if self.addresses.len() == 1 {
            return self.first;
        }
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        self.at(count % self.addresses.len().max(1) as u64)
    }

    /// The one to try after this one couldn't be reached; nothing when there is no other.
    pub fn after(&self, tried: SocketAddr) -> Option<SocketAddr> {
        let place = self.addresses.iter().position(|it| *it == tried);
        let after = place.map_or(0, |it| it + 1) % self.addresses.len().max(1);
        Some(self.at(after as u64)).filter(|it| *it != tried)
    }

    /// How many requests were dealt out, if there is more than one to deal them out to.
    pub fn served(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn at(&self, place: u64) -> SocketAddr {
        let place = usize::try_from(place).unwrap_or(0);
        self.addresses.get(place).copied().unwrap_or(self.first)
    }
}

/// The addresses, with commas between them; before them the protocol, where it isn't HTTP/1.1.
impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, &self.tls) {
            (HttpVersion::Http1, _) => {}
            (HttpVersion::Http2, None) => f.write_str("h2c:")?,
            (HttpVersion::Http2, Some(_)) => f.write_str("h2:")?,
        }
        if let Some(tls) = &self.tls {
            write!(f, "({}) ", tls.anonymous)?;
        }
        write!(f, "{}", self.first)?;
        let rest = self.addresses.iter().skip(1);
        rest.into_iter()
            .try_for_each(|address| write!(f, ",{address}"))
    }
}

#[cfg(test)]
mod tests;
