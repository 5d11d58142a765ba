//! Backends that use TLS.

use crate::counters::Mirrored;
use crate::tests::backends::upgrade::UPGRADE;
use crate::tests::support::tls_upstream::{Clients, TestAuthority, TlsUpstream, action, tls};
use crate::tests::support::{Gateway, port, port_of, rule, soon};
use crate::{Counters, Timeouts};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::backend_tls::{BackendTls, SubjectName};
use gatefold_dataplane::filter::request_mirror::{RequestMirror, Share};
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use gatefold_dataplane::{Action, Rule};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

async fn gateway(upstream: &TlsUpstream, tls: Arc<BackendTls>) -> Gateway {
    Gateway::start(port(action(upstream.address, HttpVersion::Http1, tls))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_gets_its_server_name_and_its_connection_is_reused() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "shop.example.com", Clients::Any).await;
    let gateway = gateway(&upstream, tls(&authority, &[], None)).await;
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer(false).await;
        assert_eq!(answer.text(), "safe", "{}", answer.head);
    }
    assert_eq!(upstream.last().0, "shop.example.com");
    assert!(upstream.handshakes() < 20, "no connection was reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_without_a_trusted_certificate_for_the_name_gets_no_request() {
    let authority = TestAuthority::new();
    let elsewhere = TlsUpstream::start(&authority, "other.example.com", Clients::Any).await;
    let trusting = tls(&authority, &[], None);
    let answer = gateway(&elsewhere, trusting.clone()).await.get("/").await;
    assert_eq!(answer.status(), 502, "another name: {}", answer.head);
    let stranger = TestAuthority::new();
    let foreign = TlsUpstream::start(&stranger, "shop.example.com", Clients::Any).await;
    let answer = gateway(&foreign, trusting).await.get("/").await;
    assert_eq!(answer.status(), 502, "another authority: {}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let secure = tls(&TestAuthority::new(), &[], None);
    let action = || action(address, HttpVersion::Http1, secure.clone());
    let timeouts = RuleTimeouts {
        request: TimeLimit::After(Duration::from_secs(20)),
        backend_request: TimeLimit::Unset,
    };
    let limited = Rule {
        timeouts,
        ..rule(action())
    };
    // A rule with time limits has its own connections.
    for port in [port(action()), port_of(limited)] {
        let gateway = Gateway::start(port).await;
        for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", UPGRADE] {
            let mut client = gateway.connect().await;
            client.send(request).await;
            let (mut tcp, _) = soon(listener.accept()).await.expect("a connection");
            let mut begin = [0; 1];
            soon(tcp.read_exact(&mut begin)).await.expect("a byte");
            assert_eq!(begin, [22], "expected a TLS handshake record: {request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_may_have_any_of_the_names_in_the_policy() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "internal.example.com", Clients::Any).await;
    let dns = |name: &'static str| SubjectName::Dns(ServerName::try_from(name).expect("a name"));
    let uri = |text: &str| SubjectName::Uri(text.to_owned());
    for names in [
        vec![dns("internal.example.com")],
        vec![dns("x.example.com"), uri("spiffe://example.com/shop")],
    ] {
        let gateway = gateway(&upstream, tls(&authority, &names, None)).await;
        for _ in 0..3 {
            let answer = gateway.get("/").await;
            assert_eq!(answer.status(), 200, "{names:?}: {}", answer.head);
        }
        assert_eq!(upstream.last().0, "shop.example.com", "the server name");
    }
    let names = [dns("shop.example.com"), uri("spiffe://example.com/other")];
    let gateway = gateway(&upstream, tls(&authority, &names, None)).await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/").await.status(), 502);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_name_does_not_count_if_the_policy_lists_names() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "shop.example.com", Clients::Any).await;
    let names = [SubjectName::DnsBelow("internal".to_owned())];
    let gateway = gateway(&upstream, tls(&authority, &names, None)).await;
    assert_eq!(gateway.get("/").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_is_not_reused_under_another_policy() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "shop.example.com", Clients::Any).await;
    let mut gateway = gateway(&upstream, tls(&authority, &[], None)).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    // The connection is in the pool. The next policy would not have accepted it.
    let stranger = tls(&TestAuthority::new(), &[], None);
    let next = port(action(upstream.address, HttpVersion::Http1, stranger));
    let address = gateway.address;
    gateway.publish([(address, next)]).await;
    assert_eq!(gateway.get("/").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_over_tls() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "shop.example.com", Clients::Any).await;
    let names = [SubjectName::Uri("spiffe://example.com/shop".to_owned())];
    for secure in [tls(&authority, &[], None), tls(&authority, &names, None)] {
        let action = action(upstream.address, HttpVersion::Http2, secure);
        let gateway = Gateway::start(port(action)).await;
        let before = upstream.handshakes();
        for _ in 0..10 {
            assert_eq!(gateway.get("/").await.text(), "two");
        }
        assert!(
            upstream.handshakes() < before + 10,
            "no connection was shared"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_upgrades_succeed_over_tls() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "shop.example.com", Clients::Any).await;
    let gateway = gateway(&upstream, tls(&authority, &[], None)).await;
    for number in 0..50 {
        let mut client = gateway.connect().await;
        client.send(UPGRADE).await;
        let answer = client.answer(true).await;
        assert_eq!(answer.status(), 101, "{number}: {}", answer.head);
        assert_eq!(client.bytes(2).await, b"hi", "{number}");
        client.send("ping").await;
        assert_eq!(client.bytes(4).await, b"ping", "{number}");
    }
    let stranger = tls(&TestAuthority::new(), &[], None);
    let next = port(action(upstream.address, HttpVersion::Http1, stranger));
    let gateway = Gateway::start(next).await;
    assert_eq!(
        gateway.ask(UPGRADE).await.status(),
        502,
        "upgrades are verified, too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificate_is_presented_to_a_backend_that_requests_it() {
    let authority = TestAuthority::new();
    let upstream =
        TlsUpstream::start(&authority, "shop.example.com", Clients::WithCertificate).await;
    let identity = authority.identity("edge.example.com");
    let shown = identity.certified_key.cert.first().map(|it| it.to_vec());
    let with = tls(&authority, &[], Some(identity));
    let gateway = gateway(&upstream, with).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(upstream.last().1, shown);
    let mut client = gateway.connect().await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer(true).await.status(), 101);
    assert_eq!(upstream.last().1, shown, "upgrades present it, too");
    let without = port(action(
        upstream.address,
        HttpVersion::Http1,
        tls(&authority, &[], None),
    ));
    assert_eq!(Gateway::start(without).await.get("/").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_must_have_one_of_the_names_in_the_policy() {
    let authority = TestAuthority::new();
    let upstream = TlsUpstream::start(&authority, "shop.example.com", Clients::Any).await;
    let uri = |text: &str| SubjectName::Uri(text.to_owned());
    for (name, outcome) in [
        ("spiffe://example.com/shop", Mirrored::Answered),
        ("spiffe://example.com/other", Mirrored::Failed),
    ] {
        let listed = tls(&authority, &[uri(name)], None);
        let Action::Forward(split) = action(upstream.address, HttpVersion::Http1, listed) else {
            panic!("the action is not a forward");
        };
        let mirror = RequestMirror {
            name: "default/mirror:443".into(),
            target: split.pick().target.clone(),
            share: Share::new(1, 1, 0),
        };
        let anonymous = action(
            upstream.address,
            HttpVersion::Http1,
            tls(&authority, &[], None),
        );
        let rule = rule(anonymous);
        let filters = Filters::new(vec![Filter::RequestMirror(mirror)]);
        let counters = Counters::default();
        let port = port_of(Rule { filters, ..rule });
        let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
        assert_eq!(gateway.get("/").await.status(), 200);
        soon(async {
            while counters.mirrored_so_far(outcome) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
