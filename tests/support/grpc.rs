//! gRPC over HTTP/2: a backend and a client.

use super::DEADLINE;
use super::network::{free_port, own_address};
use super::tls::Authority;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// A gRPC service over HTTP/2 without TLS. It lives as long as the test.
///
/// A method `Fail` sends a message and fails. `Refuse` fails with the header. Others echo each message and end with trailers.
/// It answers HTTP/1.1 requests with 200 and its name.
pub struct GrpcBackend {
    address: SocketAddr,
    calls: Calls,
}

type Calls = Arc<Mutex<Vec<Parts>>>;

impl GrpcBackend {
    pub fn start(name: &'static str) -> Self {
        let ip = own_address();
        let address = SocketAddr::new(ip, free_port(ip));
        let listener = std::net::TcpListener::bind(address).expect("the backend's socket");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let calls = Calls::default();
        let backend = GrpcBackend {
            address,
            calls: calls.clone(),
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket of tokio");
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(serve(tcp, name, calls.clone()));
                }
            });
        });
        backend
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The headers of all gRPC calls so far.
    pub fn calls(&self) -> Vec<Parts> {
        self.calls.lock().expect("no panic").clone()
    }
}

async fn serve(mut tcp: TcpStream, name: &'static str, calls: Calls) -> io::Result<()> {
    let mut first = [0; 3];
    tcp.peek(&mut first).await?;
    if first != *b"PRI" {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
            name.len()
        );
        return tcp.write_all(answer.as_bytes()).await;
    }
    let connection = h2::server::handshake(tcp).await;
    let mut connection = connection.map_err(io::Error::other)?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call.map_err(io::Error::other)?;
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        calls.lock().expect("no panic").push(head);
        tokio::spawn(answer(name, path, body, respond));
    }
    Ok(())
}

