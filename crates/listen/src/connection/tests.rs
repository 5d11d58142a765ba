//! When a connection is unused, overdue, or marked for closing.

use super::*;
use crate::meters::CloseReason;
use crate::shared::ListenOptions;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

fn connection(peer: SocketAddr) -> Arc<Connection> {
    let socket = SocketKey::tcp(([0u16; 8], 80));
    let shared = Arc::new(SharedState::new(ListenOptions::default()));
    Arc::new(Connection::new(socket, peer, false, shared))
}

fn client_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

fn end(connection: &Connection) -> Option<CloseReason> {
    let mut context = Context::from_waker(Waker::noop());
    match connection.poll_end(&mut context, &mut None) {
        Poll::Ready(closed) => Some(closed),
        Poll::Pending => None,
    }
}

/// Advances the clock by `time`.
fn pass(connection: &Connection, time: Duration) {
    let clock = &connection.shared.clock;
    let since = clock.now();
    while !clock.has_passed(time, since) {
        clock.advance();
    }
}

#[test]
fn ipv4_client_of_an_ipv6_socket_has_its_ipv4_address() {
    let peer = "[::ffff:203.0.113.9]:1234".parse().expect("an address");
    assert_eq!(connection(peer).peer_text(), "203.0.113.9");
}

#[test]
fn request_counts_those_in_flight_on_its_connection() {
    let http1 = connection(client_address());
    assert_eq!(http1.begin().in_flight(), 1);
    assert_eq!(
        http1.begin().in_flight(),
        1,
        "HTTP/1 has one request at a time"
    );

    let http2 = connection(client_address());
    http2.read_frames(FrameProgress::Between, true);
    let first = http2.begin();
    let second = http2.begin();
    assert_eq!((first.in_flight(), second.in_flight()), (1, 2));
    drop(first);
    assert_eq!(http2.begin().in_flight(), 2, "the first one has ended");
}

#[test]
fn draining_closes_only_connections_that_stay_idle() {
    let connection = connection(client_address());
    connection.drain();
    assert_eq!(
        end(&connection),
        None,
        "its first request may be in transit"
    );
    connection.read();
    let request = connection.begin();
    assert_eq!(end(&connection), None);
    drop(request);
    connection.mark_for_closing(CloseReason::Drained);
    assert_eq!(end(&connection), None, "the next request may be in transit");
    pass(&connection, Duration::from_secs(1));
    assert_eq!(end(&connection), Some(CloseReason::Drained));
    connection.read();
    assert_eq!(end(&connection), None, "the next request has begun");
}

#[test]
fn activity_clears_the_mark_for_closing() {
    let connection = connection(client_address());
    let deadlines = connection.shared.deadlines;
    pass(&connection, deadlines.first_byte);
    connection.mark_for_closing(CloseReason::FirstByte);
    assert_eq!(end(&connection), Some(CloseReason::FirstByte));
    connection.read();
    assert_eq!(end(&connection), None);
    pass(&connection, deadlines.header);
    connection.mark_for_closing(CloseReason::Header);
    assert_eq!(end(&connection), Some(CloseReason::Header));
    let request = connection.begin();
    assert_eq!(end(&connection), None, "the header is complete");
    connection.mark_for_closing(CloseReason::DrainTimeout);
    assert_eq!(end(&connection), Some(CloseReason::DrainTimeout));
    drop(request);
}

#[test]
fn late_mark_does_not_apply_to_the_next_idle_period() {
    let connection = connection(client_address());
    connection.read();
    // The request arrived just before the mark was set.
    connection.mark_for_closing(CloseReason::Idle);
    let request = connection.begin();
    assert_eq!(end(&connection), None, "it is in use");
    drop(request);
    assert_eq!(end(&connection), None, "it has only just become idle");
    connection.mark_for_closing(CloseReason::Header);
    connection.read();
    connection.mark_for_closing(CloseReason::Header);
    assert_eq!(
        end(&connection),
        None,
        "the next header has only just begun"
    );
}

