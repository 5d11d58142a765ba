//! Retries configured by a rule.

use crate::tests::support::Client;
use crate::tests::support::{
    Answered, Gateway, Upstream, port_of, refusing_address, rule, soon, to,
};
use gatefold_dataplane::retry::RuleRetry;
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use gatefold_dataplane::{Port, Rule};
use http::StatusCode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const BACKOFF: Duration = Duration::from_millis(20);

fn retrying(addresses: &[SocketAddr], attempts: usize) -> Port {
    limited(addresses, attempts, RuleTimeouts::default())
}

fn limited(addresses: &[SocketAddr], attempts: usize, timeouts: RuleTimeouts) -> Port {
    let retry = RuleRetry {
        codes: [StatusCode::SERVICE_UNAVAILABLE].into(),
        attempts,
        backoff: BACKOFF,
    };
    port_of(Rule {
        retry: Some(Box::new(retry)),
        timeouts,
        ..rule(to(addresses))
    })
}

/// Starts a backend that responds to this many requests with a status, and echoes the others with 200.
async fn failing(times: usize, status: u16) -> Upstream {
    let seen = AtomicUsize::new(0);
    Upstream::start(move |request: &Answered| {
        let failed = seen.fetch_add(1, Ordering::SeqCst) < times;
        let status = if failed { status } else { 200 };
        let length = request.body.len();
        let head = format!("HTTP/1.1 {status} S\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &request.body].concat()
    })
    .await
}

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_status_is_retried_and_the_last_response_is_returned() {
    for (failures, status, expected, requests) in [
        (2, 503, 200, 3),
        (9, 503, 503, 3),
        (2, 500, 500, 1),
        (0, 503, 200, 1),
    ] {
        let upstream = failing(failures, status).await;
        let gateway = Gateway::start(retrying(&[upstream.address], 2)).await;
        let began = Instant::now();
        let answer = gateway.ask(&post("abc")).await;
        assert_eq!(answer.status(), expected, "{failures} times {status}");
        assert_eq!(answer.text(), "abc", "the backend's own response");
        assert_eq!(upstream.requests(), requests, "{failures} times {status}");
        // 20 and 40 milliseconds.
        let least = if requests == 3 {
            3 * BACKOFF
        } else {
            Duration::ZERO
        };
        assert!(began.elapsed() >= least, "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_whose_response_is_discarded_is_disconnected_before_the_retry() {
    const LONG: Duration = Duration::from_secs(600);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let retry = RuleRetry {
        codes: [StatusCode::SERVICE_UNAVAILABLE].into(),
        attempts: 1,
        backoff: LONG,
    };
    let port = port_of(Rule {
        retry: Some(Box::new(retry)),
        ..rule(to(&[address]))
    });
    let gateway = Gateway::start(port).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (tcp, _) = soon(listener.accept()).await.expect("a connection");
    let mut endpoint = Client::new(tcp);
    soon(endpoint.message(true, false)).await;
    endpoint
        .send("HTTP/1.1 503 S\r\nContent-Length: 9\r\n\r\n")
        .await;
    assert!(endpoint.ends_somehow().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_endpoint_is_tried_first() {
    let (bad, good) = (failing(99, 503).await, Upstream::plain().await);
    let both = [bad.address, good.address];
    let gateway = Gateway::start(retrying(&both, 1)).await;
    for _ in 0..6 {
        assert_eq!(gateway.get("/").await.status(), 200);
    }
    assert_eq!(good.requests(), 6);
    let dead = [refusing_address().await, good.address];
    let gateway = Gateway::start(retrying(&dead, 1)).await;
    for _ in 0..4 {
        assert_eq!(gateway.ask(&post("abc")).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_closes_the_connection_is_retried_up_to_the_limit() {
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut client = Client::new(tcp);
            let request = client.message(false, false).await;
            assert_eq!(request.expect("a request").text(), "abc");
            if count.fetch_add(1, Ordering::SeqCst) == 2 {
                client
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
            }
        }
    });
    let gateway = Gateway::start(retrying(&[address], 2)).await;
    assert_eq!(gateway.ask(put).await.status(), 200);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    let gateway = Gateway::start(retrying(&[address], 1)).await;
    assert_eq!(gateway.ask(put).await.status(), 502);
    assert_eq!(seen.load(Ordering::SeqCst), 5, "two more requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempt_that_takes_too_long_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (mut silent, _) = listener.accept().await.expect("the first attempt");
        let (tcp, _) = listener.accept().await.expect("the second attempt");
        let mut client = Client::new(tcp);
        client.message(true, false).await.expect("a request");
        client
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        let _ = silent.read_to_end(&mut Vec::new()).await;
        client.message(true, false).await;
    });
    let timeouts = RuleTimeouts {
        request: TimeLimit::After(Duration::from_secs(15)),
        backend_request: TimeLimit::After(Duration::from_millis(300)),
    };
    let gateway = Gateway::start(limited(&[address], 1, timeouts)).await;
    assert_eq!(gateway.get("/").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_end_at_the_time_limit_of_the_request() {
    let upstream = failing(usize::MAX, 503).await;
    let limit = Duration::from_millis(500);
    let timeouts = RuleTimeouts {
        request: TimeLimit::After(limit),
        backend_request: TimeLimit::Unset,
    };
    let gateway = Gateway::start(limited(&[upstream.address], 1000, timeouts)).await;
    let began = Instant::now();
    let answer = gateway.get("/").await;
    assert!(matches!(answer.status(), 503 | 504), "{}", answer.head);
    assert!(began.elapsed() < 20 * limit, "{:?}", began.elapsed());
    let requests = upstream.requests();
    assert!((2..=25).contains(&requests), "{requests} attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_incomplete_or_too_long_to_keep_is_not_retried() {
    // It responds without reading the body.
    let (address, seen) = counting_backend(|mut client, count| async move {
        client.message(true, false).await.expect("a request");
        count.fetch_add(1, Ordering::SeqCst);
        client
            .send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
            .await;
        let _ = client.stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let gateway = Gateway::start(retrying(&[address], 5)).await;
    let mut client = gateway.connect().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 503);
    assert_eq!(
        seen.load(Ordering::SeqCst),
        1,
        "an incomplete body was sent again"
    );
    let long = failing(9, 503).await;
    let gateway = Gateway::start(retrying(&[long.address], 5)).await;
    let answer = soon(gateway.ask(&post(&"x".repeat(100 * 1024)))).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(long.requests(), 1, "a body that wasn't kept was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_body_of_unknown_length_is_retried() {
    let upstream = failing(1, 503).await;
    let gateway = Gateway::start(retrying(&[upstream.address], 1)).await;
    let chunked =
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = gateway.ask(chunked).await;
    assert_eq!((answer.status(), answer.text()), (200, "abc".to_owned()));
    // An empty body as well.
    let upstream = failing(1, 503).await;
    let gateway = Gateway::start(retrying(&[upstream.address], 1)).await;
    let empty = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(gateway.ask(empty).await.status(), 200);
    assert_eq!(upstream.requests(), 2);
}

/// Starts a backend that serves each connection with `serve`, which counts requests. Returns its address and the count.
async fn counting_backend<F>(
    serve: impl Fn(Client<TcpStream>, Arc<AtomicUsize>) -> F + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(Client::new(tcp), count.clone()));
        }
    });
    (address, seen)
}

/// Starts a backend that responds to no request: it closes the connection, or stays silent.
async fn unanswering(silent: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    counting_backend(move |mut client, count| async move {
        if client.message(false, false).await.is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
        if silent {
            let _ = client.stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_is_not_idempotent_is_not_retried_after_it_may_have_been_processed() {
    let timeouts = RuleTimeouts {
        request: TimeLimit::Unset,
        backend_request: TimeLimit::After(Duration::from_millis(300)),
    };
    for (silent, status) in [(false, 502), (true, 504)] {
        let (address, seen) = unanswering(silent).await;
        let gateway = Gateway::start(limited(&[address], 5, timeouts)).await;
        let answer = gateway.ask(&post("abc")).await;
        assert_eq!(answer.status(), status, "silent: {silent}");
        assert_eq!(seen.load(Ordering::SeqCst), 1, "silent: {silent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_is_sent_once_if_attempts_are_zero() {
    let upstream = failing(9, 503).await;
    let gateway = Gateway::start(retrying(&[upstream.address], 0)).await;
    assert_eq!(gateway.get("/").await.status(), 503);
    assert_eq!(upstream.requests(), 1, "its status is retryable");
    // One of two endpoints refuses connections.
    let good = Upstream::plain().await;
    let gateway = Gateway::start(retrying(&[refusing_address().await, good.address], 0)).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(gateway.get("/").await.status());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
}

/// Starts a backend that responds to one request per connection, and closes the connection after reading the next one.
async fn ends_kept_connections() -> (SocketAddr, Arc<AtomicUsize>) {
    counting_backend(|mut client, count| async move {
        client.message(true, false).await.expect("a request");
        count.fetch_add(1, Ordering::SeqCst);
        client
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        if client.message(true, false).await.is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_lost_with_a_pooled_connection_count_as_attempts() {
    for (attempts, status, requests) in [(0, 502, 2), (1, 200, 3)] {
        let (address, seen) = ends_kept_connections().await;
        let gateway = Gateway::start(retrying(&[address], attempts)).await;
        let mut client = gateway.connect().await;
        for expected in [200, status] {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let answer = client.answer(false).await;
            assert_eq!(answer.status(), expected, "{attempts} attempts");
        }
        assert_eq!(seen.load(Ordering::SeqCst), requests, "{attempts} attempts");
    }
}

/// Starts a backend whose connections serve one request each, and are closed at the next. The first `together` requests get
/// their responses only when all of them have arrived.
async fn serving_once(together: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let barrier = Arc::new(tokio::sync::Barrier::new(together));
    tokio::spawn(async move {
        let mut accepted = 0;
        while let Ok((tcp, _)) = listener.accept().await {
            accepted += 1;
            let waits = (accepted <= together).then(|| barrier.clone());
            tokio::spawn(async move {
                let mut client = Client::new(tcp);
                client.message(false, false).await.expect("a request");
                if let Some(barrier) = waits {
                    barrier.wait().await;
                }
                client
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
                client.message(false, false).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_pooled_connections_never_fail_a_request() {
    const DEAD: usize = 8;
    let address = serving_once(DEAD).await;
    // The first two refuse connections. Their attempts don't count for the third.
    let endpoints = [refusing_address().await, refusing_address().await, address];
    for endpoints in [&endpoints[2..], &endpoints] {
        let gateway = Gateway::start(port_of(rule(to(&[address])))).await;
        let mut clients = Vec::new();
        for _ in 0..DEAD {
            let mut client = gateway.connect().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            clients.push(client);
        }
        for client in &mut clients {
            assert_eq!(client.answer(false).await.status(), 200);
        }
        let mut gateway = gateway;
        let port = port_of(rule(to(endpoints)));
        gateway.publish([(gateway.address, port)]).await;
        for request in 0..DEAD {
            let answer = gateway.get("/").await;
            assert_eq!(answer.status(), 200, "request {request}: {}", answer.head);
        }
    }
}
