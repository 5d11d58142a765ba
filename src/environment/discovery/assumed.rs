//! What a daemon would find outside the folder, for `gatefold check`: no socket is opened, and no name is resolved.

use super::{Found, ServicePort, Sources};
use gatefold_graph::Graph;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

impl Sources {
    /// Returns what is known before a graph wants anything.
    pub(crate) fn assumed_initially(&mut self) -> Found {
        self.assumed(&Graph::default())
    }

    /// Returns what a daemon would find for a graph. A `--backend` given by name has no address, and an echo backend has any.
    pub(crate) fn assumed(&mut self, graph: &Graph) -> Found {
        let mut endpoints = self.given(graph);
        let mut echo = BTreeSet::new();
        if self.echo {
            for (key, wanted) in &graph.wanted {
                if wanted.external_name.is_none() && !endpoints.contains_key(key) {
                    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, key.1));
                    endpoints.insert(key.clone(), vec![address]);
                    echo.insert(key.clone());
                }
            }
        }
        let services = self.services();
        let certificates = self.certificates.as_mut().map(|source| {
            let pairs = source.issue(graph);
            source.stand_ins(pairs)
        });
        Found::new(endpoints, services, echo, certificates)
    }

    /// The endpoints that `--backend` gives.
    fn given(&self, graph: &Graph) -> BTreeMap<ServicePort, Vec<SocketAddr>> {
        let mut given = BTreeMap::new();
        for backend in &self.fixed {
            let address = backend.host.parse().ok();
            let address = address.map(|ip: IpAddr| SocketAddr::new(ip, backend.port));
            let wanted = graph.wanted.keys().filter(|key| backend.serves(key));
            for key in wanted.cloned().chain(backend.named_port()) {
                given
                    .entry(key)
                    .or_insert_with(|| address.into_iter().collect());
            }
        }
        given
    }
}
