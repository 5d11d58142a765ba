//! A request of a client.

/// A request of any method, with a body.
#[derive(Clone, Copy)]
pub struct LoadRequest<'a> {
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: LoadBody<'a>,
}

/// The body of a request.
#[allow(dead_code, reason = "only the training of profiles sends bodies")]
#[derive(Clone, Copy)]
pub enum LoadBody<'a> {
    None,
    /// A body with `Content-Length`.
    Sized(&'a [u8]),
    /// A body of unknown length: in chunks over HTTP/1.1.
    Streamed(&'a [u8]),
}

impl LoadBody<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            LoadBody::None => &[],
            LoadBody::Sized(bytes) | LoadBody::Streamed(bytes) => bytes,
        }
    }
}

/// The length of the chunks of a body.
const CHUNK: usize = 16 * 1024;

/// Returns a body in chunks (RFC 9112, section 7.1).
pub fn chunked(body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in body.chunks(CHUNK) {
        all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        all.extend_from_slice(chunk);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    all
}
