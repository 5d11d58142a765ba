use super::*;
use crate::shared::{ListenOptions, SharedState};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A client's connection, as it is accepted.
async fn accepted() -> (TcpStream, ClientStream, Arc<Connection>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).await.expect("a connection");
    let (tcp, peer) = listener.accept().await.expect("a connection");
    let shared = Arc::new(SharedState::new(ListenOptions::default()));
    let socket = SocketKey::tcp(address);
    let registry = shared.registries.open(socket, &shared.meters);
    let connection = Arc::new(Connection::new(socket, peer, false, shared));
    let entry = registry.enter(connection.clone(), None);
    let stream = ClientStream::new(tcp, connection.clone(), entry).expect("a stream");
    (client, stream, connection)
}

async fn is_accepted(
    stream: &mut ClientStream,
    connection: &Connection,
    expected: ProxyProtocol,
) -> bool {
    let headers = ProxyHeaders::new(connection.socket());
    let deadline = Instant::now() + Duration::from_millis(50);
    headers.accept(stream, connection, expected, deadline).await
}

#[tokio::test]
async fn a_header_that_never_ends_is_not_awaited_forever() {
    for expected in [ProxyProtocol::Required, ProxyProtocol::Optional] {
        let (mut client, mut stream, connection) = accepted().await;
        client.write_all(b"PROXY TCP4 ").await.expect("sent");
        assert!(!is_accepted(&mut stream, &connection, expected).await);
        assert!(connection.has_been_ended());
    }
}

#[tokio::test]
async fn bytes_behind_the_header_stay_in_the_stream() {
    use tokio::io::AsyncReadExt;
    let (mut client, mut stream, connection) = accepted().await;
    let sender = connection.peer();
    let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nrest";
    client.write_all(bytes).await.expect("sent");
    assert!(is_accepted(&mut stream, &connection, ProxyProtocol::Required).await);
    let mut rest = [0; 4];
    stream.read_exact(&mut rest).await.expect("the rest");
    assert_eq!(&rest, b"rest");
    assert_eq!(connection.peer().to_string(), "192.0.2.1:1000");
    assert_eq!(connection.peer_text(), "192.0.2.1");
    assert_eq!(connection.sender(), sender);
}
