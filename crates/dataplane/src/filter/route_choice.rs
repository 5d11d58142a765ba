//! Whether a filter that changes a request also changes its route.

/// What the headers that a filter sets mean for routing (API: `recomputeRoute`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteChoice {
    /// The route was chosen before they were set.
    Keep,
    /// The route is chosen again with them.
    Recompute,
}
