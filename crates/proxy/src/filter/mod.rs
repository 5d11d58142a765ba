//! Filters.

pub(crate) mod headers;
pub(crate) mod url_rewrite;
