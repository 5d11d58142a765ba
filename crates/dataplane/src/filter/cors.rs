//! The `CORS` filter: lets scripts of other origins use a route.

mod origin;

use super::answer::{FilterAnswer, ResponsePhase};
use super::header_modifier::Headers;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use origin::Origin;
pub use origin::OriginPattern;
use std::fmt;

/// `CORS` (GEP-1767; Fetch standard, section 3.3, "CORS protocol"). The gateway decides: a backend's own CORS headers are
/// replaced.
#[derive(Debug)]
pub struct Cors {
    /// The origins that may use the route.
    pub origins: Origins,
    /// Whether requests may carry credentials such as cookies.
    pub credentials: Credentials,
    /// The allowed methods.
    pub methods: Allowed,
    /// The allowed request headers.
    pub headers: Allowed,
    /// The response headers that scripts may read in addition to the safelisted ones.
    pub expose: Exposed,
    /// How long a browser may cache the answer to a preflight request, in seconds.
    pub max_age: HeaderValue,
}

/// The origins that may use a route.
#[derive(Debug)]
pub enum Origins {
    /// `*`.
    Any,
    /// Those that match one of these patterns.
    Listed(Box<[OriginPattern]>),
}

/// Whether requests may carry credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// They may. Then no field may be answered with `*`.
    Allowed,
    /// They may not.
    Omitted,
}

/// The methods or headers allowed in requests.
#[derive(Debug)]
pub enum Allowed {
    /// The manifest lists none: only those that the Fetch standard always allows.
    Unset,
    /// `*`: all.
    Any,
    /// These, separated by commas.
    Listed(HeaderValue),
}

/// The response headers that scripts may read.
#[derive(Debug)]
pub enum Exposed {
    /// The manifest lists none.
    Unset,
    /// `*`: all.
    Any,
    /// These, separated by commas.
    Listed(HeaderValue),
}

impl Cors {
    /// Answers a preflight request.
    pub fn answer_preflight(&self, request: &HeaderMap) -> FilterAnswer {
        let mut answer = no_permission();
        self.grant(request, &mut answer.headers);
        answer
    }

    /// Adds the fields of the answer to a preflight request. If the origin is not allowed, it adds only `Vary`, so the browser
    /// blocks the request.
    fn grant(&self, request: &HeaderMap, response: &mut impl Headers) {
        for name in [
            ORIGIN,
            ACCESS_CONTROL_REQUEST_METHOD,
            ACCESS_CONTROL_REQUEST_HEADERS,
        ] {
            response.append(&VARY, &name.into());
        }
        if !self.allow_origin(request.get(ORIGIN), response) {
            return;
        }
        let lists = [
            (
                &self.methods,
                ACCESS_CONTROL_ALLOW_METHODS,
                ACCESS_CONTROL_REQUEST_METHOD,
            ),
            (
                &self.headers,
                ACCESS_CONTROL_ALLOW_HEADERS,
                ACCESS_CONTROL_REQUEST_HEADERS,
            ),
        ];
        for (allowed, allow, asked) in lists {
            match allowed {
                Allowed::Unset => {}
                // Echoing the requested names works with and without credentials. `*` works neither with credentials nor for
                // the header `Authorization`.
                Allowed::Any => {
                    for value in request.get_all(asked) {
                        response.append(&allow, value);
                    }
                }
                Allowed::Listed(list) => response.set(&allow, list),
            }
        }
        if let Exposed::Listed(list) = &self.expose {
            response.set(&ACCESS_CONTROL_EXPOSE_HEADERS, list);
        }
        response.set(&ACCESS_CONTROL_MAX_AGE, &self.max_age);
    }

