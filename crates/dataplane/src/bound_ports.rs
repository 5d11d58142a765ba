//! The bound ports of listeners.

use super::Listener;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Maps the ports of listeners to the ports that are bound for them. `--port-map` and sockets from systemd shift ports, and
/// not all to the same port.
#[derive(Debug, Default)]
pub struct BoundPorts(BTreeMap<u16, Vec<Bound>>);

/// A socket of a Gateway.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    gateway: String,
    socket: SocketAddr,
}

impl BoundPorts {
    /// Adds a socket of a listener.
    pub fn insert(&mut self, listener: &Listener, socket: SocketAddr) {
        let bound = Bound {
            gateway: listener.gateway().to_owned(),
            socket,
        };
        let sockets = self.0.entry(listener.port).or_default();
        if !sockets.contains(&bound) {
            sockets.push(bound);
        }
    }

    /// Returns the port at which a client of `listener`, connected to `socket`, reaches the manifest's `port`: the port that
    /// it is connected to, or else a port of the same Gateway, or else one of the same address.
    pub fn find(&self, port: u16, listener: &Listener, socket: SocketAddr) -> u16 {
        if port == listener.port {
            return socket.port();
        }
        let gateway = listener.gateway();
        let distance = |bound: &&Bound| {
            let ip = bound.socket.ip();
            let is_near = ip == socket.ip() || ip.is_unspecified() || socket.ip().is_unspecified();
            (bound.gateway != gateway, !is_near)
        };
        let sockets = self.0.get(&port).into_iter().flatten();
        let nearest = sockets.min_by_key(distance);
        nearest.map_or(port, |bound| bound.socket.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Routers;

    fn listener(gateway: &str, port: u16) -> Listener {
        Listener {
            name: format!("default/{gateway}/some/set/http"),
            port,
            only_clients_of: None,
            identity: None,
            access_logs: None,
            client_traffic: None,
            routers: Routers::default(),
        }
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().expect("a socket")
    }

    #[test]
    fn gateways_that_shift_the_same_port_differently_keep_their_ports() {
        let mut ports = BoundPorts::default();
        for (gateway, at) in [("one", "127.0.0.1:8080"), ("two", "127.0.0.1:9090")] {
            ports.insert(&listener(gateway, 80), socket(at));
        }
        for (gateway, expected) in [("one", 8080), ("two", 9090)] {
            let asked = listener(gateway, 443);
            let found = ports.find(80, &asked, socket("127.0.0.1:8443"));
            assert_eq!(found, expected, "{gateway}");
        }
        let other = ports.find(80, &listener("three", 443), socket("127.0.0.1:8443"));
        assert_eq!(other, 8080, "falls back to another Gateway");
        assert_eq!(ports.find(81, &listener("one", 443), socket("[::1]:1")), 81);
    }

    #[test]
    fn listener_with_two_sockets_uses_the_address_of_the_client() {
        let mut ports = BoundPorts::default();
        let http = listener("one", 80);
        for at in ["127.0.0.1:8080", "127.0.0.2:9090"] {
            ports.insert(&http, socket(at));
        }
        for (at, expected) in [("127.0.0.1:8080", 8080), ("127.0.0.2:9090", 9090)] {
            assert_eq!(ports.find(80, &http, socket(at)), expected);
            let https = listener("one", 443);
            let found = ports.find(80, &https, SocketAddr::new(socket(at).ip(), 8443));
            assert_eq!(found, expected, "chosen by the address");
        }
    }
}
