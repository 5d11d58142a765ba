//! Requests: routing, filters, forwarding, and backends.

mod backend_protocols;
mod client_traffic;
mod cors;
mod endpoints;
mod forwarding;
mod grpc;
mod malformed_requests;
mod matching;
mod paths;
mod rewriting;
mod weights;