async fn answer(
    name: &'static str,
    path: String,
    mut down: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    let kind = HeaderValue::from_static("application/grpc+proto");
    head.headers_mut().insert("content-type", kind);
    let name = HeaderValue::from_static(name);
    head.headers_mut().insert("x-backend", name);
    if path.ends_with("/Refuse") {
        head.headers_mut().extend(failure());
        respond.send_response(head, true)?;
        return Ok(());
    }
    let mut up: SendStream<Bytes> = respond.send_response(head, false)?;
    if path.ends_with("/Fail") {
        up.send_data("half".into(), false)?;
        return up.send_trailers(failure());
    }
    while let Some(piece) = down.data().await {
        let piece = piece?;
        down.flow_control().release_capacity(piece.len())?;
        // The client may end its stream with an empty frame. An empty frame that ends nothing is a fault of its sender, of which
        // h2 accepts a hundred on a connection.
        if !piece.is_empty() {
            up.send_data(piece, false)?;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    up.send_trailers(trailers)
}

/// `RESOURCE_EXHAUSTED` with its message and details.
fn failure() -> HeaderMap {
    let fields = [
        ("grpc-status", "8"),
        ("grpc-message", "too much: 100 %25"),
        ("grpc-status-details-bin", "CAgSCHRvbyBtdWNo"),
    ];
    let fields = fields.map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    HeaderMap::from_iter(fields)
}

/// An HTTP/2 connection to the daemon.
pub struct GrpcClient {
    runtime: Arc<Runtime>,
    requests: SendRequest<Bytes>,
    scheme: &'static str,
}

/// A complete answer.
#[derive(Debug)]
pub struct GrpcAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Whether the header ended the stream.
    pub is_trailers_only: bool,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl GrpcAnswer {
    /// The gRPC status, of the header or the trailers.
    pub fn grpc_status(&self) -> Option<u32> {
        let trailers = self.trailers.as_ref().unwrap_or(&self.headers);
        trailers.get("grpc-status")?.to_str().ok()?.parse().ok()
    }

    /// The backend that answered.
    pub fn backend(&self) -> Option<&str> {
        self.headers.get("x-backend")?.to_str().ok()
    }
}

/// Without the trailers.
impl From<GrpcAnswer> for super::client::Response {
    fn from(answer: GrpcAnswer) -> Self {
        let headers = answer.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        super::client::Response {
            status: answer.status,
            headers: headers.collect(),
            body: answer.body,
        }
    }
}

fn runtime() -> Arc<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    Arc::new(runtime.expect("a runtime"))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limited = tokio::time::timeout(DEADLINE, future).await;
    limited.expect("the server answers in time")
}

impl GrpcClient {
    /// Opens a connection without TLS.
    pub fn connect(socket: SocketAddr) -> Self {
        let runtime = runtime();
        let requests = runtime.block_on(soon(async {
            GrpcClient::over(TcpStream::connect(socket).await.expect("a connection")).await
        }));
        GrpcClient {
            runtime,
            requests,
            scheme: "http",
        }
    }

    /// Opens a connection with TLS that offers only `h2`.
    pub fn connect_tls(socket: SocketAddr, authority: &Authority, hostname: &str) -> Self {
        let mut config = rustls::ClientConfig::clone(&authority.trust());
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(hostname.to_owned()).expect("a hostname");
        let runtime = runtime();
        let requests = runtime.block_on(soon(async {
            let tcp = TcpStream::connect(socket).await.expect("a connection");
            let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp);
            let tls = tls.await.expect("a TLS session");
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            GrpcClient::over(tls).await
        }));
        GrpcClient {
            runtime,
            requests,
            scheme: "https",
        }
    }

    async fn over<S>(stream: S) -> SendRequest<Bytes>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        requests
    }

    fn request(&self, method: &str, host: &str, path: &str, kind: &str) -> Request<()> {
        Request::builder()
            .method(method)
            .uri(format!("{}://{host}{path}", self.scheme))
            .header("content-type", kind)
            .header("te", "trailers")
            .body(())
            .expect("a request")
    }

    /// Sends a gRPC request with this message and reads the answer.
    #[track_caller]
    pub fn call(&mut self, host: &str, path: &str, message: &str) -> GrpcAnswer {
        self.send("POST", host, path, "application/grpc", message)
    }

    /// Sends a request of this content type and reads the answer.
    #[track_caller]
    pub fn send(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        kind: &str,
        message: &str,
    ) -> GrpcAnswer {
        let request = self.request(method, host, path, kind);
        self.exchange(request, message)
    }

    /// Sends a gRPC request with these additional headers and without a message, and reads the answer.
    #[track_caller]
    pub fn call_with(&mut self, host: &str, path: &str, headers: &[(&str, &str)]) -> GrpcAnswer {
        let mut request = self.request("POST", host, path, "application/grpc");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            let value = HeaderValue::from_str(value).expect("a header value");
            request.headers_mut().append(name, value);
        }
        self.exchange(request, "")
    }

    #[track_caller]
    fn exchange(&mut self, request: Request<()>, message: &str) -> GrpcAnswer {
        let requests = &mut self.requests;
        self.runtime.block_on(soon(async move {
            let (answer, mut up) = requests.send_request(request, false).expect("a stream");
            // Fails if the answer is already complete.
            let _ = up.send_data(message.to_owned().into(), true);
            let answer = answer.await.expect("an answer");
            let (head, mut down) = answer.into_parts();
            let is_trailers_only = down.is_end_stream();
            let mut body = Vec::new();
            while let Some(piece) = down.data().await {
                let piece = piece.expect("the stream isn't reset");
                let released = down.flow_control().release_capacity(piece.len());
                released.expect("capacity");
                body.extend_from_slice(&piece);
            }
            GrpcAnswer {
                status: head.status.as_u16(),
                headers: head.headers,
                is_trailers_only,
                body,
                trailers: down.trailers().await.expect("the stream isn't reset"),
            }
        }))
    }

    /// Opens a bidirectional call and waits for the header of the answer.
    #[track_caller]
    pub fn open(&mut self, host: &str, path: &str) -> GrpcCall {
        let request = self.request("POST", host, path, "application/grpc");
        let requests = &mut self.requests;
        let (up, down) = self.runtime.block_on(soon(async move {
            let (answer, up) = requests.send_request(request, false).expect("a stream");
            let answer = answer.await.expect("an answer");
            assert_eq!(answer.status(), 200);
            (up, answer.into_body())
        }));
        GrpcCall {
            runtime: self.runtime.clone(),
            up,
            down,
        }
    }
}

/// An open bidirectional call.
pub struct GrpcCall {
    runtime: Arc<Runtime>,
    up: SendStream<Bytes>,
    down: RecvStream,
}

impl GrpcCall {
    /// Sends a message, and waits until it has come back.
    #[track_caller]
    pub fn exchange(&mut self, text: &str) {
        let (up, down) = (&mut self.up, &mut self.down);
        self.runtime.block_on(soon(async move {
            up.send_data(text.to_owned().into(), false)
                .expect("the stream is open");
            let mut received = Vec::new();
            while received.len() < text.len() {
                let piece = down.data().await.expect("the stream continues");
                let piece = piece.expect("the stream isn't reset");
                down.flow_control()
                    .release_capacity(piece.len())
                    .expect("capacity");
                received.extend_from_slice(&piece);
            }
            assert_eq!(received, text.as_bytes());
        }));
    }

    /// Ends the request, and waits for the trailers of the answer.
    #[track_caller]
    pub fn end(mut self) {
        self.up
            .send_data(Bytes::new(), true)
            .expect("the stream is open");
        let mut down = self.down;
        let trailers = self.runtime.block_on(soon(async move {
            while let Some(piece) = down.data().await {
                let piece = piece.expect("the stream isn't reset");
                assert!(piece.is_empty(), "unexpected data: {piece:?}");
            }
            down.trailers().await.expect("the stream isn't reset")
        }));
        assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
    }
}
