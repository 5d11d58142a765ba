//! Changes of requests on their way: headers, filters, mirrors.

mod filters;
mod forwarding;
mod grpc;
mod mirrors;
mod request_headers;
mod security;
