//! `basicAuth` of a SecurityPolicy.

use super::{basic_auth, credentials, gateway, protected, redirecting, request};
use crate::Options;
use crate::tests::requests::grpc::answer_of;
use crate::tests::support::{Gateway, THREADS, Upstream, curl, port_with, to};
use gatefold_listen::ListenOptions;

const MISSING: &str = "User authentication failed. Missing username and password.";

#[tokio::test(flavor = "multi_thread")]
async fn request_of_a_user_is_forwarded_with_the_name_and_the_credentials() {
    let (gateway, upstream) = gateway(basic_auth(), Vec::new()).await;
    let answer = gateway.ask(&request("/", &credentials())).await;
    assert_eq!(answer.status(), 200, "{}", answer.head);
    let seen = upstream.last();
    assert_eq!(seen.header("x-user"), ["user1"]);
    assert_eq!(seen.header("authorization"), ["Basic dXNlcjE6dGVzdDE="]);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_credentials_is_asked_for_them_and_the_connection_is_kept() {
    let (gateway, upstream) = gateway(basic_auth(), Vec::new()).await;
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client
            .send("POST /a?b=c HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), 401, "{}", answer.head);
        assert_eq!(
            answer.header("www-authenticate"),
            [r#"Basic realm="http://a.example/a""#]
        );
        assert_eq!(answer.text().trim_end(), MISSING);
    }
    client.send(request("/", &credentials())).await;
    assert_eq!(client.answer(false).await.status(), 200);
    client
        .send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await;
    assert_eq!(client.answer(true).await.status(), 401);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_repeated_credentials_are_401() {
    let (gateway, upstream) = gateway(basic_auth(), Vec::new()).await;
    let long = format!("Basic {}", "a".repeat(10 * 1024));
    let right = credentials();
    let fields: [&[u8]; 9] = [
        b"Authorization:\r\n",
        b"Authorization: Basic\r\n",
        b"Authorization: BasicdXNlcjE6dGVzdDE=\r\n",
        b"Authorization: Basic %%%\r\n",
        b"Authorization: Basic dXNlcjE=\r\n",
        b"Authorization: Basic dXNlcjE6eA==\r\n",
        b"Authorization: Basic \xff\xfe\xfd\r\n",
        format!("Authorization: {long}\r\n").leak().as_bytes(),
        format!("{right}{right}").leak().as_bytes(),
    ];
    for field in fields {
        let mut client = gateway.connect().await;
        client
            .send([b"GET / HTTP/1.1\r\nHost: a\r\n", field, b"\r\n"].concat())
            .await;
        let answer = client.answer(false).await;
        let shown = String::from_utf8_lossy(&field[..field.len().min(60)]);
        assert_eq!(answer.status(), 401, "{shown}");
        assert_eq!(answer.header("www-authenticate").len(), 1, "{shown}");
        assert!(answer.text().starts_with("User authentication failed. "));
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_can_neither_forge_nor_remove_the_name() {
    let (gateway, upstream) = gateway(basic_auth(), Vec::new()).await;
    let forged = "X-USER: eve\r\nx-user: eve\r\nX_User: eve\r\nx_user: eve\r\n\
                  Connection: keep-alive, x-user\r\n";
    let answer = gateway.ask(&request("/", &(credentials() + forged))).await;
    assert_eq!(answer.status(), 200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-user"), ["user1"], "{}", seen.head);
    assert!(!seen.head.contains("eve"), "{}", seen.head);
}

/// Pingora then keeps the spelling of each name beside the headers.
#[tokio::test(flavor = "multi_thread")]
async fn name_can_not_be_forged_if_the_spelling_of_headers_is_kept() {
    let upstream = Upstream::plain().await;
    let port = port_with(to(&[upstream.address]), protected(basic_auth(), vec![]));
    let options = Options {
        preserve_header_case: true,
        threads: THREADS,
        ..Options::default()
    };
    let gateway = Gateway::of(port, options, ListenOptions::default()).await;
    let forged =
        "X-USER: eve\r\nx-User: eve\r\nX_USER: eve\r\nConnection: X-User\r\nX-Other: 1\r\n";
    let answer = gateway.ask(&request("/", &(credentials() + forged))).await;
    assert_eq!(answer.status(), 200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-user"), ["user1"], "{}", seen.head);
    assert!(!seen.head.contains("eve"), "{}", seen.head);
    assert!(seen.head.contains("X-Other: 1"), "{}", seen.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_of_a_protected_route_is_protected() {
    let gateway = redirecting(basic_auth()).await;
    let answer = gateway.ask(&request("/secret", "")).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("location"), [""; 0]);
    let answer = gateway.ask(&request("/secret", &credentials())).await;
    assert_eq!(answer.header("location"), ["http://b.example/secret"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_request_needs_the_password_too() {
    let (gateway, upstream) = gateway(basic_auth(), Vec::new()).await;
    let url = format!("http://{}/a", gateway.address);
    let mut arguments = vec!["--http2-prior-knowledge", "-i", &url];
    let answer = curl(&arguments, b"").await;
    assert!(answer.starts_with("HTTP/2 401"), "{answer}");
    let challenge = format!("www-authenticate: Basic realm=\"{url}\"");
    assert!(answer.contains(&challenge), "{answer}");
    arguments.extend(["-u", "user1:test1", "-H", "x_user: eve"]);
    let answer = curl(&arguments, b"").await;
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert_eq!(upstream.last().header("x-user"), ["user1"]);
    assert_eq!(upstream.last().header("x_user"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_request_without_credentials_is_unauthenticated() {
    let (gateway, upstream) = gateway(basic_auth(), Vec::new()).await;
    for request_ends in [true, false] {
        let headers = answer_of(&gateway, request_ends).await;
        assert_eq!(headers["grpc-status"], "16");
        assert_eq!(headers["grpc-message"], MISSING);
        assert!(headers.contains_key("www-authenticate"), "{headers:?}");
    }
    assert_eq!(upstream.requests(), 0);
}