#[test]
fn http2_connection_without_requests_is_unused() {
    let connection = connection(client_address());
    connection.read_frames(FrameProgress::Began, false);
    assert_eq!(connection.unused_since(), None, "it has just begun");
    connection.read_frames(FrameProgress::Between, true);
    let request = connection.begin();
    connection.mark_for_closing(CloseReason::Reclaimed);
    assert_eq!(connection.unused_since(), None);
    assert_eq!(end(&connection), None);
    drop(request);
    pass(&connection, connection.shared.clock.tick());
    assert!(connection.unused_since().is_some());
    assert_eq!(end(&connection), Some(CloseReason::Reclaimed));
    // The header of another request, whose task hasn't begun yet.
    connection.read_frames(FrameProgress::Between, true);
    connection.mark_for_closing(CloseReason::Reclaimed);
    assert_eq!(end(&connection), None, "the request would be lost");
}

#[test]
fn unfinished_http2_frames_do_not_count_as_activity() {
    let connection = connection(client_address());
    let deadlines = connection.shared.deadlines;
    let began = connection.shared.clock.now();
    connection.read_frames(FrameProgress::Between, false);
    while !connection
        .shared
        .clock
        .has_passed(deadlines.http2_idle, began)
    {
        assert_eq!(connection.overdue(), None);
        // The end of one frame, and the first byte of the next one.
        connection.read_frames(FrameProgress::Began, false);
        pass(&connection, deadlines.header / 4);
        let unused = connection.shared.clock.has_passed(deadlines.header, began);
        assert_eq!(
            connection.unused_since().is_some(),
            unused,
            "the connection can be reclaimed once the header deadline has passed"
        );
    }
    assert_eq!(connection.overdue(), Some(CloseReason::Idle));
    connection.mark_for_closing(CloseReason::Idle);
    assert_eq!(end(&connection), Some(CloseReason::Idle));
}

#[test]
fn client_that_still_reads_its_response_uses_its_connection() {
    let connection = connection(client_address());
    let deadlines = connection.shared.deadlines;
    connection.read_frames(FrameProgress::Between, true);
    // The proxy is done; the rest of the response is in the HTTP/2 buffer.
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
    assert_eq!(connection.overdue(), None, "the client has read since");
    pass(&connection, deadlines.write);
    assert_eq!(connection.overdue(), Some(CloseReason::Write));
    connection.mark_for_closing(CloseReason::Write);
    assert_eq!(stall(), Poll::Ready(CloseReason::Write));
    assert_eq!(
        end(&connection),
        Some(CloseReason::Write),
        "reads end for the same reason"
    );
}

/// A waker that counts its wake-ups.
#[derive(Default)]
struct CountingWaker(AtomicU32);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_mark_wakes_a_task_that_registered_once() {
    let connection = connection(client_address());
    let wakers = [Arc::<CountingWaker>::default(), Arc::default()];
    let woken = |index: usize| wakers[index].0.load(Ordering::Relaxed);
    let (mut known, mut writer) = (None, None);
    let mut poll = |index: usize| {
        let waker = Waker::from(wakers[index].clone());
        let mut context = Context::from_waker(&waker);
        let _ = connection.poll_end(&mut context, &mut known);
    };
    poll(0);
    connection.mark_for_closing(CloseReason::Idle);
    poll(0);
    connection.mark_for_closing(CloseReason::Idle);
    assert_eq!((woken(0), woken(1)), (2, 0));
    poll(1);
    connection.mark_for_closing(CloseReason::Idle);
    assert_eq!((woken(0), woken(1)), (2, 1), "the task has another one");
    let waker = Waker::from(wakers[0].clone());
    let _ = connection.poll_stalled(&mut Context::from_waker(&waker), &mut writer);
    connection.mark_for_closing(CloseReason::Write);
    assert_eq!((woken(0), woken(1)), (3, 2), "the writer and the reader");
}

#[tokio::test]
async fn client_has_left_if_the_rest_of_its_body_cannot_arrive() {
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
        assert!(
            std::time::Instant::now() < deadline,
            "the end of the client's side was not detected"
        );
        tokio::task::yield_now().await;
    }
    assert!(!connection.has_left(Some(8)), "the whole body has arrived");
    assert!(
        !connection.has_left(None),
        "the whole body may have arrived"
    );
    drop(request);
    assert!(!connection.has_left(Some(u64::MAX)), "the request is over");
}
