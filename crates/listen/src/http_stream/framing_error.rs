//! Answers to HTTP/1 requests that never reach Pingora's hooks, since their framing is malformed.

use http::StatusCode;
use pingora_core::protocols::http::date::get_cached_date;
use std::io;

/// What is malformed about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The request line is malformed.
    #[error(
        "the request line is malformed: it must be a method, a target without spaces or control characters, and a version"
    )]
    RequestLine,
    /// A line ends without CR.
    #[error("a line of the request ends with a line feed alone: it must end with CR LF")]
    BareLineFeed,
    /// The request target is too long.
    #[error("the request target is too long: the request line may have 64 KiB")]
    LongTarget,
    /// The header has too many bytes.
    #[error("the request header is larger than 64 KiB")]
    LargeHeader,
    /// The header has too many fields.
    #[error("the request has more than 256 header fields")]
    ManyFields,
    /// The line before a chunk is malformed.
    #[error(
        "the line before a chunk of the body is malformed: it must begin with the size of the chunk"
    )]
    ChunkLine,
    /// A chunk is longer than its size.
    #[error("a chunk of the body is longer than its size")]
    ChunkEnd,
    /// A trailer field is malformed.
    #[error("a trailer field is malformed")]
    Trailer,
    /// The trailer has too many bytes.
    #[error("the trailer fields are larger than 64 KiB")]
    LargeTrailer,
    /// Pingora's parser has refused the header.
    #[error("the request header is malformed")]
    Header,
}

impl FramingError {
    /// Returns the framing error that caused a read error; `None` for any other cause.
    pub fn of(error: &io::Error) -> Option<FramingError> {
        error.get_ref()?.downcast_ref().copied()
    }

    fn status(self) -> StatusCode {
        match self {
            FramingError::LongTarget => StatusCode::URI_TOO_LONG,
            FramingError::LargeHeader | FramingError::ManyFields => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            FramingError::RequestLine
            | FramingError::BareLineFeed
            | FramingError::ChunkLine
            | FramingError::ChunkEnd
            | FramingError::Trailer
            | FramingError::LargeTrailer
            | FramingError::Header => StatusCode::BAD_REQUEST,
        }
    }

    /// The whole response. A response to HEAD has no body.
    pub(crate) fn response(self, to_head: bool) -> Vec<u8> {
        response(self.status(), &format!("{self}\n"), to_head)
    }
}

impl From<FramingError> for io::Error {
    fn from(error: FramingError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// A complete response that ends the connection. It has the same header fields as the answers of the proxy.
pub(crate) fn response(status: StatusCode, text: &str, to_head: bool) -> Vec<u8> {
    let date = get_cached_date();
    let mut response = format!(
        "HTTP/1.1 {} {}\r\nServer: gatefold\r\nDate: {}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        date.to_str().unwrap_or_default(),
        text.len(),
    );
    if !to_head {
        response.push_str(text);
    }
    response.into_bytes()
}
