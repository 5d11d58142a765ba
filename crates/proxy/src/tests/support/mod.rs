//! A running proxy, backends, and rules for tests.

mod client;
pub(crate) mod http2_upstream;
pub(crate) mod tls_upstream;

use crate::{Counters, Gatefold, Options, Timeouts, build};
use arc_swap::ArcSwap;
pub(crate) use client::{Answered, Client};
use gatefold_dataplane::backend::{Backend, BackendTarget, EndpointSet, HttpVersion, Split};
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::filter::Filters;
use gatefold_dataplane::hostname::HostMap;
use gatefold_dataplane::routing::Routers;
use gatefold_dataplane::routing::host_routes::{HostRoutes, RouteEntry};
use gatefold_dataplane::routing::http_match::HttpMatch;
use gatefold_dataplane::routing::matcher::PathMatch;
use gatefold_dataplane::routing::router::Router;
use gatefold_dataplane::timeouts::RuleTimeouts;
use gatefold_dataplane::tls::PortTls;
use gatefold_dataplane::{Action, Listener, Port, Rule, RuleId, Snapshot, SocketKey};
use gatefold_listen::{self as listen, Sockets, Workers};
use pingora_proxy::HttpProxy;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future that must complete.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

/// The number of threads of a [`Gateway`].
pub(crate) const THREADS: usize = 2;

/// A running proxy.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) sockets: Sockets<HttpProxy<Gatefold>>,
}

impl Gateway {
    /// Serves a port on one socket.
    pub(crate) async fn start(port: Port) -> Gateway {
        Gateway::with(port, Timeouts::default()).await
    }

    pub(crate) async fn with(port: Port, timeouts: Timeouts) -> Gateway {
        Gateway::counting(port, timeouts, Counters::default()).await
    }

    /// Serves a port and counts requests in these counters.
    pub(crate) async fn counting(port: Port, timeouts: Timeouts, counters: Counters) -> Gateway {
        let options = Options {
            threads: THREADS,
            timeouts,
            counters,
            ..Options::default()
        };
        Gateway::of(port, options, listen::ListenOptions::default()).await
    }

    /// Serves a port with these options for client connections.
    pub(crate) async fn taking(
        port: Port,
        timeouts: Timeouts,
        connections: listen::ListenOptions,
    ) -> Gateway {
        let options = Options {
            threads: THREADS,
            timeouts,
            ..Options::default()
        };
        Gateway::of(port, options, connections).await
    }

    pub(crate) async fn of(
        port: Port,
        options: Options,
        connections: listen::ListenOptions,
    ) -> Gateway {
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let workers = Workers::start(build(snapshot.clone(), &options)).expect("threads");
        let mut sockets = Sockets::new(workers, snapshot.clone(), connections);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = sockets
            .adopt(listener.into())
            .expect("a TCP socket")
            .address;
        let mut gateway = Gateway {
            address,
            snapshot,
            sockets,
        };
        gateway.publish([(address, port)]).await;
        gateway
    }

    /// Publishes a snapshot, as a reload does.
    pub(crate) async fn publish(&mut self, ports: impl IntoIterator<Item = (SocketAddr, Port)>) {
        let ports = ports
            .into_iter()
            .map(|(address, port)| (SocketKey::tcp(address), Arc::new(port)));
        let snapshot = Snapshot {
            ports: ports.collect(),
            ..Snapshot::default()
        };
        self.sockets.prepare(snapshot.ports.keys().copied());
        self.snapshot.store(Arc::new(snapshot));
        let failures = self.sockets.commit().await;
        assert!(failures.is_empty(), "{failures:?}");
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(
            TcpStream::connect(self.address)
                .await
                .expect("a connection"),
        )
    }

    /// Sends a request on a new connection and reads the response.
    pub(crate) async fn ask(&self, request: &str) -> Answered {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer(request.starts_with("HEAD")).await
    }

    /// Waits until no client connection is open.
    pub(crate) async fn all_gone(&self) {
        self.open(0).await;
    }

