//! Requests over TLS for another host than that of the connection.

use crate::tests::clients::tls::{certificates, certified, client_config, handshake};
use crate::tests::support::{Gateway, Upstream, listener, port, to};
use gatefold_dataplane::Port;
use gatefold_dataplane::filter::Filters;
use gatefold_dataplane::hostname::HostMap;
use rcgen::PKCS_ECDSA_P256_SHA256;
use std::net::SocketAddr;

/// Returns a port with a listener per hostname, all with one certificate, so a client may use a connection for all of them.
fn port_of(hostnames: &[Option<&str>], upstream: SocketAddr) -> Port {
    let key = certified(&["*.example.org"], &PKCS_ECDSA_P256_SHA256);
    let keys: Vec<_> = hostnames.iter().map(|hostname| (*hostname, &key)).collect();
    let mut listeners = HostMap::default();
    for hostname in hostnames {
        listeners.insert(*hostname, listener(to(&[upstream]), Filters::default()));
    }
    Port::Https(listeners, certificates(&keys))
}

async fn statuses(gateway: &Gateway, server_name: Option<&str>, hosts: &[&str]) -> Vec<u16> {
    let connected = handshake(gateway, server_name, client_config(None)).await;
    let mut client = connected.expect("a handshake");
    let mut statuses = Vec::new();
    for host in hosts {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.send(request).await;
        statuses.push(client.answer(false).await.status());
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_serves_only_hosts_of_its_listener() {
    let upstream = Upstream::plain().await;
    let hostnames = [
        None,
        Some("second.example.org"),
        Some("*.wild.org"),
        Some("one.wild.org"),
    ];
    let gateway = Gateway::start(port_of(&hostnames, upstream.address)).await;
    let hosts = [
        "first.example.org",
        "SECOND.example.org:443",
        "other.wild.org",
        "one.wild.org",
    ];
    for (server_name, expected) in [
        (Some("first.example.org"), [200, 421, 421, 421]),
        (Some("unknown.example.org"), [200, 421, 421, 421]),
        (Some("second.example.org"), [421, 200, 421, 421]),
        (Some("two.wild.org"), [421, 421, 200, 421]),
        (Some("one.wild.org"), [421, 421, 421, 200]),
        // The listener for any name.
        (None, [200, 421, 421, 421]),
    ] {
        let found = statuses(&gateway, server_name, &hosts).await;
        assert_eq!(found, expected, "{server_name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_without_a_listener_is_404() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port_of(&[Some("a.example.org")], upstream.address)).await;
    let hosts = ["a.example.org", "b.example.org"];
    for server_name in [Some("a.example.org"), None] {
        let found = statuses(&gateway, server_name, &hosts).await;
        assert_eq!(found, [200, 404], "{server_name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_listener_takes_over_its_host_from_connections_of_others() {
    let upstream = Upstream::plain().await;
    let mut gateway = Gateway::start(port_of(&[None], upstream.address)).await;
    let connected = handshake(&gateway, Some("a.example.org"), client_config(None)).await;
    let mut client = connected.expect("a handshake");
    let request = "GET / HTTP/1.1\r\nHost: b.example.org\r\n\r\n";
    client.send(request).await;
    assert_eq!(client.answer(false).await.status(), 200);
    let both = port_of(&[None, Some("b.example.org")], upstream.address);
    gateway.publish([(gateway.address, both)]).await;
    client.send(request).await;
    assert_eq!(client.answer(false).await.status(), 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_connection_is_not_served_once_its_port_has_become_https() {
    let upstream = Upstream::plain().await;
    let mut gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let request = "GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n";
    let mut client = gateway.connect().await;
    client.send(request).await;
    assert_eq!(client.answer(false).await.status(), 200);
    let https = port_of(&[None], upstream.address);
    gateway.publish([(gateway.address, https)]).await;
    client.send(request).await;
    let answer = client.answer(false).await;
    assert_eq!(answer.status(), 421);
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(client.ended().await);
    let found = statuses(&gateway, Some("a.example.org"), &["a.example.org"]).await;
    assert_eq!(found, [200], "a new connection with TLS is refused");
}
