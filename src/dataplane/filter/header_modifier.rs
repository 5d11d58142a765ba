use http::{HeaderName, HeaderValue};

/// `RequestHeaderModifier` and `ResponseHeaderModifier`: first `set` overwrites, then `add` appends, then
/// `remove` takes away (HTTPHeaderFilter of the API).
#[derive(Debug, Default)]
pub struct HeaderModifier {
    /// Overwritten, or added when not there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Appended to what is there.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Taken away.
    pub remove: Vec<HeaderName>,
}
