use super::condition::Condition;
use crate::manifest::api::{Gateway, Hostname, SectionName};
use rustls::sign::CertifiedKey;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A Gateway.
#[derive(Debug)]
pub struct GatewayNode {
    /// The object.
    pub resource: Arc<Gateway>,
    /// Its class's controller name; the built-in one when the class isn't in the folder.
    pub controller_name: String,
    /// Where it listens.
    pub addresses: Vec<GatewayAddress>,
    /// Its listeners, in the order of the manifest.
    pub listeners: Vec<ListenerNode>,
    /// Its conditions, as far as they don't depend on what happens when sockets are bound.
    pub conditions: Vec<Condition>,
}

/// An address of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAddress {
    /// What the socket is bound to; unspecified for every interface.
    pub bind: IpAddr,
    /// What the status shows: addresses that a client can use.
    pub shown: Vec<IpAddr>,
}

/// A listener of a Gateway.
#[derive(Debug)]
pub struct ListenerNode {
    /// Its name.
    pub name: SectionName,
    /// Its place in `spec.listeners`.
    pub index: usize,
    /// The hostname it serves.
    pub hostname: Option<Hostname>,
    /// The port in the manifest.
    pub port: u16,
    /// What it speaks; nothing when the protocol isn't supported.
    pub protocol: Option<Protocol>,
    /// The sockets it needs: every address of the Gateway, with `--port-map` applied. Empty for a listener
    /// that isn't served.
    pub sockets: Vec<SocketAddr>,
    /// The certificates that are good, in the order of the manifest.
    pub certificates: Vec<Arc<CertifiedKey>>,
    /// The kinds of routes that may attach, as `(group, kind)`.
    pub supported_kinds: Vec<(String, String)>,
    /// How many routes are attached.
    pub attached_routes: u32,
    /// Whether routes can attach and it is served.
    pub serving: bool,
    /// Its conditions, as far as they don't depend on what happens when sockets are bound.
    pub conditions: Vec<Condition>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP in TLS that ends here.
    Https,
}
