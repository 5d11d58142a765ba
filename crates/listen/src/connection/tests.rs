use super::super::meters::Closed;
use super::super::shared::Options;
use super::*;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

fn connection(peer: SocketAddr) -> Arc<Connection> {
    let socket = SocketAddr::from(([0u16; 8], 80));
    let shared = Arc::new(Shared::new(Options::default()));
    Arc::new(Connection::new(socket, peer, false, shared))
}

fn client_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

fn end(connection: &Connection) -> Option<Closed> {
    let mut context = Context::from_waker(Waker::noop());
    match connection.poll_end(&mut context, &mut None) {
        Poll::Ready(closed) => Some(closed),
        Poll::Pending => None,
    }
}

/// Lets so much time pass.
fn pass(connection: &Connection, time: Duration) {
    let clock = &connection.shared.clock;
    let since = clock.now();
    while !clock.has_passed(time, since) {
        clock.advance();
    }
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_shown_as_ipv4() {
    let peer = "[::ffff:203.0.113.9]:1234".parse().expect("an address");
    assert_eq!(connection(peer).peer_text(), "203.0.113.9");
}

#[test]
fn a_request_knows_how_many_its_connection_has_in_flight() {
    let http1 = connection(client_address());
    assert_eq!(http1.begin().in_flight(), 1);
    assert_eq!(http1.begin().in_flight(), 1, "one after the other");

    let http2 = connection(client_address());
    http2.read_frames(Progress::Between, true);
    let first = http2.begin();
    let second = http2.begin();
    assert_eq!((first.in_flight(), second.in_flight()), (1, 2));
    drop(first);
    assert_eq!(http2.begin().in_flight(), 2, "the first one has ended");
}

#[test]
fn only_a_connection_that_stays_idle_is_closed_when_it_drains() {
    let connection = connection(client_address());
    connection.drain();
    assert_eq!(end(&connection), None, "its first request may be under way");
    connection.read();
    let request = connection.begin();
    assert_eq!(end(&connection), None);
    drop(request);
    connection.condemn(Closed::Drained);
    assert_eq!(end(&connection), None, "the next one may be on the way");
    pass(&connection, Duration::from_secs(1));
    assert_eq!(end(&connection), Some(Closed::Drained));
    connection.read();
    assert_eq!(end(&connection), None, "the next request has begun");
}

#[test]
fn a_verdict_falls_when_the_client_does_what_it_was_closed_for() {
    let connection = connection(client_address());
    let deadlines = connection.shared.deadlines;
    pass(&connection, deadlines.first_byte);
    connection.condemn(Closed::FirstByte);
    assert_eq!(end(&connection), Some(Closed::FirstByte));
    connection.read();
    assert_eq!(end(&connection), None);
    pass(&connection, deadlines.header);
    connection.condemn(Closed::Header);
    assert_eq!(end(&connection), Some(Closed::Header));
    let request = connection.begin();
    assert_eq!(end(&connection), None, "the header is complete");
    connection.condemn(Closed::DrainTimeout);
    assert_eq!(end(&connection), Some(Closed::DrainTimeout));
    drop(request);
}

#[test]
fn a_verdict_that_comes_too_late_does_not_hold_for_the_next_time() {
    let connection = connection(client_address());
    connection.read();
    // The request came while the verdict was on its way.
    connection.condemn(Closed::Idle);
    let request = connection.begin();
    assert_eq!(end(&connection), None, "it is in use");
    drop(request);
    assert_eq!(end(&connection), None, "it has only just become idle");
    connection.condemn(Closed::Header);
    connection.read();
    connection.condemn(Closed::Header);
    assert_eq!(
        end(&connection),
        None,
        "the next header has only just begun"
    );
}

#[test]
fn an_http_2_connection_is_unused_when_it_has_no_request() {
    let connection = connection(client_address());
    connection.read_frames(Progress::Began, false);
    assert_eq!(connection.unused_since(), None, "it is just beginning");
    connection.read_frames(Progress::Between, true);
    let request = connection.begin();
    connection.condemn(Closed::Reclaimed);
    assert_eq!(connection.unused_since(), None);
    assert_eq!(end(&connection), None);
    drop(request);
    pass(&connection, connection.shared.clock.tick());
    assert!(connection.unused_since().is_some());
    assert_eq!(end(&connection), Some(Closed::Reclaimed));
    // The header of another one: its task hasn't begun with it.
    connection.read_frames(Progress::Between, true);
    connection.condemn(Closed::Reclaimed);
    assert_eq!(end(&connection), None, "it would be lost");
}

#[test]
fn http_2_frames_that_never_end_do_not_make_a_client_less_idle() {
    let connection = connection(client_address());
    let deadlines = connection.shared.deadlines;
    let began = connection.shared.clock.now();
    connection.read_frames(Progress::Between, false);
    while !connection
        .shared
        .clock
        .has_passed(deadlines.http2_idle, began)
    {
        assert_eq!(connection.overdue(), None);
        // The end of one frame, and the first byte of the next one.
        connection.read_frames(Progress::Began, false);
        pass(&connection, deadlines.header / 4);
        let patient = connection.shared.clock.has_passed(deadlines.header, began);
        assert_eq!(connection.unused_since().is_some(), patient, "its place");
    }
    assert_eq!(connection.overdue(), Some(Closed::Idle));
    connection.condemn(Closed::Idle);
    assert_eq!(end(&connection), Some(Closed::Idle));
}

#[test]
fn a_client_that_still_takes_its_response_uses_its_connection() {
    let connection = connection(client_address());
    let deadlines = connection.shared.deadlines;
    connection.read_frames(Progress::Between, true);
    // Done for the proxy; HTTP/2 has the rest of the response in its buffer.
    drop(connection.begin());
    let mut context = Context::from_waker(Waker::noop());
    let mut stall = || connection.poll_stalled(&mut context, &mut None);
    assert_eq!(stall(), Poll::Pending);
    pass(&connection, deadlines.write / 2);
    assert_eq!(connection.unused_since(), None);
    connection.flow();
    let flowed = connection.shared.clock.now();
    pass(&connection, connection.shared.clock.tick());
    assert_eq!(connection.unused_since(), Some(flowed));
    assert_eq!(stall(), Poll::Pending);
    pass(&connection, deadlines.write / 2);
    assert_eq!(connection.overdue(), None, "it has taken something since");
    pass(&connection, deadlines.write);
    assert_eq!(connection.overdue(), Some(Closed::Write));
    connection.condemn(Closed::Write);
    assert_eq!(stall(), Poll::Ready(Closed::Write));
    assert_eq!(end(&connection), Some(Closed::Write), "for the reader, too");
}

/// Counts how often it wakes.
#[derive(Default)]
struct Alarm(AtomicU32);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_waits_is_woken_by_each_verdict_also_when_it_registers_once() {
    let connection = connection(client_address());
    let alarms = [Arc::<Alarm>::default(), Arc::default()];
    let rung = |index: usize| alarms[index].0.load(Ordering::Relaxed);
    let (mut known, mut writer) = (None, None);
    let mut poll = |index: usize| {
        let waker = Waker::from(alarms[index].clone());
        let mut context = Context::from_waker(&waker);
        let _ = connection.poll_end(&mut context, &mut known);
    };
    poll(0);
    connection.condemn(Closed::Idle);
    poll(0);
    connection.condemn(Closed::Idle);
    assert_eq!((rung(0), rung(1)), (2, 0));
    poll(1);
    connection.condemn(Closed::Idle);
    assert_eq!((rung(0), rung(1)), (2, 1), "the task has another one");
    let waker = Waker::from(alarms[0].clone());
    let _ = connection.poll_stalled(&mut Context::from_waker(&waker), &mut writer);
    connection.condemn(Closed::Write);
    assert_eq!((rung(0), rung(1)), (3, 2), "the writer and the reader");
}

#[tokio::test]
async fn a_client_has_left_when_the_rest_of_its_body_cannot_come() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut client = std::net::TcpStream::connect(address).expect("a connection");
    let (tcp, peer) = listener.accept().await.expect("the connection");
    let connection = connection(peer);
    let request = connection.begin();
    connection.offer_descriptor(&tcp);
    connection.want_descriptor();
    connection.offer_descriptor(&tcp);
    std::io::Write::write_all(&mut client, b"the rest").expect("sent");
    assert!(!connection.has_left(Some(u64::MAX)), "it may send more");
    client.shutdown(std::net::Shutdown::Write).expect("closed");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !connection.has_left(Some(u64::MAX)) {
        assert!(std::time::Instant::now() < deadline, "its end is not seen");
        tokio::task::yield_now().await;
    }
    assert!(!connection.has_left(Some(8)), "all of it has come");
    assert!(!connection.has_left(None), "all of it may have come");
    drop(request);
    assert!(!connection.has_left(Some(u64::MAX)), "the request is over");
}
