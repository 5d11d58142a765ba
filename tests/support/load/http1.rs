//! HTTP/1.1, one request after the other on a connection.

use super::request::{LoadBody, LoadRequest, chunked};
use super::request_error::RequestError;
use crate::support::client::Response;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

const READ: usize = 16 * 1024;

/// Any stream of bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection.
pub(super) struct Http1 {
    stream: Box<dyn Stream>,
    /// Bytes that have been read but not consumed.
    buffer: Vec<u8>,
}

impl Http1 {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Http1 {
            stream: Box::new(stream),
            buffer: Vec::with_capacity(READ),
        }
    }

    pub(super) async fn send(
        &mut self,
        request: LoadRequest<'_>,
    ) -> Result<Response, RequestError> {
        let bytes = serialized(request);
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(RequestError::Unanswered)?;
        let mut response = self.head().await?;
        if request.method != "HEAD" && !matches!(response.status, 204 | 304) {
            response.body = self.body(&response).await.map_err(RequestError::Cut)?;
        }
        Ok(response)
    }

    /// Whether the server has closed the connection: reading returns the end of the stream.
    pub(super) fn is_over(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        let stream = Pin::new(&mut self.stream);
        stream.poll_read(&mut context, &mut buffer).is_ready()
    }

    async fn head(&mut self) -> Result<Response, RequestError> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            let began = !self.buffer.is_empty();
            self.fill().await.map_err(if began {
                RequestError::Cut
            } else {
                RequestError::Unanswered
            })?;
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Response {
            status: status
                .ok_or_else(|| RequestError::WrongAnswer(format!("no status line: {first:?}")))?,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        })
    }

    async fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        if response.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let length = self.line().await?;
                let length = usize::from_str_radix(&length, 16).map_err(io::Error::other)?;
                let chunk = self.take(length + 2).await?;
                if length == 0 {
                    return Ok(body);
                }
                body.extend_from_slice(&chunk[..length]);
            }
        }
        match response.header("content-length") {
            Some(length) => self.take(length.parse().map_err(io::Error::other)?).await,
            None => Err(io::Error::other("neither Content-Length nor chunks")),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The request as bytes.
fn serialized(request: LoadRequest<'_>) -> Vec<u8> {
    let LoadRequest {
        method,
        host,
        path,
        headers,
        body,
    } = request;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match body {
        LoadBody::None => head.push_str("\r\n"),
        LoadBody::Sized(bytes) => {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", bytes.len()))
        }
        LoadBody::Streamed(_) => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
    }
    let mut all = head.into_bytes();
    match body {
        LoadBody::None | LoadBody::Sized(_) => all.extend_from_slice(body.bytes()),
        LoadBody::Streamed(bytes) => all.extend(chunked(bytes)),
    }
    all
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}
