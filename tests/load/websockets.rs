//! Thousands of WebSockets.

use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::websocket::{self, WebSocket};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const HOST: &str = "chat.example.com";

/// Pingora itself closes some of these connections: those where the backend's 101 arrives before Pingora has processed the
/// end of the request's empty body.
#[test]
fn ten_thousand_websockets_to_a_fast_backend_stay_open() {
    const UPGRADES: usize = 10_000;
    const CLIENTS: usize = 8;
    let backend = TestBackend::answering(websocket::echo);
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("chat", HOST)),
        ("service.yaml", service("chat")),
        ("slice.yaml", endpoint_slice("chat", backend.address())),
    ]);
    let daemon = Daemon::of(&folder).start();
    let socket = daemon.socket(80);
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= UPGRADES {
                        break;
                    }
                    if let Err(error) = greet(socket, number) {
                        next.store(UPGRADES, Ordering::Relaxed);
                        panic!("WebSocket {number}: {error}");
                    }
                }
            });
        }
    });
    println!("{UPGRADES} upgrades in {:.1?}", began.elapsed());
}

/// Opens a WebSocket and exchanges a message in each direction.
fn greet(socket: SocketAddr, number: usize) -> io::Result<()> {
    let mut chat = WebSocket::open(socket, HOST, "/")?;
    let welcome = chat.receive()?;
    let text = format!("hello {number}");
    chat.send(&text)?;
    let answer = chat.receive()?;
    if (welcome.as_str(), &answer) != ("welcome", &text) {
        return Err(io::Error::other(format!("{welcome:?}, then {answer:?}")));
    }
    Ok(())
}
