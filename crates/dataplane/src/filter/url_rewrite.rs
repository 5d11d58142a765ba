//! The `URLRewrite` filter: changes the host and path of the forwarded request.

use super::path_modifier::PathModifier;
use http::HeaderValue;
use http::uri::PathAndQuery;
use std::fmt;

/// `URLRewrite`: replaces the host, the path, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UrlRewrite {
    /// The new value of `Host`.
    pub hostname: Option<HeaderValue>,
    /// The change of the path.
    pub path: Option<PathModifier>,
}

impl UrlRewrite {
    /// Returns the target of the forwarded request. `None` if it stays the same. The query is kept.
    pub fn target(&self, path: &str, query: Option<&str>) -> Option<PathAndQuery> {
        let path = self.path.as_ref()?.apply(path);
        let target = match query {
            Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
            None => PathAndQuery::try_from(path.as_ref()),
        };
        // It consists of the request's own path and characters that a path can contain.
        target.ok()
    }
}

impl fmt::Display for UrlRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hostname) = &self.hostname {
            write!(f, " rewrite [host {}]", hostname.as_bytes().escape_ascii())?;
        }
        match &self.path {
            Some(path) => write!(f, " rewrite [{path}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_path_and_keeps_query() {
        let rewrite = UrlRewrite {
            path: Some(PathModifier::prefix("/v1", "/api")),
            ..UrlRewrite::default()
        };
        let target = |path, query| rewrite.target(path, query).map(|it| it.to_string());
        assert_eq!(
            target("/v1/a%2Fb", Some("c=/v1")).as_deref(),
            Some("/api/a%2Fb?c=/v1")
        );
        assert_eq!(target("/v1", None).as_deref(), Some("/api"));
        assert_eq!(UrlRewrite::default().target("/v1", None), None);
    }
}
