//! The memory used for responses that an HTTP/2 client requests and does not read.

use crate::support::backend::{ReceivedRequest, TestBackend, Wire};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::own_address;
use crate::support::tls::{Authority, Pair, config_map, server_config};
use crate::support::{DEADLINE, eventually};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use rustls::{ServerConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

const HOST: &str = "www.example.com";
const STREAMS: usize = 100;
const LENGTH: usize = 1 << 20;
/// Maximum memory for the stalled streams of one connection, in KiB: 10 MB.
const BOUND: usize = 10_000_000 / 1024;
/// The same for TLS endpoints, in KiB. Responses are then read in records of up to 16 KiB.
const BOUND_IN_TLS: usize = 24_000_000 / 1024;

/// The stream window of a client that reads its responses.
const OPEN: u32 = 1 << 16;

/// The data of the backends, as long as HTTP/2's default maximum frame size.
static FRAME: [u8; 1 << 14] = [b'x'; 1 << 14];

/// Time limit for bodies. Debug builds of several tests may share few processors.
const PATIENCE: Duration = Duration::from_secs(60);

/// An HTTP/2 client.
struct StallingClient {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    open: oneshot::Sender<()>,
}

impl StallingClient {
    /// Connects with this initial window for each stream.
    fn connect(socket: SocketAddr, window: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (open, opened) = oneshot::channel();
        let sender = runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(socket)
                .await
                .expect("a connection");
            let made = h2::client::Builder::new()
                .initial_window_size(window)
                .initial_connection_window_size(1 << 24)
                .handshake(tcp)
                .await;
            let (sender, mut connection) = made.expect("HTTP/2");
            tokio::spawn(async move {
                tokio::select! {
                    _ = &mut connection => return,
                    Ok(()) = opened => {
                        let set = connection.set_initial_window_size(OPEN);
                        set.expect("a valid window");
                    }
                }
                let _ = connection.await;
            });
            sender
        });
        StallingClient {
            runtime,
            sender,
            open,
        }
    }

    /// Sends `count` concurrent requests for bodies of this length, and waits for the headers of the responses.
    fn ask(&self, count: usize, length: usize) -> Vec<RecvStream> {
        self.runtime.block_on(async {
            let mut responses = Vec::new();
            for _ in 0..count {
                let request = http::Request::get(format!("http://{HOST}/"))
                    .header("x-length", length)
                    .body(())
                    .expect("a request");
                let sender = self.sender.clone().ready().await;
                let sent = sender
                    .expect("room for a stream")
                    .send_request(request, true);
                responses.push(sent.expect("a stream").0);
            }
            let mut bodies = Vec::new();
            for response in responses {
                let response = tokio::time::timeout(DEADLINE, response).await;
                let response = response.expect("a response in time").expect("a response");
                assert_eq!(response.status(), 200);
                bodies.push(response.into_body());
            }
            bodies
        })
    }

    /// Opens the windows, reads all bodies concurrently, and returns their lengths.
    fn read(self, bodies: Vec<RecvStream>) -> Vec<usize> {
        self.open.send(()).expect("the connection is open");
        self.runtime.block_on(async {
            let reading: Vec<_> = bodies
                .into_iter()
                .map(|it| tokio::spawn(read(it)))
                .collect();
            let all = async {
                let mut lengths = Vec::new();
                for body in reading {
                    lengths.push(body.await.expect("no panic"));
                }
                lengths
            };
            let read = tokio::time::timeout(PATIENCE, all).await;
            read.expect("the bodies in time")
        })
    }
}

async fn read(mut body: RecvStream) -> usize {
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data.expect("the body is not cut off");
        // Compares slices, since an unoptimised loop over 100 MiB takes seconds.
        assert!(
            data == FRAME[..data.len()],
            "the bytes must be those of the backend"
        );
        length += data.len();
        let released = body.flow_control().release_capacity(data.len());
        released.expect("capacity that was used");
    }
    length
}

/// Counts requests.
type RequestCount = Arc<AtomicUsize>;

/// Starts a backend that writes as fast as it can.
fn http1_backend(requests: &RequestCount) -> SocketAddr {
    let requests = requests.clone();
    let backend = TestBackend::answering(
        move |request: &ReceivedRequest, wire: &mut Wire| -> io::Result<()> {
            requests.fetch_add(1, Ordering::SeqCst);
            answer(request.header("x-length"), wire.get_mut())
        },
    );
    backend.address()
}

fn answer(length: &str, wire: &mut impl Write) -> io::Result<()> {
    let length: usize = length.parse().expect("a length");
    write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
    wire.write_all(&vec![b'x'; length])?;
    wire.flush()
}

/// The same over TLS.
fn secure_backend(requests: &RequestCount, pair: &Pair) -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).expect("the backend's socket");
    let address = listener.local_addr().expect("its address");
    let (requests, config) = (requests.clone(), server_config(pair, None));
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let (requests, config) = (requests.clone(), config.clone());
            thread::spawn(move || -> io::Result<()> {
                let session = ServerConnection::new(config).expect("a session");
                let mut wire = BufReader::new(StreamOwned::new(session, tcp));
                let mut length = String::new();
                let mut line = String::new();
                while wire.read_line(&mut line)? > 0 {
                    if let Some(value) = line.to_lowercase().strip_prefix("x-length:") {
                        length = value.trim().to_owned();
                    } else if line == "\r\n" {
                        requests.fetch_add(1, Ordering::SeqCst);
                        answer(&length, wire.get_mut())?;
                    }
                    line.clear();
                }
                Ok(())
            });
        }
    });
    address
}

