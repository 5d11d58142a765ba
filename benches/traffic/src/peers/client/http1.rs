//! HTTP/1.1, one request after the other on a connection.

use super::ByteStream;
use crate::backend::BODY;
use crate::subjects::HOST;
use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A connection.
pub struct Http1Connection {
    stream: Box<dyn ByteStream>,
    request: Vec<u8>,
    /// The answer so far.
    answer: Vec<u8>,
}

impl Http1Connection {
    pub(super) fn new(stream: Box<dyn ByteStream>, token: Option<&str>) -> Self {
        let token = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: gatefold-bench\r\nAccept: */*\r\n{token}\r\n"
        );
        Http1Connection {
            stream,
            request: request.into_bytes(),
            answer: Vec::with_capacity(4096),
        }
    }

    pub(super) async fn ask(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.answer.clear();
        let mut length = None;
        while length.is_none_or(|length| self.answer.len() < length) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server has closed a connection");
            }
            if length.is_none() {
                length = length_of(&self.answer)?;
            }
        }
        Ok(())
    }
}

/// The length of an answer with its head; `None` if the head isn't complete.
fn length_of(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("an answer other than 200: {head}");
    }
    let mut fields = head
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .context("an answer without a length")?
        .1
        .trim()
        .parse()?;
    if length != BODY {
        bail!("an answer of {length} bytes instead of {BODY}");
    }
    Ok(Some(end + 4 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_body() {
        let head = format!("HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: {BODY}\r\n\r\n");
        let length = length_of(head.as_bytes()).expect("an answer");
        assert_eq!(length, Some(head.len() + BODY));
        let cut = &head.as_bytes()[..head.len() - 1];
        assert_eq!(length_of(cut).expect("a part of an answer"), None);
    }

    #[test]
    fn an_answer_other_than_200_is_an_error() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert!(
            length_of(answer).is_err(),
            "503 must not count as an answer"
        );
    }
}
