//! Matches of HTTPRoutes.

use crate::Decoder;
use crate::api::{HeaderName, check_unique, choice, object, refuse, rule};
use gatefold_diagnostic::yaml::Node;

object! {
    /// The conditions on a request; all of them must be met.
    #[derive(Default)]
    pub closed HTTPRouteMatch checked by HTTPRouteMatch::check {
        /// The condition on the path.
        "path" => path: HTTPPathMatch = HTTPPathMatch::default(),
        /// The conditions on headers.
        "headers" => headers: Vec<HTTPHeaderMatch> [0..=16],
        /// The conditions on query parameters.
        "queryParams" => query_params: Vec<HTTPQueryParamMatch> [0..=16],
        /// The method; absent for any method.
        "method" => method: Option<HTTPMethod>,
    }
}

object! {
    /// A condition on the path.
    pub closed HTTPPathMatch checked by HTTPPathMatch::check {
        /// How the path is compared.
        "type" => kind: PathMatchType = PathMatchType::PathPrefix,
        /// The path, prefix or expression; at most 1024 characters.
        "value" => value: String [0..=1024] = "/".to_owned(),
    }
}

impl Default for HTTPPathMatch {
    fn default() -> Self {
        HTTPPathMatch {
            kind: PathMatchType::PathPrefix,
            value: "/".to_owned(),
        }
    }
}

choice! {
    /// How a path is compared.
    pub PathMatchType {
        /// The path is equal, case-sensitively.
        Exact,
        /// The path begins with the same segments.
        PathPrefix,
        /// A regular expression matches the whole path.
        RegularExpression,
    }
}

object! {
    /// A condition on a header.
    pub closed HTTPHeaderMatch {
        /// How the value is compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The name of the header, compared case-insensitively.
        "name" => name: HeaderName,
        /// The value or expression; 1 to 4096 characters of any kind.
        "value" => value: String [1..=4096],
    }
}

object! {
    /// A condition on a query parameter.
    pub closed HTTPQueryParamMatch {
        /// How the value is compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The name of the parameter, compared case-sensitively.
        "name" => name: HeaderName,
        /// The value or expression; 1 to 1024 characters.
        "value" => value: String [1..=1024],
    }
}

choice! {
    /// How the value of a header or a query parameter is compared.
    pub ValueMatchType {
        /// The value is equal.
        Exact,
        /// A regular expression matches the whole value.
        RegularExpression,
    }
}

choice! {
    /// A request's method.
    pub HTTPMethod {
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// DELETE
        Delete = "DELETE",
        /// CONNECT
        Connect = "CONNECT",
        /// OPTIONS
        Options = "OPTIONS",
        /// TRACE
        Trace = "TRACE",
        /// PATCH
        Patch = "PATCH",
    }
}

/// Refuses a match with two conditions on one header.
pub(super) fn check_headers(headers: &[HTTPHeaderMatch], node: &Node, decoder: &mut Decoder) {
    let names = headers.iter().map(|header| Some(&header.name));
    let what = "the header is matched twice";
    check_unique(node, "headers", names, what, decoder);
}

impl HTTPRouteMatch {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_headers(&self.headers, node, decoder);
        let params = self.query_params.iter().map(|param| Some(&param.name));
        check_unique(
            node,
            "queryParams",
            params,
            "the parameter is matched twice",
            decoder,
        );
    }
}

impl HTTPPathMatch {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.kind == PathMatchType::RegularExpression {
            return;
        }
        if let Err(why) = rule::plain_path(&self.value) {
            refuse(node, "value", &why, decoder);
        }
    }
}
