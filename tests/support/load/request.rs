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