/// The same over HTTP/2. It lives as long as the runtime.
fn http2_backend(requests: &RequestCount, runtime: &Runtime) -> SocketAddr {
    let bound = runtime.block_on(tokio::net::TcpListener::bind((own_address(), 0)));
    let listener = bound.expect("the backend's socket");
    let address = listener.local_addr().expect("its address");
    let requests = requests.clone();
    runtime.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let requests = requests.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let length = request.headers()["x-length"].to_str().expect("a length");
                    let body = vec![b'x'; length.parse().expect("a length")];
                    let sent = respond.send_response(http::Response::new(()), false);
                    let sent = sent.and_then(|mut stream| stream.send_data(body.into(), true));
                    sent.expect("the stream is open");
                }
            });
        }
    });
    address
}

/// The daemon's anonymous memory in KiB.
fn memory(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/status", daemon.process());
    let text = std::fs::read_to_string(path).expect("the process's figures");
    let line = text.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse().ok()).expect("RssAnon in kB")
}

/// Waits until the daemon's memory no longer changes.
fn settled_memory(daemon: &Daemon) -> usize {
    const READINGS: usize = 100;
    let (mut last, mut unchanged) = (0, 0);
    eventually("the memory has settled", || {
        let now = memory(daemon);
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
        (unchanged == READINGS).then_some(now)
    })
}

/// Stalls 100 responses of 1 MiB, and reads them in the end. Returns the KiB that the daemon used meanwhile.
fn memory_of_stalled_streams(daemon: &Daemon, requests: &RequestCount) -> usize {
    let first = StallingClient::connect(daemon.socket(80), OPEN);
    let bodies = first.ask(STREAMS, 1);
    assert_eq!(first.read(bodies), [1; STREAMS]);
    let before = settled_memory(daemon);

    requests.store(0, Ordering::SeqCst);
    let client = StallingClient::connect(daemon.socket(80), 0);
    let bodies = client.ask(STREAMS, LENGTH);
    assert_eq!(requests.load(Ordering::SeqCst), STREAMS);
    let kept = settled_memory(daemon).saturating_sub(before);
    assert_eq!(client.read(bodies), [LENGTH; STREAMS]);
    kept
}

fn folder(address: SocketAddr) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("slice.yaml", endpoint_slice("shop", address)),
    ])
}

#[test]
fn a_hundred_downloads_over_one_connection_finish_in_time() {
    let folder = folder(http1_backend(&RequestCount::default()));
    let daemon = Daemon::of(&folder).start();
    let client = StallingClient::connect(daemon.socket(80), OPEN);
    let bodies = client.ask(STREAMS, LENGTH);
    assert_eq!(client.read(bodies), [LENGTH; STREAMS]);
}

/// If the endpoint had to wait for a delayed acknowledgement of 40 ms each time, the download would take two minutes.
#[test]
fn a_download_finishes_in_time_while_others_are_stalled() {
    let folder = folder(http1_backend(&RequestCount::default()));
    let daemon = Daemon::of(&folder).start();
    let client = StallingClient::connect(daemon.socket(80), OPEN);
    let stalled = client.ask(10, LENGTH);
    let body = client.ask(1, 16 * LENGTH);
    assert_eq!(client.read(body), [16 * LENGTH]);
    drop(stalled);
}

#[test]
fn stalled_streams_of_a_connection_use_less_than_10_mb() {
    let requests = RequestCount::default();
    let folder = folder(http1_backend(&requests));
    let daemon = Daemon::of(&folder).start();
    let kept = memory_of_stalled_streams(&daemon, &requests);
    assert!(kept <= BOUND, "stalled streams use {kept} KiB");
}

#[test]
fn stalled_streams_of_an_http2_backend_use_less_than_10_mb() {
    let requests = RequestCount::default();
    let runtime = Runtime::new().expect("a runtime");
    let folder = folder(http2_backend(&requests, &runtime));
    let port = "      port: 3000\n";
    let h2c = format!("{port}      appProtocol: kubernetes.io/h2c\n");
    folder.replace("shop.yaml", port, &h2c);
    let daemon = Daemon::of(&folder).start();
    let kept = memory_of_stalled_streams(&daemon, &requests);
    assert!(kept <= BOUND, "stalled streams use {kept} KiB");
}

#[test]
fn stalled_streams_of_a_tls_backend_use_less_than_24_mb() {
    let requests = RequestCount::default();
    let authority = Authority::new();
    let folder = folder(secure_backend(&requests, &authority.issue("shop.internal")));
    folder.write("authority.yaml", config_map("authority", &authority.pem()));
    folder.write(
        "policy.yaml",
        "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: '', kind: Service, name: shop}]
  validation:
    hostname: shop.internal
    caCertificateRefs: [{group: '', kind: ConfigMap, name: authority}]
",
    );
    let daemon = Daemon::of(&folder).start();
    let kept = memory_of_stalled_streams(&daemon, &requests);
    assert!(kept <= BOUND_IN_TLS, "stalled streams use {kept} KiB");
}