    /// Replaces the CORS fields of a backend's response.
    pub fn change_response(&self, request: &HeaderMap, response: &mut impl Headers) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
        ] {
            response.remove(&name);
        }
        if !self.is_the_same_for_all() && !varies_by_origin(response.fields()) {
            response.append(&VARY, &HeaderValue::from_static("Origin"));
        }
        if !self.allow_origin(request.get(ORIGIN), response) {
            return;
        }
        match &self.expose {
            Exposed::Unset => {}
            Exposed::Listed(list) => response.set(&ACCESS_CONTROL_EXPOSE_HEADERS, list),
            Exposed::Any if self.credentials == Credentials::Omitted => {
                let any = HeaderValue::from_static("*");
                response.set(&ACCESS_CONTROL_EXPOSE_HEADERS, &any);
            }
            // "the gateway cannot use the `*`": so the names are listed.
            Exposed::Any => {
                if let Some(names) = list(response.fields().keys()) {
                    response.set(&ACCESS_CONTROL_EXPOSE_HEADERS, &names);
                }
            }
        }
    }

    /// Allows the origin if it matches. Returns whether it does.
    fn allow_origin(&self, origin: Option<&HeaderValue>, response: &mut impl Headers) -> bool {
        let Some(origin) = origin.filter(|origin| self.origins.contain(origin)) else {
            return false;
        };
        if self.is_the_same_for_all() {
            let any = HeaderValue::from_static("*");
            response.set(&ACCESS_CONTROL_ALLOW_ORIGIN, &any);
        } else {
            response.set(&ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if self.credentials == Credentials::Allowed {
            let allowed = HeaderValue::from_static("true");
            response.set(&ACCESS_CONTROL_ALLOW_CREDENTIALS, &allowed);
        }
        true
    }

    /// Whether responses do not depend on the origin, so that caches need not distinguish origins.
    fn is_the_same_for_all(&self) -> bool {
        matches!(self.origins, Origins::Any) && self.credentials == Credentials::Omitted
    }
}

/// Returns an answer to a preflight request that allows nothing, for rules without CORS settings.
pub fn no_permission() -> FilterAnswer {
    FilterAnswer {
        status: StatusCode::NO_CONTENT,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        response_phase: ResponsePhase::Skip,
    }
}

/// Returns the method of the request that this one announces. `None` if it is not a preflight request ("CORS-preflight
/// request" of the Fetch standard).
pub(crate) fn announced_method(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if *method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    let announced = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(announced.as_bytes()).ok()
}

fn varies_by_origin(response: &HeaderMap) -> bool {
    let values = response.get_all(VARY).iter();
    let mut names = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    names.any(|name| {
        matches!(name.trim_ascii(), b"*") || name.trim_ascii().eq_ignore_ascii_case(b"origin")
    })
}

/// Returns the names separated by commas. `None` if there are none.
pub fn list<'n>(names: impl Iterator<Item = &'n HeaderName>) -> Option<HeaderValue> {
    let names: Vec<&str> = names.map(HeaderName::as_str).collect();
    if names.is_empty() {
        return None;
    }
    HeaderValue::try_from(names.join(", ")).ok()
}

impl Origins {
    fn contain(&self, origin: &HeaderValue) -> bool {
        match self {
            Origins::Any => true,
            Origins::Listed(patterns) => {
                let origin = origin.to_str().ok().and_then(Origin::parse);
                origin.is_some_and(|origin| patterns.iter().any(|it| it.matches(&origin)))
            }
        }
    }
}

impl fmt::Display for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |value: &HeaderValue| value.as_bytes().escape_ascii().to_string();
        f.write_str(" cors [")?;
        match &self.origins {
            Origins::Any => f.write_str("origins *")?,
            Origins::Listed(patterns) => {
                f.write_str("origins")?;
                patterns.iter().try_for_each(|it| write!(f, " {it}"))?;
            }
        }
        if self.credentials == Credentials::Allowed {
            f.write_str(", credentials")?;
        }
        for (name, allowed) in [("methods", &self.methods), ("headers", &self.headers)] {
            match allowed {
                Allowed::Unset => {}
                Allowed::Any => write!(f, ", {name} *")?,
                Allowed::Listed(value) => write!(f, ", {name} {}", list(value))?,
            }
        }
        match &self.expose {
            Exposed::Unset => {}
            Exposed::Any => f.write_str(", expose *")?,
            Exposed::Listed(value) => write!(f, ", expose {}", list(value))?,
        }
        write!(f, ", max age {}]", list(&self.max_age))
    }
}

#[cfg(test)]
mod tests;
