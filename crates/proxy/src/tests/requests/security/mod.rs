//! The filters of a SecurityPolicy.

mod api_key;
mod authorization;
mod basic_auth;
mod cors;
mod jwt;
mod reasons;

use crate::tests::support::{Gateway, Upstream, port_with, to};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatefold_dataplane::Action;
use gatefold_dataplane::filter::request_redirect::RequestRedirect;
use gatefold_dataplane::filter::security::SecurityFilters;
use gatefold_dataplane::filter::security::api_key::{ApiKeyFilter, KeySource, Sanitize};
use gatefold_dataplane::filter::security::authorization::{
    AccessAction, AccessRule, AuthorizationFilter,
};
use gatefold_dataplane::filter::security::basic_auth::BasicAuthFilter;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_dataplane::filter::{Filter, Filters};
use http::{HeaderName, StatusCode};
use std::sync::Arc;

/// Starts a proxy with a policy and other filters in front of a backend.
async fn gateway(policy: SecurityFilters, filters: Vec<Filter>) -> (Gateway, Upstream) {
    let upstream = Upstream::plain().await;
    let action = to(&[upstream.address]);
    let gateway = Gateway::start(port_with(action, protected(policy, filters))).await;
    (gateway, upstream)
}

/// Starts a proxy that redirects every request to `http://b.example`.
async fn redirecting(policy: SecurityFilters) -> Gateway {
    let redirect = RequestRedirect {
        status: StatusCode::FOUND,
        scheme: None,
        hostname: Some("b.example".into()),
        port: None,
        path: None,
    };
    let filters = vec![Filter::RequestRedirect(Box::new(redirect))];
    let filters = protected(policy, filters);
    Gateway::start(port_with(Action::AnsweredByFilters, filters)).await
}

fn protected(policy: SecurityFilters, mut filters: Vec<Filter>) -> Filters {
    policy.add_to(&mut filters);
    Filters::new(filters)
}

fn forward(name: &'static str) -> Option<ForwardHeader> {
    let header = ForwardHeader::new(HeaderName::from_static(name));
    Some(header.expect("a header for backends"))
}

/// Admits `user1` with the password `test1`, whose name is forwarded as `x-user`.
fn basic_auth() -> SecurityFilters {
    let users = b"user1:{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw=";
    let filter = BasicAuthFilter::parse(users, forward("x-user")).expect("users");
    SecurityFilters {
        basic_auth: Some(Arc::new(filter)),
        ..SecurityFilters::default()
    }
}

/// Returns the `Authorization` of `user1`.
fn credentials() -> String {
    format!(
        "Authorization: Basic {}\r\n",
        STANDARD.encode("user1:test1")
    )
}

/// Admits the client `c1` with the key `k1` and `c2` with `k2`. The identifier is forwarded as `x-client`.
fn api_key(sanitize: Sanitize) -> SecurityFilters {
    let sources = vec![
        KeySource::Header(HeaderName::from_static("x-key")),
        KeySource::Parameter("key".into()),
        KeySource::Cookie("key".into()),
    ];
    let clients: [(&str, &[u8]); 2] = [("c1", b"k1"), ("c2", b"k2")];
    let filter = ApiKeyFilter::new(clients, sources, forward("x-client"), sanitize);
    SecurityFilters {
        api_key: Some(Arc::new(filter.expect("keys"))),
        ..SecurityFilters::default()
    }
}

fn authorization(default: AccessAction, rules: Vec<AccessRule>) -> SecurityFilters {
    SecurityFilters {
        authorization: Some(Arc::new(AuthorizationFilter { rules, default })),
        ..SecurityFilters::default()
    }
}

/// A request for a path, with these lines in its header.
fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}
