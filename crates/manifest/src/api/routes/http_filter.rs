//! Filters of HTTPRoutes.

use crate::Decoder;
use crate::api::{
    BackendObjectReference, HTTPCORSFilter, HTTPExternalAuthFilter, HeaderName,
    LocalObjectReference, PortNumber, PreciseHostname, RouteFilter, check_union, check_unique,
    choice, object, refuse,
};
use gatefold_diagnostic::yaml::Node;

object! {
    /// One processing step for a request or its response. Exactly the field that `type` names is set.
    pub closed HTTPRouteFilter checked by HTTPRouteFilter::check {
        /// Which filter.
        "type" => kind: HTTPRouteFilterType,
        /// Changes to request headers.
        "requestHeaderModifier" => request_header_modifier: Option<Box<HTTPHeaderFilter>>,
        /// Changes to response headers.
        "responseHeaderModifier" => response_header_modifier: Option<Box<HTTPHeaderFilter>>,
        /// Sends a copy of the request to another backend.
        "requestMirror" => request_mirror: Option<Box<HTTPRequestMirrorFilter>>,
        /// Answers with a redirect.
        "requestRedirect" => request_redirect: Option<Box<HTTPRequestRedirectFilter>>,
        /// Changes to the request's host and path.
        "urlRewrite" => url_rewrite: Option<Box<HTTPURLRewriteFilter>>,
        /// Cross-origin requests.
        "cors" => cors: Option<Box<HTTPCORSFilter>>,
        /// Asks an authorization server (experimental).
        "externalAuth" => external_auth: Option<Box<HTTPExternalAuthFilter>>,
        /// An implementation-specific filter; gatefold has none.
        "extensionRef" => extension_ref: Option<Box<LocalObjectReference>>,
    }
}

choice! {
    /// Which filter.
    pub HTTPRouteFilterType {
        /// Core.
        RequestHeaderModifier,
        /// Extended.
        ResponseHeaderModifier,
        /// Core.
        RequestRedirect,
        /// Extended.
        URLRewrite,
        /// Extended.
        RequestMirror,
        /// Extended.
        CORS,
        /// Experimental.
        ExternalAuth,
        /// Implementation-specific.
        ExtensionRef,
    }
}

impl HTTPRouteFilterType {
    /// The field that goes with the type.
    fn field(self) -> &'static str {
        match self {
            HTTPRouteFilterType::RequestHeaderModifier => "requestHeaderModifier",
            HTTPRouteFilterType::ResponseHeaderModifier => "responseHeaderModifier",
            HTTPRouteFilterType::RequestRedirect => "requestRedirect",
            HTTPRouteFilterType::URLRewrite => "urlRewrite",
            HTTPRouteFilterType::RequestMirror => "requestMirror",
            HTTPRouteFilterType::CORS => "cors",
            HTTPRouteFilterType::ExternalAuth => "externalAuth",
            HTTPRouteFilterType::ExtensionRef => "extensionRef",
        }
    }
}

impl HTTPRouteFilter {
    /// The field that `type` names must be set, and no other.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let fields = [
            (
                "requestHeaderModifier",
                self.request_header_modifier.is_some(),
            ),
            (
                "responseHeaderModifier",
                self.response_header_modifier.is_some(),
            ),
            ("requestMirror", self.request_mirror.is_some()),
            ("requestRedirect", self.request_redirect.is_some()),
            ("urlRewrite", self.url_rewrite.is_some()),
            ("cors", self.cors.is_some()),
            ("externalAuth", self.external_auth.is_some()),
            ("extensionRef", self.extension_ref.is_some()),
        ];
        let with = format!("type {}", self.kind.as_str());
        check_union(&with, self.kind.field(), &fields, node, decoder);
    }
}

impl RouteFilter for HTTPRouteFilter {
    fn check_list(filters: &[Self], node: &Node, decoder: &mut Decoder) {
        let single = filters.iter().map(|filter| match filter.kind {
            HTTPRouteFilterType::RequestMirror
            | HTTPRouteFilterType::ExternalAuth
            | HTTPRouteFilterType::ExtensionRef => None,
            HTTPRouteFilterType::RequestHeaderModifier
            | HTTPRouteFilterType::ResponseHeaderModifier
            | HTTPRouteFilterType::RequestRedirect
            | HTTPRouteFilterType::URLRewrite
            | HTTPRouteFilterType::CORS => Some(filter.kind),
        });
        check_unique(
            node,
            "filters",
            single,
            "this filter can't be repeated",
            decoder,
        );
        let has = |kind| filters.iter().any(|filter| filter.kind == kind);
        if has(HTTPRouteFilterType::RequestRedirect) && has(HTTPRouteFilterType::URLRewrite) {
            let why = "RequestRedirect and URLRewrite can't be combined";
            refuse(node, "filters", why, decoder);
        }
    }
}

