//! A cheap backend in a thread of this process.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// The length of the body of each answer.
pub const BODY: usize = 1024;

/// Starts a backend that answers every request with 1 KiB and never ends.
pub fn start() -> anyhow::Result<SocketAddr> {
    serve(answer)
}

/// Starts the same backend with TLS.
pub fn start_tls(config: Arc<ServerConfig>) -> anyhow::Result<SocketAddr> {
    let acceptor = TlsAcceptor::from(config);
    serve(move |stream| {
        let handshake = acceptor.accept(stream);
        async move { answer(handshake.await?).await }
    })
}

/// Serves each connection in a task of one thread.
fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> anyhow::Result<SocketAddr>
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(answer(stream));
            }
            #[expect(unreachable_code, reason = "names the error of the block")]
            std::io::Result::Ok(())
        })
    });
    Ok(address)
}

/// Answers requests without a body, one at a time.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let body = "x".repeat(BODY);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut request = Vec::with_capacity(4096);
    while stream.read_buf(&mut request).await? > 0 {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
        }
    }
    Ok(())
}
