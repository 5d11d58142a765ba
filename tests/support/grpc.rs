//! gRPC over HTTP/2 without TLS: a minimal service that echoes messages and ends with trailers, and a client for one call.

use super::DEADLINE;
use super::client::Response as Answer;
use super::network::{free_port, own_address};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

/// Starts the service. It lives as long as the test.
pub fn echo() -> SocketAddr {
    let ip = own_address();
    let address = SocketAddr::new(ip, free_port(ip));
    let listener = std::net::TcpListener::bind(address).expect("the backend's socket");
    listener.set_nonblocking(true).expect("a socket for tokio");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a socket of tokio");
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp));
            }
        });
    });
    address
}

async fn serve(tcp: TcpStream) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(tcp).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(answer(request, respond));
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    let kind = http::HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", kind);
    let mut up: SendStream<Bytes> = respond.send_response(head, false)?;
    let mut down = request.into_body();
    while let Some(piece) = down.data().await {
        let piece = piece?;
        down.flow_control().release_capacity(piece.len())?;
        up.send_data(piece, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    up.send_trailers(trailers)
}

/// Sends a call without a message, and waits for the whole answer.
pub fn call(socket: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(format!("http://{host}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answer =
        runtime.block_on(async { tokio::time::timeout(DEADLINE, exchange(socket, request)).await });
    answer.expect("an answer in time").expect("an answer")
}

async fn exchange(socket: SocketAddr, request: Request<()>) -> Result<Answer, h2::Error> {
    let tcp = TcpStream::connect(socket).await.expect("a connection");
    let (mut client, connection) = h2::client::handshake(tcp).await?;
    tokio::spawn(connection);
    let (answer, _) = client.send_request(request, true)?;
    let (head, mut stream) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    Ok(Answer {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body,
    })
}
