//! HTTP/2, one stream after the other on a connection.

use super::http1::Stream;
use super::request::{LoadBody, LoadRequest};
use super::request_error::RequestError;
use crate::support::client::Response;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) struct Http2 {
    scheme: &'static str,
    sender: SendRequest<Bytes>,
    connection: Arc<ConnectionTask>,
}

/// The task of a connection, aborted when this is dropped.
struct ConnectionTask(JoinHandle<Result<(), h2::Error>>);

impl Http2 {
    /// # Errors
    /// If the server does not speak HTTP/2.
    pub(super) async fn new(
        stream: impl Stream + 'static,
        scheme: &'static str,
    ) -> Result<Self, RequestError> {
        let (sender, connection) = h2::client::handshake(stream)
            .await
            .map_err(RequestError::before_answer)?;
        Ok(Http2 {
            scheme,
            sender,
            connection: Arc::new(ConnectionTask(tokio::spawn(connection))),
        })
    }

    /// Whether the server has ended the connection.
    pub(super) fn is_over(&self) -> bool {
        self.connection.0.is_finished()
    }

    pub(super) async fn send(&self, request: LoadRequest<'_>) -> Result<Response, RequestError> {
        let head = self.head(request)?;
        let ready = self.sender.clone().ready().await;
        let mut sender = ready.map_err(RequestError::before_answer)?;
        let body = request.body.bytes();
        let (response, mut upload) = sender
            .send_request(head, body.is_empty())
            .map_err(RequestError::before_answer)?;
        if !body.is_empty() {
            let sent = upload.send_data(Bytes::copy_from_slice(body), true);
            sent.map_err(RequestError::before_answer)?;
        }
        let (head, mut stream) = response
            .await
            .map_err(RequestError::before_answer)?
            .into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data.map_err(RequestError::within_answer)?;
            let released = stream.flow_control().release_capacity(data.len());
            released.map_err(RequestError::within_answer)?;
            body.extend_from_slice(&data);
        }
        if request.method != "HEAD" {
            check_length(&head.headers, body.len())?;
        }
        let headers = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body,
        })
    }

    fn head(&self, request: LoadRequest<'_>) -> Result<Request<()>, RequestError> {
        let LoadRequest {
            method,
            host,
            path,
            headers,
            body,
        } = request;
        let mut head = Request::builder()
            .method(method)
            .uri(format!("{}://{host}{path}", self.scheme));
        for (name, value) in headers {
            head = head.header(*name, *value);
        }
        if let LoadBody::Sized(bytes) = body {
            head = head.header("content-length", bytes.len());
        }
        head.body(())
            .map_err(|error| RequestError::WrongAnswer(error.to_string()))
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Fails if the body is shorter or longer than announced.
fn check_length(headers: &HeaderMap, received: usize) -> Result<(), RequestError> {
    let announced = headers.get("content-length").map(|it| it.to_str());
    match announced {
        Some(Ok(length)) if length != received.to_string() => {
            let cut = format!("received {received} of {length} bytes");
            Err(RequestError::Cut(io::Error::other(cut)))
        }
        _ => Ok(()),
    }
}
