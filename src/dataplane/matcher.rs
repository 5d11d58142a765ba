use http::{HeaderName, Method};
use regex::Regex;

/// What a request must look like besides its host and path.
#[derive(Debug, Default)]
pub struct Matcher {
    /// The method, if it matters.
    pub method: Option<Method>,
    /// Headers, which must all match.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// Query parameters, which must all match; names are compared letter by letter.
    pub query: Vec<(Box<str>, ValueMatch)>,
}

/// What a value must look like.
#[derive(Debug)]
pub enum ValueMatch {
    /// Equal.
    Exact(Box<str>),
    /// Matched as a whole; the pattern is anchored.
    Regex(Regex),
}

/// What a path must look like.
#[derive(Debug)]
pub enum PathMatch {
    /// Equal.
    Exact(Box<str>),
    /// By whole segments; without a final slash but for `/` itself.
    Prefix(Box<str>),
    /// Matched as a whole; the pattern isn't anchored yet.
    Regex(Box<str>),
}
