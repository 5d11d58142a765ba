//! The histograms of durations.

use crate::support::backend::TestBackend;
use crate::support::daemon::{Daemon, sample};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};

const HOST: &str = "www.example.com";
const ROUTE: &str =
    r#"gatefold_route_request_duration_seconds_count{kind="HTTPRoute",route="default/one"}"#;
const BACKEND: &str =
    r#"gatefold_backend_response_duration_seconds_count{backend="default/one:3000"}"#;

/// The number of durations in a series. `None` if there is no such series.
fn count(daemon: &Daemon, series: &str) -> Option<f64> {
    let metrics = daemon.admin("/metrics").text();
    metrics.contains(series).then(|| sample(&metrics, series))
}

#[test]
fn routes_and_backends_have_histograms_until_they_are_removed() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
        (
            "slice.yaml",
            endpoint_slice("one", TestBackend::start("one").address()),
        ),
        ("other.yaml", route("other", "other.example.com")),
    ]);
    let daemon = Daemon::of(&folder).start();
    assert_eq!(count(&daemon, ROUTE), Some(0.0));
    for _ in 0..3 {
        assert_eq!(daemon.get(HOST, "/").status, 200);
    }
    eventually("each request is counted", || {
        (count(&daemon, ROUTE) == Some(3.0)).then_some(())
    });
    assert_eq!(count(&daemon, BACKEND), Some(3.0));
    // An edit of the route keeps its histogram.
    folder.write("route.yaml", route("one", "new.example.com"));
    daemon.wait_for_status("new.example.com", "/", 200);
    eventually("the new requests are counted, too", || {
        (count(&daemon, ROUTE) > Some(3.0)).then_some(())
    });
    folder.remove("route.yaml");
    daemon.wait_for_status("new.example.com", "/", 404);
    eventually("the series of the route are gone", || {
        (count(&daemon, ROUTE).is_none() && count(&daemon, BACKEND).is_none()).then_some(())
    });
    let other = ROUTE.replace("one", "other");
    assert_eq!(count(&daemon, &other), Some(0.0), "the other route stays");
}
