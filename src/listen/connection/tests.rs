use super::super::shared::Options;
use super::*;

fn connection(peer: SocketAddr) -> Arc<Connection> {
    let socket = SocketAddr::from(([0u16; 8], 80));
    let shared = Arc::new(Shared::new(Options::default()));
    Arc::new(Connection::new(socket, peer, false, shared))
}

fn somebody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

fn end(connection: &Connection) -> Option<Closed> {
    match connection.poll_end(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(closed) => Some(closed),
        Poll::Pending => None,
    }
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_shown_as_ipv4() {
    let peer = "[::ffff:203.0.113.9]:1234".parse().expect("an address");
    assert_eq!(connection(peer).peer_text(), "203.0.113.9");
}

#[test]
fn only_a_connection_that_stays_idle_is_closed_when_it_drains() {
    let connection = connection(somebody());
    connection.drain();
    assert_eq!(end(&connection), None, "its first request may be under way");
    connection.read();
    let request = connection.begin();
    assert_eq!(end(&connection), None);
    drop(request);
    assert_eq!(end(&connection), None, "the next one may be on the way");
    connection.condemn(Closed::Drained);
    assert_eq!(end(&connection), Some(Closed::Drained));
    connection.read();
    assert_eq!(end(&connection), None, "the next request has begun");
}

#[test]
fn a_verdict_falls_when_the_client_does_what_it_was_closed_for() {
    let connection = connection(somebody());
    connection.condemn(Closed::FirstByte);
    connection.read();
    assert_eq!(end(&connection), None);
    connection.condemn(Closed::Header);
    let request = connection.begin();
    assert_eq!(end(&connection), None, "the header is complete");
    connection.condemn(Closed::DrainTimeout);
    assert_eq!(end(&connection), Some(Closed::DrainTimeout));
    drop(request);
}

#[test]
fn an_http_2_connection_is_unused_when_it_has_no_request() {
    let connection = connection(somebody());
    connection.read_frames(Progress::Began, false);
    assert_eq!(connection.unused_since(), None, "it is just beginning");
    connection.read_frames(Progress::Between, true);
    let request = connection.begin();
    assert_eq!(connection.unused_since(), None);
    connection.condemn(Closed::Idle);
    assert_eq!(end(&connection), None);
    drop(request);
    assert!(connection.unused_since().is_some());
    assert_eq!(end(&connection), Some(Closed::Idle));
}