    /// Waits until exactly this many client connections are open.
    pub(crate) async fn open(&self, count: usize) {
        soon(async {
            while self.sockets.connections() != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n"))
            .await
    }
}

/// Returns a port whose only listener has one route, for every path.
pub(crate) fn port(action: Action) -> Port {
    port_with(action, Filters::default())
}

pub(crate) fn port_with(action: Action, filters: Filters) -> Port {
    port_of(Rule {
        filters,
        ..rule(action)
    })
}

/// Returns a port whose only listener has one route with this rule, for every path.
pub(crate) fn port_of(rule: Rule) -> Port {
    let mut listeners = HostMap::default();
    listeners.insert(None, listener_of(rule));
    Port::Http(listeners)
}

/// Returns a port whose only listener treats the requests of its clients like this.
pub(crate) fn port_for_clients(action: Action, traffic: ClientTraffic) -> Port {
    let mut listener = listener_of(rule(action));
    let own = Arc::get_mut(&mut listener).expect("a new listener");
    own.client_traffic = Some(Arc::new(traffic));
    let mut listeners = HostMap::default();
    listeners.insert(None, listener);
    Port::Http(listeners)
}

/// Returns a rule with nothing but an action.
pub(crate) fn rule(action: Action) -> Rule {
    Rule {
        id: RuleId {
            kind: "HTTPRoute",
            route: "default/route".into(),
            index: 0,
        },
        filters: Filters::default(),
        timeouts: RuleTimeouts::default(),
        retry: None,
        durations: Arc::default(),
        action,
    }
}

pub(crate) fn tls_port(action: Action, certificates: PortTls) -> Port {
    match port(action) {
        Port::Http(listeners) | Port::Https(listeners, _) => Port::Https(listeners, certificates),
    }
}

pub(crate) fn listener(action: Action, filters: Filters) -> Arc<Listener> {
    listener_of(Rule {
        filters,
        ..rule(action)
    })
}

fn listener_of(rule: Rule) -> Arc<Listener> {
    let entry = RouteEntry {
        matched: HttpMatch {
            path: PathMatch::Prefix("/".into()),
            matcher: Default::default(),
        },
        rule: Arc::new(rule),
        index: 0,
        age: Default::default(),
    };
    Arc::new(Listener {
        name: "default/gateway/http".into(),
        port: 80,
        only_clients_of: None,
        identity: None,
        access_logs: None,
        client_traffic: None,
        routers: Routers {
            http: Router::new([(None, Arc::new(HostRoutes::new(&[Arc::new(entry)])))]),
            ..Routers::default()
        },
    })
}

pub(crate) fn to(addresses: &[SocketAddr]) -> Action {
    let endpoints = EndpointSet::new(HttpVersion::Http1, addresses, 0).expect("an address");
    to_target(
        BackendTarget::Endpoints(Arc::new(endpoints)),
        Filters::default(),
    )
}

pub(crate) fn to_target(target: BackendTarget, filters: Filters) -> Action {
    let backend = Backend {
        name: "default/backend:80".into(),
        filters,
        durations: Arc::default(),
        target,
    };
    Action::Forward(Split::new(vec![(1, backend)], 0).expect("a weight"))
}

/// A backend that records its requests.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Answered>>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Starts a backend that sends this response to every request.
    pub(crate) async fn answering(response: impl Into<Vec<u8>>) -> Upstream {
        let response = response.into();
        Upstream::start(move |_| response.clone()).await
    }

    /// Starts a backend that responds with 200 and a short body.
    pub(crate) async fn plain() -> Upstream {
        Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await
    }

    pub(crate) async fn start(
        answer: impl Fn(&Answered) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(answer);
        let upstream = Upstream {
            address,
            seen: seen.clone(),
            connections: connections.clone(),
        };
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut client = Client::new(tcp);
                    while let Some(request) = client.message(false, false).await {
                        let response = answer(&request);
                        seen.lock().expect("no panic").push(request);
                        if client.stream.write_all(&response).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        upstream
    }

    /// Returns the last request.
    pub(crate) fn last(&self) -> Answered {
        let seen = self.seen.lock().expect("no panic");
        seen.last().cloned().expect("a request")
    }

    /// Returns the number of requests.
    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }

    /// Returns the number of connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Returns an address that refuses connections.
pub(crate) async fn refusing_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("its address")
}

/// Runs curl, which must succeed, and returns its output.
pub(crate) async fn curl(arguments: &[&str], input: &'static [u8]) -> String {
    let output = run_curl(arguments, input).await;
    assert!(
        output.status.success(),
        "curl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs curl and returns its result.
pub(crate) async fn run_curl(arguments: &[&str], input: &'static [u8]) -> std::process::Output {
    let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let run = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20"]).args(&arguments);
        command.env_remove("http_proxy").env_remove("https_proxy");
        command.args(["--noproxy", "*"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("curl is needed for this test");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input).expect("written");
        drop(stdin);
        child.wait_with_output().expect("curl ends")
    });
    run.await.expect("no panic")
}
