use super::filter::Filters;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// The backends of a rule, by weight.
#[derive(Debug)]
pub struct Split {
    /// Only those of a weight above 0.
    backends: Vec<Backend>,
    /// For each backend the sum of the weights up to and with it.
    sums: Vec<u64>,
    next: AtomicU64,
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

/// Where a backend is.
#[derive(Debug)]
pub enum Target {
    /// At one of these; never empty.
    Endpoints(Arc<Endpoints>),
    /// Nowhere for now: 503.
    NoEndpoints,
    /// The reference is invalid: 500.
    Invalid,
}

/// The endpoints of a Service's port; shared by all rules that use it.
#[derive(Debug)]
pub struct Endpoints {
    addresses: Box<[SocketAddr]>,
    next: AtomicUsize,
}
