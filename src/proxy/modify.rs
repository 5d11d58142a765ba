use crate::dataplane::filter::header_modifier::HeaderModifier;
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

/// The headers of a message that a filter changes.
pub(super) trait Fields {
    fn set(&mut self, name: &HeaderName, value: HeaderValue) -> Result<()>;
    fn add(&mut self, name: &HeaderName, value: HeaderValue) -> Result<()>;
    fn remove(&mut self, name: &HeaderName);
}

/// Applies modifiers, one after the other. What frames a message or ends at the next hop is ours and stays
/// as it is.
pub(super) fn apply(modifiers: &[HeaderModifier], fields: &mut impl Fields) -> Result<()> {
    for modifier in modifiers {
        for (name, value) in modifier.set.iter().filter(|(name, _)| is_open(name)) {
            fields.set(name, value.clone())?;
        }
        for (name, value) in modifier.add.iter().filter(|(name, _)| is_open(name)) {
            fields.add(name, value.clone())?;
        }
        for name in modifier.remove.iter().filter(|name| is_open(name)) {
            fields.remove(name);
        }
    }
    Ok(())
}

/// Whether a filter may touch a header.
fn is_open(name: &HeaderName) -> bool {
    !(matches!(
        *name,
        CONNECTION | CONTENT_LENGTH | TE | TRAILER | TRANSFER_ENCODING | UPGRADE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection"))
}

impl Fields for RequestHeader {
    fn set(&mut self, name: &HeaderName, value: HeaderValue) -> Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: &HeaderName, value: HeaderValue) -> Result<()> {
        self.append_header(name, value).map(|_| ())
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }
}

impl Fields for ResponseHeader {
    fn set(&mut self, name: &HeaderName, value: HeaderValue) -> Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: &HeaderName, value: HeaderValue) -> Result<()> {
        self.append_header(name, value).map(|_| ())
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }
}
