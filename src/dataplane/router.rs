use super::Rule;
use super::hostname::HostMap;
use super::matcher::{Matcher, PathMatch};
use super::path::PathTable;
use super::rank::MatchRank;
use super::request::RequestView;
use std::fmt;
use std::sync::Arc;

/// The routes of a listener.
///
/// A lookup costs a hash or two for the hostname, one for the exact path, one for each segment that the prefix
/// tree knows, and the conditions of the entries found: nothing grows with the number of routes. It allocates
/// only when a regular expression takes the path, or must read a value that is encoded or repeated.
#[derive(Debug, Default)]
pub struct Router {
    hosts: HostMap<PathTable>,
    /// In order of precedence.
    candidates: Box<[Candidate]>,
    /// What each candidate was made of, for people; not read by requests.
    origins: Box<[Origin]>,
}

/// One match of one rule, as `compile` gives it to the router.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The hostname pattern, in lower case; any when absent.
    pub hostname: Option<Arc<str>>,
    /// The path.
    pub path: PathMatch,
    /// Everything else.
    pub matcher: Arc<Matcher>,
    /// What decides between entries that are alike in all of the above: the route's age, namespace and
    /// name as one rising number, then the rule's index, then the match's.
    pub order: (u32, u32, u32),
    /// The rule.
    pub rule: Arc<Rule>,
}

/// What is left to compare when host and path fit, and what a request gets.
#[derive(Debug)]
struct Candidate {
    /// Nothing when it takes every request.
    matcher: Option<Arc<Matcher>>,
    rule: Arc<Rule>,
}

#[derive(Debug)]
struct Origin {
    hostname: Option<Arc<str>>,
    path: PathMatch,
}

impl Router {
    /// Compiles the entries, which may come in any order.
    pub fn new(entries: Vec<Entry>) -> Router {
        let entries = sorted(entries);
        let mut hosts = HostMap::default();
        let mut first = 0;
        for alike in entries.chunk_by(|left, right| left.hostname == right.hostname) {
            let paths = alike.iter().map(|entry| &entry.path);
            let hostname = alike.first().and_then(|entry| entry.hostname.as_deref());
            hosts.insert(hostname, PathTable::build((first..).zip(paths)));
            first += alike.len() as u32;
        }
        let split = |entry: Entry| {
            let candidate = Candidate {
                matcher: (!entry.matcher.is_empty()).then_some(entry.matcher),
                rule: entry.rule,
            };
            let origin = Origin {
                hostname: entry.hostname,
                path: entry.path,
            };
            (candidate, origin)
        };
        let (candidates, origins): (Vec<_>, Vec<_>) = entries.into_iter().map(split).unzip();
        Router {
            hosts,
            candidates: candidates.into(),
            origins: origins.into(),
        }
    }

    /// The rule that takes a request. A less specific hostname's rules are asked when none of the more
    /// specific one's matches.
    pub fn route(&self, request: &RequestView<'_>) -> Option<&Arc<Rule>> {
        self.hosts.candidates(request.host).find_map(|paths| {
            paths.find(request.path, |range| {
                let found = self
                    .candidates
                    .get(range)?
                    .iter()
                    .find(|it| it.takes(request));
                found.map(|it| &it.rule)
            })
        })
    }

    /// The rules, in order of precedence; one with several matches or hostnames comes several times.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.candidates.iter().map(|it| &it.rule)
    }
}

/// The entries in order of precedence. Each is ranked once: sorting compares each of them many times.
fn sorted(entries: Vec<Entry>) -> Vec<Entry> {
    let ranks = entries.iter().map(MatchRank::of);
    let mut ranks: Vec<(MatchRank<'_>, usize)> = ranks.zip(0..).collect();
    ranks.sort_unstable();
    let order: Vec<usize> = ranks.into_iter().map(|(_, index)| index).collect();
    let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    let take = |index: usize| entries.get_mut(index)?.take();
    order.into_iter().filter_map(take).collect()
}

impl Candidate {
    fn takes(&self, request: &RequestView<'_>) -> bool {
        self.matcher.as_ref().is_none_or(|it| it.takes(request))
    }
}

/// One line an entry, in order of precedence within each hostname, the hostnames from specific to any.
impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (origin, candidate) in self.origins.iter().zip(&self.candidates) {
            let host = origin.hostname.as_deref().unwrap_or("*");
            write!(f, "{host} {}", origin.path)?;
            if let Some(matcher) = &candidate.matcher {
                write!(f, "{matcher}")?;
            }
            let Rule { route, index, .. } = &*candidate.rule;
            writeln!(f, " -> {route} rule {index}")?;
        }
        Ok(())
    }
}
