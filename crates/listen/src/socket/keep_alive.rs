//! How the system detects that a client is gone: probes of idle connections (TCP keep-alive).

use gatefold_dataplane::client_traffic::socket_settings::KeepAlive;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use tokio::net::TcpStream;

/// Replaces the values that a connection has inherited from its listening socket.
///
/// # Errors
/// If the system refuses a value, or the client has closed the connection.
pub(super) fn set(tcp: &TcpStream, settings: &KeepAlive) -> io::Result<()> {
    let KeepAlive {
        idle,
        interval,
        probes,
    } = *settings;
    let mut options = TcpKeepalive::new();
    if let Some(idle) = idle {
        options = options.with_time(idle);
    }
    if let Some(interval) = interval {
        options = options.with_interval(interval);
    }
    if let Some(probes) = probes {
        options = options.with_retries(probes);
    }
    SockRef::from(tcp).set_tcp_keepalive(&options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn only_the_values_of_the_policy_change() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a socket");
        let address = listener.local_addr().expect("an address");
        let _client = TcpStream::connect(address).await.expect("a connection");
        let (tcp, _) = listener.accept().await.expect("a connection");
        let before = SockRef::from(&tcp)
            .tcp_keepalive_interval()
            .expect("an option");
        let settings = KeepAlive {
            idle: Some(Duration::from_secs(7)),
            interval: None,
            probes: Some(5),
        };
        set(&tcp, &settings).expect("the options set");
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(
            socket.tcp_keepalive_time().expect("an option"),
            Duration::from_secs(7)
        );
        assert_eq!(socket.tcp_keepalive_retries().expect("an option"), 5);
        assert_eq!(socket.tcp_keepalive_interval().expect("an option"), before);
    }
}
