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
/// one atomic addition and no lock.
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

    /// How many requests were dealt out.
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
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        self.at(count % self.addresses.len().max(1) as u64)
    }

    /// The one to try after this one couldn't be reached; nothing when there is no other.
    pub fn after(&self, tried: SocketAddr) -> Option<SocketAddr> {
        let place = self.addresses.iter().position(|it| *it == tried);
        let after = place.map_or(0, |it| it + 1) % self.addresses.len().max(1);
        Some(self.at(after as u64)).filter(|it| *it != tried)
    }

    /// How many requests were dealt out.
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn split(weights: &[u32]) -> Option<Split> {
        let backend = |(at, weight): (usize, &u32)| {
            let name = at.to_string().into();
            let target = Target::NoEndpoints;
            let filters = Filters::default();
            (
                *weight,
                Backend {
                    name,
                    filters,
                    target,
                },
            )
        };
        Split::new(weights.iter().enumerate().map(backend).collect(), 0)
    }

    fn picks(split: &Split, requests: usize) -> Vec<usize> {
        let pick = |_| split.pick().name.parse().unwrap();
        (0..requests).map(pick).collect()
    }

    fn count(picks: &[usize], backend: usize) -> usize {
        picks.iter().filter(|it| **it == backend).count()
    }

    #[test]
    fn weights_8_and_2_give_16_and_4_of_20_requests_wherever_one_begins() {
        let split = split(&[8, 2]).unwrap();
        let picks = picks(&split, 100);
        for window in picks.windows(20) {
            assert_eq!((count(window, 0), count(window, 1)), (16, 4));
        }
        for window in picks.windows(5) {
            assert_eq!(count(window, 1), 1, "every fifth");
        }
    }

    #[test]
    fn weight_0_gets_nothing_and_nothing_but_zeros_is_no_split() {
        assert_eq!(count(&picks(&split(&[0, 3, 0, 1, 0]).unwrap(), 40), 1), 30);
        assert_eq!(count(&picks(&split(&[0, 3, 0, 1, 0]).unwrap(), 40), 3), 10);
        assert!(split(&[0, 0]).is_none());
        assert!(split(&[]).is_none());
    }

    #[test]
    fn a_replaced_split_is_carried_on() {
        let whole = split(&[5, 3, 1]).unwrap();
        let first = split(&[5, 3, 1]).unwrap();
        let mut picked = picks(&first, 4);
        let second = split(&[5, 3, 1]).unwrap();
        second.next.store(first.served(), Ordering::Relaxed);
        picked.extend(picks(&second, 5));
        assert_eq!(picked, picks(&whole, 9));
    }

    #[test]
    fn threads_share_a_split_without_losing_a_position() {
        let split = split(&[8, 2]).unwrap();
        let parts: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let part = || scope.spawn(|| picks(&split, 2_500));
            let threads: Vec<_> = (0..4).map(|_| part()).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(count(&parts.concat(), 0), 8_000);
        assert_eq!(count(&parts.concat(), 1), 2_000);
    }

    /// Any 1,000 requests in a row stay within 1 percentage point of the weights.
    fn smooth(weights: &[u32]) -> Result<(), TestCaseError> {
        let Some(split) = split(weights) else {
            return Ok(());
        };
        let sum: f64 = weights.iter().copied().map(f64::from).sum();
        let picks = picks(&split, 3_000);
        for (backend, weight) in weights.iter().enumerate() {
            let expected = f64::from(*weight) / sum * 1_000.0;
            let mut got = count(picks.get(..1_000).unwrap(), backend);
            for (left, entered) in picks.iter().zip(picks.iter().skip(1_000)) {
                prop_assert!(
                    (got as f64 - expected).abs() <= 10.0,
                    "{got} of 1,000 instead of {expected}: weights {weights:?}"
                );
                got = got + usize::from(*entered == backend) - usize::from(*left == backend);
            }
        }
        Ok(())
    }

    #[test]
    fn all_small_pairs_of_weights_are_smooth() {
        for a in 1..60 {
            for b in 1..60 {
                smooth(&[a, b]).unwrap();
            }
        }
    }

    proptest! {
        #[test]
        fn any_thousand_requests_stay_within_a_percentage_point(
            weights in prop::collection::vec(
                prop_oneof![0..20u32, 0..2_000u32, 0..=1_000_000u32], 1..=16,
            )
        ) {
            smooth(&weights)?;
        }

        #[test]
        fn as_many_requests_as_the_weights_add_up_to_are_dealt_out_exactly(
            weights in prop::collection::vec(0..50u32, 1..=16), skipped in 0..1_000usize,
        ) {
            let Some(split) = split(&weights) else { return Ok(()) };
            picks(&split, skipped);
            let picks = picks(&split, weights.iter().sum::<u32>() as usize);
            for (backend, weight) in weights.iter().enumerate() {
                prop_assert_eq!(count(&picks, backend), *weight as usize);
            }
        }
    }

    fn endpoints(ports: &[u16]) -> Option<Endpoints> {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        let addresses: Vec<SocketAddr> = ports.iter().map(address).collect();
        Endpoints::new(HttpVersion::Http1, &addresses, 0)
    }

    #[test]
    fn endpoints_take_turns() {
        let three = endpoints(&[1, 2, 3]).unwrap();
        let mut turns: BTreeMap<u16, usize> = BTreeMap::new();
        for _ in 0..30 {
            *turns.entry(three.next().port()).or_default() += 1;
        }
        assert_eq!(turns.into_values().collect::<Vec<_>>(), [10, 10, 10]);
        assert!(endpoints(&[]).is_none());
    }

    #[test]
    fn after_an_endpoint_comes_another_one_if_there_is_any() {
        let three = endpoints(&[1, 2, 3]).unwrap();
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(three.after(address(1)), Some(address(2)));
        assert_eq!(three.after(address(3)), Some(address(1)));
        assert_eq!(three.after(address(9)), Some(address(1)), "gone since");
        assert_eq!(endpoints(&[1]).unwrap().after(address(1)), None);
    }
}
