//! The claims of a token (RFC 7519, section 4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::{Map, Number, Value};
use std::fmt;

/// The claims with the scopes of a token.
const SCOPES: [&str; 2] = ["scope", "scp"];

/// The claims of a token. The registered ones have the types of RFC 7519, section 4.1.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

/// The path of a claim: its name, or names separated by `.` for a claim within another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Box<str>);

impl ClaimPath {
    /// Reads a path as it is written in manifests.
    pub fn new(text: &str) -> Self {
        ClaimPath(text.into())
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Claims {
    /// Accepts the payload of a token. `None` if a registered claim has another type than it must have.
    pub(in crate::filter::security) fn new(payload: Map<String, Value>) -> Option<Self> {
        let is_fine = |name: &str, fits: fn(&Value) -> bool| payload.get(name).is_none_or(fits);
        let texts = ["iss", "sub", "jti"];
        let times = ["exp", "nbf", "iat"];
        let fine = texts.iter().all(|it| is_fine(it, Value::is_string))
            && times.iter().all(|it| is_fine(it, Value::is_number))
            && is_fine("aud", is_text_or_texts);
        fine.then_some(Claims(payload))
    }

    /// Returns `iss`.
    pub(in crate::filter::security) fn issuer(&self) -> Option<&str> {
        self.0.get("iss")?.as_str()
    }

    /// Returns a time in whole seconds since 1970: `exp`, `nbf`.
    pub(in crate::filter::security) fn seconds(&self, name: &str) -> Option<i64> {
        let number = self.0.get(name)?.as_number()?;
        // A conversion from a float cuts off the fraction, as in Envoy, and is limited to the range of the type.
        number
            .as_i64()
            .or_else(|| number.as_f64().map(|it| it as i64))
    }

    /// Returns a claim that is a text.
    pub(in crate::filter::security) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Returns the entries of `aud`.
    pub(in crate::filter::security) fn audiences(&self) -> impl Iterator<Item = &str> {
        let (one, list) = match self.0.get("aud") {
            Some(Value::String(text)) => (Some(text.as_str()), None),
            Some(Value::Array(list)) => (None, Some(list)),
            _ => (None, None),
        };
        let listed = list.into_iter().flatten().filter_map(Value::as_str);
        one.into_iter().chain(listed)
    }

    /// Returns a claim.
    fn get(&self, path: &ClaimPath) -> Option<&Value> {
        let mut names = path.0.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }

    /// Whether a claim is a text that is one of `values`.
    pub(in crate::filter::security) fn is_one_of(
        &self,
        path: &ClaimPath,
        values: &[Box<str>],
    ) -> bool {
        // Envoy splits the scopes before its rules see them.
        match self.get(path) {
            Some(Value::String(text)) if !is_scopes(path) => {
                values.iter().any(|value| **value == **text)
            }
            _ => false,
        }
    }

    /// Whether a claim is a list with one of `values`.
    pub(in crate::filter::security) fn contains_one_of(
        &self,
        path: &ClaimPath,
        values: &[Box<str>],
    ) -> bool {
        let has = |text: &str| values.iter().any(|value| **value == *text);
        match self.get(path) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(has),
            Some(Value::String(text)) if is_scopes(path) => text.split(' ').any(has),
            _ => false,
        }
    }

    /// Whether the token has a scope (RFC 8693, section 4.2): an entry of a list, or of a text that is separated by spaces.
    pub(in crate::filter::security) fn has_scope(&self, scope: &str) -> bool {
        SCOPES.iter().any(|name| match self.0.get(*name) {
            Some(Value::Array(list)) => list.iter().any(|it| it.as_str() == Some(scope)),
            Some(Value::String(text)) => text.split(' ').any(|it| it == scope),
            _ => false,
        })
    }

    /// Returns a claim as the value of a header, as Envoy writes it: texts as they are, whole numbers in decimal, other numbers
    /// with six decimals, lists and objects as the Base64 of their JSON. `None` if there is no such claim, if it is empty or
    /// null, or if it can't be a header: it contains a control character, or begins or ends with a space.
    pub(super) fn header_value(&self, path: &ClaimPath) -> Option<HeaderValue> {
        let text = match self.get(path)? {
            Value::Null => return None,
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => decimal(number)?,
            Value::String(text) => text.clone(),
            list_or_object @ (Value::Array(_) | Value::Object(_)) => {
                STANDARD.encode(list_or_object.to_string())
            }
        };
        let padded = text.trim_matches([' ', '\t']).len() != text.len();
        if text.is_empty() || padded {
            return None;
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
    }
}

/// Envoy computes with floats. A whole number beyond 2^53, such as a long identifier, would become another one, so whole numbers
/// are exact here.
fn decimal(number: &Number) -> Option<String> {
    if let Some(whole) = number.as_u64() {
        return Some(whole.to_string());
    }
    let number = number.as_f64()?;
    let is_whole = number >= 0.0 && number.fract() == 0.0 && number < 2_f64.powi(64);
    Some(if is_whole {
        format!("{number:.0}")
    } else {
        format!("{number:.6}")
    })
}

fn is_scopes(path: &ClaimPath) -> bool {
    SCOPES.contains(&&*path.0)
}

fn is_text_or_texts(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(list) => list.iter().all(Value::is_string),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
