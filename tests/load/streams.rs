//! Long exchanges that continue during reloads: a WebSocket, a bidirectional gRPC call, a download.

use super::generations::NumberedGenerations;
use crate::support::DEADLINE;
use crate::support::backend::{TestBackend, Wire};
use crate::support::daemon::Daemon;
use crate::support::grpc::{GrpcBackend, GrpcClient};
use crate::support::load::Load;
use crate::support::manifests::{endpoint_slice, route, service};
use crate::support::websocket::{self, WebSocket};
use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const RELOADS: usize = 100;
/// The route of an exchange is deleted before the last of these reloads. The exchange continues.
const AFTER_DELETION: usize = 10;

/// A long exchange over a separate route, which changes with each reload and is deleted in the end.
struct LongExchange {
    /// The name of the route and of the Service, and the first label of the hostname.
    name: &'static str,
    address: SocketAddr,
    /// The Service as YAML.
    service: String,
}

impl LongExchange {
    fn http(name: &'static str, backend: &TestBackend) -> Self {
        LongExchange {
            name,
            address: backend.address(),
            service: service(name),
        }
    }

    fn write(&self, generations: &NumberedGenerations, turn: usize) {
        let LongExchange {
            name,
            address,
            service,
        } = self;
        let filter = format!(
            "    - filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: {{set: [{{name: x-turn, value: \"{turn}\"}}]}}
      backendRefs:"
        );
        let route = route(name, &format!("{name}.example.com"));
        let documents = [
            route.replace("    - backendRefs:", &filter),
            service.clone(),
            endpoint_slice(name, *address),
        ];
        let text = documents.join("---\n");
        generations.folder.write(&format!("{name}.yaml"), text);
    }

    /// Reloads a hundred times. Calls `after_each` when a reload is in force.
    fn reload(
        &self,
        generations: &NumberedGenerations,
        daemon: &Daemon,
        load: Load,
        mut after_each: impl FnMut(usize),
    ) {
        let mut probe = daemon.connect();
        for turn in 1..=RELOADS {
            if turn < RELOADS - AFTER_DELETION {
                self.write(generations, turn);
            } else if turn == RELOADS - AFTER_DELETION {
                generations.folder.remove(&format!("{}.yaml", self.name));
            }
            let next = generations.write_next(&load);
            generations.wait_for(next, &mut probe);
            after_each(turn);
            load.check();
        }
        let gone = daemon.get(&format!("{}.example.com", self.name), "/");
        assert_eq!(gone.status, 404, "the route must be deleted");
        println!("{}", load.finish());
    }
}

#[test]
fn a_websocket_survives_a_hundred_reloads() {
    let backend = TestBackend::answering(websocket::echo);
    let generations = NumberedGenerations::new();
    let exchange = LongExchange::http("chat", &backend);
    exchange.write(&generations, 0);
    let daemon = Daemon::of(&generations.folder).start();
    let load = generations.load(&daemon);
    let open = WebSocket::open(daemon.socket(80), "chat.example.com", "/");
    let mut chat = open.expect("a WebSocket");
    assert_eq!(chat.receive().expect("the greeting"), "welcome");
    exchange.reload(&generations, &daemon, load, |turn| {
        let text = format!("turn {turn}");
        chat.send(&text).expect("the WebSocket is open");
        assert_eq!(chat.receive().expect("an answer"), text);
    });
}

#[test]
fn a_bidirectional_grpc_call_survives_a_hundred_reloads() {
    let service = service("talk").replace(
        "port: 3000\n",
        "port: 3000\n      appProtocol: kubernetes.io/h2c\n",
    );
    let exchange = LongExchange {
        name: "talk",
        address: GrpcBackend::start("talk").address(),
        service,
    };
    let generations = NumberedGenerations::new();
    exchange.write(&generations, 0);
    let daemon = Daemon::of(&generations.folder).start();
    let load = generations.load(&daemon);
    let mut client = GrpcClient::connect(daemon.socket(80));
    let mut call = client.open("talk.example.com", "/chat.Chat/Talk");
    exchange.reload(&generations, &daemon, load, |turn| {
        call.exchange(&format!("turn {turn}"));
    });
    call.end();
}

/// Sends numbered lines, about 200 per second, until `stop` is set.
fn send_lines(wire: &mut Wire, stop: &AtomicBool) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    let stream = wire.get_mut();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let line = format!("{number:0>1023}\n");
        write!(stream, "{:x}\r\n{line}\r\n", line.len())?;
        thread::sleep(PAUSE);
    }
    write!(stream, "0\r\n\r\n")
}

#[test]
fn a_long_download_survives_a_hundred_reloads() {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let backend = TestBackend::answering(move |_, wire| send_lines(wire, &stopped));
    let generations = NumberedGenerations::new();
    let exchange = LongExchange::http("files", &backend);
    exchange.write(&generations, 0);
    let daemon = Daemon::of(&generations.folder).start();
    let load = generations.load(&daemon);
    let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    write!(stream, "GET / HTTP/1.1\r\nHost: files.example.com\r\n\r\n").expect("a request");
    let lines = AtomicUsize::new(0);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_lines(stream, &lines));
        let mut before = 0;
        exchange.reload(&generations, &daemon, load, |_| {
            let now = lines.load(Ordering::SeqCst);
            assert!(
                !reader.is_finished(),
                "the download ended after {now} lines"
            );
            before = now;
        });
        assert!(before > RELOADS, "only {before} lines arrived");
        stop.store(true, Ordering::SeqCst);
        reader
            .join()
            .expect("the reader")
            .expect("a complete download");
    });
}

/// Reads to the end, and fails if a line is missing or out of order.
fn read_lines(stream: TcpStream, count: &AtomicUsize) -> io::Result<()> {
    let mut lines = io::BufReader::new(stream).lines();
    for line in lines.by_ref() {
        let line = line?;
        if line == "0" {
            return Ok(());
        }
        // Skips the response header and the chunk lengths, which are shorter.
        if line.len() < 1000 {
            continue;
        }
        let expected = count.fetch_add(1, Ordering::SeqCst);
        if line.trim_start_matches('0') != expected.to_string().trim_start_matches('0') {
            return Err(io::Error::other(format!("line {expected} is {line:?}")));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
