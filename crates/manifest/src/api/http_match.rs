use super::{HeaderName, check_unique, choice, object, refuse, rule};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;

object! {
    /// What a request must look like; all parts must hold.
    #[derive(Default)]
    pub closed HTTPRouteMatch checked by HTTPRouteMatch::check {
        /// The path.
        "path" => path: HTTPPathMatch = HTTPPathMatch::default(),
        /// Headers, which must all match.
        "headers" => headers: Vec<HTTPHeaderMatch> [0..=16],
        /// Query parameters, which must all match.
        "queryParams" => query_params: Vec<HTTPQueryParamMatch> [0..=16],
        /// The method.
        "method" => method: Option<HTTPMethod>,
    }
}

object! {
    /// What the path must look like.
    pub closed HTTPPathMatch checked by HTTPPathMatch::check {
        /// How it is compared.
        "type" => kind: PathMatchType = PathMatchType::PathPrefix,
        /// With what; at most 1024 characters.
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
        /// Equal, letter by letter.
        Exact,
        /// By whole segments from the start.
        PathPrefix,
        /// By a regular expression that must match all of it.
        RegularExpression,
    }
}

object! {
    /// What a header must look like.
    pub closed HTTPHeaderMatch {
        /// How it is compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The header's name, without regard to case.
        "name" => name: HeaderName,
        /// With what; 1 to 4096 characters of any kind.
        "value" => value: String [1..=4096],
    }
}

object! {
    /// What a query parameter must look like.
    pub closed HTTPQueryParamMatch {
        /// How it is compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The parameter's name, case counts.
        "name" => name: HeaderName,
        /// With what; 1 to 1024 characters.
        "value" => value: String [1..=1024],
    }
}

choice! {
    /// How a header or a query parameter is compared.
    pub ValueMatchType {
        /// Equal.
        Exact,
        /// By a regular expression that must match all of it.
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

impl HTTPRouteMatch {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let headers = self.headers.iter().map(|header| Some(&header.name));
        check_unique(
            node,
            "headers",
            headers,
            "the header is matched twice",
            decoder,
        );
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
