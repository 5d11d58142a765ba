//! The reasons of denials in metrics.

use super::{api_key, authorization, basic_auth, protected, request};
use crate::tests::support::{Gateway, Upstream, port_with, soon, to};
use crate::{Counters, Timeouts};
use gatefold_dataplane::filter::security::SecurityFilters;
use gatefold_dataplane::filter::security::api_key::Sanitize;
use gatefold_dataplane::filter::security::authorization::AccessAction;
use prometheus_client::registry::Registry;

/// Returns the number of answers with a reason.
fn answers(registry: &Registry, reason: &str) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
    let series = format!("gatefold_answers_total{{reason=\"{reason}\"}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&series));
    count.map_or(0, |count| count.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_denial_is_counted_by_its_reason() {
    let upstream = Upstream::plain().await;
    let authorization = || authorization(AccessAction::Deny, vec![]);
    let keys = || api_key(Sanitize::Keep);
    let cases: [(SecurityFilters, &str, &str); 7] = [
        (keys(), "", "api_key_missing"),
        (keys(), "X-Key: bad\r\n", "api_key_unknown"),
        (basic_auth(), "", "basic_auth_missing"),
        (
            basic_auth(),
            "Authorization: Bearer x\r\n",
            "basic_auth_other_scheme",
        ),
        (
            basic_auth(),
            "Authorization: Basic x\r\n",
            "basic_auth_malformed",
        ),
        (
            basic_auth(),
            "Authorization: Basic dTpw\r\n",
            "basic_auth_mismatch",
        ),
        (authorization(), "", "authorization_denied"),
    ];
    for (policy, fields, reason) in cases {
        let mut registry = Registry::default();
        let counters = Counters::register(&mut registry);
        let port = port_with(to(&[upstream.address]), protected(policy, vec![]));
        let gateway = Gateway::counting(port, Timeouts::default(), counters).await;
        gateway.ask(&request("/", fields)).await;
        // The client may have the answer before it is counted.
        soon(async {
            while answers(&registry, reason) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(answers(&registry, reason), 1, "{reason}");
    }
    assert_eq!(upstream.requests(), 0);
}
