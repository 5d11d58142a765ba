//! A client that reads and writes HTTP/1.1 messages.

use crate::tests::support::soon;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A connection that sends and receives HTTP/1.1 messages. Also used for the side of a backend.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

/// A message: a response, or a request received by a backend.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered {
    /// The first line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).unwrap_or_default();
        status.parse().unwrap_or_default()
    }

    /// Returns every value of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let fields = self
            .head
            .lines()
            .skip(1)
            .filter_map(|it| it.split_once(':'));
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Client {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
        self.stream.flush().await.expect("sent");
    }

    /// Reads the next response.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Answered {
        soon(self.message(to_head, true)).await.expect("an answer")
    }

    /// Reads the next message. `None` if the stream ends before it is complete.
    pub(crate) async fn message(&mut self, bodiless: bool, to_end: bool) -> Option<Answered> {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                break String::from_utf8_lossy(&head).into_owned();
            }
            if !self.fill().await {
                return None;
            }
        };
        let mut message = Answered {
            head,
            body: Vec::new(),
        };
        let length = message.header("content-length").first().copied();
        let status = message.status();
        if bodiless || status == 204 || (100..200).contains(&status) {
            return Some(message);
        }
        if message.header("transfer-encoding") == ["chunked"] {
            message.body = self.chunks().await?;
        } else if let Some(length) = length {
            let length = length.parse().expect("a number");
            while self.buffer.len() < length {
                if !self.fill().await {
                    return None;
                }
            }
            message.body = self.buffer.drain(..length).collect();
        } else if to_end {
            while self.fill().await {}
            message.body = std::mem::take(&mut self.buffer);
        }
        Some(message)
    }

    /// Reads a chunked body.
    pub(crate) async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break self.buffer.drain(..end + 2).collect::<Vec<u8>>();
                }
                if !self.fill().await {
                    return None;
                }
            };
            let size = std::str::from_utf8(&line).ok()?.trim();
            let size = usize::from_str_radix(size, 16).ok()?;
            while self.buffer.len() < size + 2 {
                if !self.fill().await {
                    return None;
                }
            }
            body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
            if size == 0 {
                return Some(body);
            }
        }
    }

    /// Whether the stream has ended and nothing is left to read.
    pub(crate) async fn ended(&mut self) -> bool {
        self.buffer.is_empty() && !soon(self.fill()).await
    }

    /// Reads until the stream ends. Always returns true.
    pub(crate) async fn ends_somehow(&mut self) -> bool {
        soon(async { while self.fill().await {} }).await;
        true
    }

    /// Waits for data or the end of the stream.
    pub(crate) async fn peek(&mut self) {
        self.fill().await;
    }

    /// Returns the payload of the next HTTP/2 frame of a type.
    pub(crate) async fn frame_of_type(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let header = self.bytes(9).await;
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
            let payload = self.bytes(length as usize).await;
            if header[3] == kind {
                return payload;
            }
        }
    }

    /// Returns the bytes read beyond the last message.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Reads this many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(soon(self.fill()).await, "the stream ended too early");
        }
        self.buffer.drain(..count).collect()
    }

    async fn fill(&mut self) -> bool {
        let mut piece = vec![0; 64 * 1024];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&piece[..count]);
                true
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}
