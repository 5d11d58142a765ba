//! The servers that an `ExternalAuth` filter asks.
//!
//! In: servers with weights. Out: for each question, the order in which they are tried.

use crate::backend::{BackendTarget, EndpointSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An authorization server.
#[derive(Debug)]
pub struct AuthServer {
    /// `namespace/service:port`, for logs.
    pub name: Arc<str>,
    /// Its share of the questions, relative to the sum of all weights; at most 1,000,000. A server without a share isn't asked.
    pub weight: u32,
    /// Whether it is only asked if no other server can be reached.
    pub fallback: bool,
    /// Its endpoints.
    pub target: BackendTarget,
}

/// The servers of a filter. One that can allow a request suffices.
#[derive(Debug)]
pub struct AuthServers {
    /// The servers with a share, in the order of the manifest, but fallbacks last.
    servers: Box<[AuthServer]>,
    /// The number of servers that aren't fallbacks, or of all if all are.
    first: usize,
    /// The number of questions. It stays 0 if only one server is tried first.
    asked: AtomicU64,
}

impl AuthServers {
    /// Creates the servers of a filter.
    pub fn new(servers: Vec<AuthServer>) -> Self {
        let mut servers = servers;
        servers.retain(|server| server.weight > 0);
        servers.sort_by_key(|server| server.fallback);
        let first = servers.iter().filter(|server| !server.fallback).count();
        AuthServers {
            first: if first == 0 { servers.len() } else { first },
            servers: servers.into(),
            asked: AtomicU64::new(0),
        }
    }

    /// Returns the servers that have endpoints, in the order in which the next question tries them. The first one takes turns by
    /// weight.
    pub fn in_order(&self) -> impl Iterator<Item = (&AuthServer, &EndpointSet)> {
        let begin = self.pick();
        let (first, fallbacks) = self.servers.split_at(self.first);
        let (before, after) = first.split_at(begin);
        let all = after.iter().chain(before).chain(fallbacks);
        all.filter_map(|server| Some((server, server.target.endpoints()?)))
    }

    /// Returns the name of the first server, which stands for all of them in logs. `None` if there is no server.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.servers.first().map(|server| &server.name)
    }

    /// Returns the index of the server that the next question tries first.
    fn pick(&self) -> usize {
        let (first, _) = self.servers.split_at(self.first);
        if first.len() < 2 {
            return 0;
        }
        let weights = || first.iter().map(|server| u64::from(server.weight));
        let count = self.asked.fetch_add(1, Ordering::Relaxed);
        let mut position = count.checked_rem(weights().sum()).unwrap_or(0);
        let found = weights().position(|weight| {
            let is_here = position < weight;
            position = position.saturating_sub(weight);
            is_here
        });
        found.unwrap_or(0)
    }
}

impl fmt::Display for AuthServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.servers.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{} {}", server.name, server.target)?;
            if server.weight != 1 {
                write!(f, " x{}", server.weight)?;
            }
            if server.fallback {
                f.write_str(" as fallback")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::HttpVersion;

    fn server(name: &str, weight: u32, fallback: bool) -> AuthServer {
        let endpoint = ([127, 0, 0, 1], 1).into();
        let endpoints = EndpointSet::new(HttpVersion::Http1, &[endpoint], 0);
        AuthServer {
            name: name.into(),
            weight,
            fallback,
            target: match endpoints {
                Some(endpoints) => BackendTarget::Endpoints(Arc::new(endpoints)),
                None => BackendTarget::NoEndpoints,
            },
        }
    }

    fn order(servers: &AuthServers) -> String {
        servers
            .in_order()
            .map(|(server, _)| &*server.name)
            .collect()
    }

    #[test]
    fn servers_take_turns_by_weight_and_fallbacks_come_last() {
        let servers = AuthServers::new(vec![
            server("f", 1, true),
            server("a", 2, false),
            server("0", 0, false),
            server("b", 1, false),
        ]);
        let orders: Vec<String> = (0..4).map(|_| order(&servers)).collect();
        assert_eq!(orders, ["abf", "abf", "baf", "abf"]);
    }

    #[test]
    fn fallbacks_without_other_servers_take_turns() {
        let servers = AuthServers::new(vec![server("a", 1, true), server("b", 1, true)]);
        let orders: Vec<String> = (0..3).map(|_| order(&servers)).collect();
        assert_eq!(orders, ["ab", "ba", "ab"]);
        assert_eq!(order(&AuthServers::new(Vec::new())), "");
    }

    #[test]
    fn servers_without_endpoints_are_skipped() {
        let empty = AuthServer {
            target: BackendTarget::NoEndpoints,
            ..server("a", 1, false)
        };
        let servers = AuthServers::new(vec![empty, server("b", 1, true)]);
        assert_eq!(order(&servers), "b");
    }
}