object! {
    /// Changes to headers: `set` overwrites, `add` appends, `remove` deletes.
    #[derive(Default)]
    pub closed HTTPHeaderFilter checked by HTTPHeaderFilter::check {
        /// Headers to overwrite, or to add if they are absent.
        "set" => set: Vec<HTTPHeader> [0..=16],
        /// Headers to append to the existing ones.
        "add" => add: Vec<HTTPHeader> [0..=16],
        /// Headers to delete, compared case-insensitively.
        "remove" => remove: Vec<HeaderName> [0..=16],
    }
}

object! {
    /// A header.
    pub closed HTTPHeader {
        /// The name.
        "name" => name: HeaderName,
        /// The value, 1 to 4096 characters. The graph checks whether it can be sent.
        "value" => value: String [1..=4096],
    }
}

object! {
    /// Sends a copy of the request to another backend and ignores the response.
    pub closed HTTPRequestMirrorFilter checked by HTTPRequestMirrorFilter::check {
        /// The backend that gets the copy.
        "backendRef" => backend_ref: BackendObjectReference,
        /// The percentage of requests to copy, 0 to 100.
        "percent" => percent: Option<i32>,
        /// The fraction of requests to copy.
        "fraction" => fraction: Option<Fraction>,
    }
}

object! {
    /// A fraction between 0 and 1.
    pub closed Fraction checked by Fraction::check {
        /// The numerator, 0 to the denominator.
        "numerator" => numerator: i32,
        /// The denominator, at least 1.
        "denominator" => denominator: i32 = 100,
    }
}

object! {
    /// Answers with a redirect.
    pub closed HTTPRequestRedirectFilter checked by HTTPRequestRedirectFilter::check {
        /// `http` or `https`; absent keeps the scheme of the request.
        "scheme" => scheme: Option<RedirectScheme>,
        /// The host; absent keeps the host of the request.
        "hostname" => hostname: Option<PreciseHostname>,
        /// The path; absent keeps the path of the request.
        "path" => path: Option<HTTPPathModifier>,
        /// The port.
        "port" => port: Option<PortNumber>,
        /// 301, 302, 303, 307 or 308.
        "statusCode" => status_code: i32 = 302,
    }
}

object! {
    /// Changes to the request's host and path.
    pub closed HTTPURLRewriteFilter {
        /// The new value of the Host header.
        "hostname" => hostname: Option<PreciseHostname>,
        /// The change to the path.
        "path" => path: Option<HTTPPathModifier>,
    }
}

object! {
    /// A change to a path.
    pub closed HTTPPathModifier checked by HTTPPathModifier::check {
        /// Which part of the path is replaced.
        "type" => kind: HTTPPathModifierType,
        /// The replacement for the whole path.
        "replaceFullPath" => replace_full_path: Option<String> [0..=1024],
        /// The replacement for the matched prefix.
        "replacePrefixMatch" => replace_prefix_match: Option<String> [0..=1024],
    }
}

choice! {
    /// Which part of a path is changed.
    pub HTTPPathModifierType {
        /// All of it.
        ReplaceFullPath,
        /// The prefix that the rule matched.
        ReplacePrefixMatch,
    }
}

choice! {
    /// The scheme of a redirect.
    pub RedirectScheme {
        /// Plain text.
        Http = "http",
        /// TLS.
        Https = "https",
    }
}

impl HTTPHeaderFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let set = self.set.iter().map(|header| Some(&header.name));
        check_unique(node, "set", set, "the header appears twice", decoder);
        let add = self.add.iter().map(|header| Some(&header.name));
        check_unique(node, "add", add, "the header appears twice", decoder);
        let remove = self.remove.iter().map(Some);
        check_unique(node, "remove", remove, "the header appears twice", decoder);
    }
}

impl HTTPRequestMirrorFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.percent.is_some() && self.fraction.is_some() {
            refuse(
                node,
                "fraction",
                "isn't allowed together with `percent`",
                decoder,
            );
        }
        if self
            .percent
            .is_some_and(|percent| !(0..=100).contains(&percent))
        {
            refuse(node, "percent", "isn't within 0 to 100", decoder);
        }
    }
}

impl Fraction {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.denominator < 1 {
            refuse(node, "denominator", "must be at least 1", decoder);
        } else if !(0..=self.denominator).contains(&self.numerator) {
            refuse(
                node,
                "numerator",
                "isn't within 0 and the denominator",
                decoder,
            );
        }
    }
}

impl HTTPRequestRedirectFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if !matches!(self.status_code, 301 | 302 | 303 | 307 | 308) {
            let why = format!("{} isn't one of 301, 302, 303, 307, 308", self.status_code);
            refuse(node, "statusCode", &why, decoder);
        }
    }
}

impl HTTPPathModifier {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let wanted = match self.kind {
            HTTPPathModifierType::ReplaceFullPath => "replaceFullPath",
            HTTPPathModifierType::ReplacePrefixMatch => "replacePrefixMatch",
        };
        let fields = [
            ("replaceFullPath", self.replace_full_path.is_some()),
            ("replacePrefixMatch", self.replace_prefix_match.is_some()),
        ];
        let with = format!("type {}", self.kind.as_str());
        check_union(&with, wanted, &fields, node, decoder);
    }
}
