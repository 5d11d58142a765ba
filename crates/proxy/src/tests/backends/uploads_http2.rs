//! Long bodies of HTTP/2 clients that an endpoint doesn't read.

use crate::Timeouts;
use crate::tests::backends::uploads::{LENGTH, STUCK, TOO_LARGE, Unwilling, is_reset, promptly};
use crate::tests::support::{Gateway, port, soon, to, to_target};
use bytes::Bytes;
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::Filters;
use h2::client::SendRequest;
use h2::{Reason, SendStream};
use http::Request;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// What every connection accepts. A shorter upload is closed gracefully: the last one may find the client's connection window
/// full.
const LITTLE: usize = 32 * 1024;

async fn http2(gateway: &Gateway) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(gateway.address).await;
    let (sender, connection) = h2::client::handshake(tcp.expect("a connection"))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

type Pending = (h2::client::ResponseFuture, SendStream<Bytes>);

async fn post(sender: &SendRequest<Bytes>) -> Pending {
    let request = Request::post("http://a/").body(()).expect("a request");
    let mut sender = soon(sender.clone().ready()).await.expect("a stream");
    sender.send_request(request, false).expect("sent")
}

/// Sends until nothing is accepted any more. Returns the number of bytes sent.
async fn fill_stream(stream: &mut SendStream<Bytes>) -> usize {
    let piece = Bytes::from(vec![b'x'; 16 * 1024]);
    let mut sent = 0;
    while let Ok(accepted) = tokio::time::timeout(STUCK, send_some(stream, &piece)).await {
        sent += accepted;
        assert!(sent < LENGTH, "the whole body was accepted");
    }
    sent
}

/// Sends as much of a piece as the windows allow, and waits until they allow some of it.
async fn send_some(stream: &mut SendStream<Bytes>, piece: &Bytes) -> usize {
    loop {
        stream.reserve_capacity(piece.len());
        let capacity = std::future::poll_fn(|context| stream.poll_capacity(context));
        let capacity = capacity.await.expect("an open stream").expect("capacity");
        let allowed = capacity.min(piece.len());
        if allowed > 0 {
            stream
                .send_data(piece.slice(..allowed), false)
                .expect("sent");
            return allowed;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_reaches_an_http2_client_while_its_body_is_not_read() {
    let mut backend = Unwilling::start().await;
    let gateway = Gateway::start(port(to(&[backend.address]))).await;
    let sender = http2(&gateway).await;
    let (response, mut stream) = post(&sender).await;
    let mut endpoint = backend.next().await;
    fill_stream(&mut stream).await;
    endpoint.send(TOO_LARGE).await;
    let response = promptly(response).await.expect("an answer");
    assert_eq!(response.status(), 413);
    let mut body = response.into_body();
    let data = soon(body.data()).await.expect("a body").expect("a body");
    assert_eq!(&*data, b"too big");
    assert!(promptly(endpoint.ends_somehow()).await);
    // The rest is not needed, and that is not an error (RFC 9113, section 8.1).
    let reset = std::future::poll_fn(|context| stream.poll_reset(context));
    assert_eq!(soon(reset).await.expect("a reset"), Reason::NO_ERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_reset_by_an_http2_client_leave_room_for_others() {
    let mut backend = Unwilling::start().await;
    let gateway = Gateway::start(port(to(&[backend.address]))).await;
    let sender = http2(&gateway).await;
    let (mut streams, mut endpoints) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (_, mut stream) = post(&sender).await;
        let endpoint = backend.next().await;
        endpoints.push((endpoint, fill_stream(&mut stream).await));
        streams.push(stream);
    }
    for mut stream in streams {
        stream.send_reset(Reason::CANCEL);
    }
    let ended = promptly(async {
        for (endpoint, sent) in &mut endpoints {
            if *sent > LITTLE {
                is_reset(endpoint).await;
            } else {
                assert!(endpoint.ends_somehow().await);
            }
        }
    });
    ended.await;
    let (response, mut stream) = post(&sender).await;
    let mut endpoint = backend.next().await;
    let length = 512 * 1024;
    stream
        .send_data(vec![b'x'; length].into(), true)
        .expect("sent");
    let body = soon(endpoint.chunks()).await.expect("a body");
    assert_eq!(body.len(), length);
    endpoint.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let response = soon(response).await.expect("an answer");
    assert_eq!(response.status(), 204);
}

/// Responds to each message of 16 KiB with 400 KiB, one after the other.
async fn converse(tcp: TcpStream) {
    let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut messages = request.into_body();
            let mut answers = respond
                .send_response(http::Response::new(()), false)
                .expect("sent");
            let answer = Bytes::from(vec![b'y'; 400 * 1024]);
            let mut read = 0;
            while let Some(Ok(data)) = messages.data().await {
                read += data.len();
                let _ = messages.flow_control().release_capacity(data.len());
                while read >= 16 * 1024 {
                    read -= 16 * 1024;
                    let mut sent = 0;
                    while sent < answer.len() {
                        sent += send_some(&mut answers, &answer.slice(sent..)).await;
                    }
                }
            }
            let _ = answers.send_data(Bytes::new(), true);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_conversation_over_http2_ends_in_an_error() {
    const MESSAGES: usize = 40;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(converse(tcp));
        }
    });
    let endpoints = EndpointSet::new(HttpVersion::Http2, &[address], 0).expect("an address");
    let target = BackendTarget::Endpoints(Arc::new(endpoints));
    let timeouts = Timeouts {
        upstream_read: STUCK,
        upstream_write: STUCK,
        ..Timeouts::default()
    };
    let gateway = Gateway::with(port(to_target(target, Filters::default())), timeouts).await;
    let sender = http2(&gateway).await;
    let (response, mut stream) = post(&sender).await;
    tokio::spawn(async move {
        let messages = Bytes::from(vec![b'x'; MESSAGES * 16 * 1024]);
        let _ = stream.send_data(messages, true);
        // This side must not reset the stream.
        let _ = std::future::poll_fn(|context| stream.poll_reset(context)).await;
    });
    let mut body = soon(response).await.expect("an answer").into_body();
    let mut received = 0;
    let end = soon(async {
        while let Some(data) = body.data().await {
            let data = data?;
            received += data.len();
            body.flow_control().release_capacity(data.len())?;
        }
        Ok::<_, h2::Error>(())
    });
    match end.await {
        Ok(()) => assert_eq!(received, MESSAGES * 400 * 1024, "data is missing"),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
}
