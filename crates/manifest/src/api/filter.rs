use super::{
    BackendObjectReference, HTTPCORSFilter, HTTPExternalAuthFilter, HeaderName,
    LocalObjectReference, PortNumber, PreciseHostname, check_unique, choice, object, refuse,
};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;

object! {
    /// One step that a request or its response goes through. Exactly the field that `type` names is set.
    pub closed HTTPRouteFilter checked by HTTPRouteFilter::check {
        /// Which filter.
        "type" => kind: HTTPRouteFilterType,
        /// Changes to request headers.
        "requestHeaderModifier" => request_header_modifier: Option<HTTPHeaderFilter>,
        /// Changes to response headers.
        "responseHeaderModifier" => response_header_modifier: Option<HTTPHeaderFilter>,
        /// A copy of the request to another backend.
        "requestMirror" => request_mirror: Option<HTTPRequestMirrorFilter>,
        /// A redirect as the answer.
        "requestRedirect" => request_redirect: Option<HTTPRequestRedirectFilter>,
        /// Changes to the request's host and path.
        "urlRewrite" => url_rewrite: Option<HTTPURLRewriteFilter>,
        /// Cross-origin requests.
        "cors" => cors: Option<HTTPCORSFilter>,
        /// A question to an authorization server (experimental).
        "externalAuth" => external_auth: Option<HTTPExternalAuthFilter>,
        /// A filter of the implementation; there is none.
        "extensionRef" => extension_ref: Option<LocalObjectReference>,
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
    /// The field that `type` names must be there, and no other.
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
        let (kind, wanted) = (self.kind.as_str(), self.kind.field());
        check_union(kind, wanted, &fields, node, decoder);
    }
}

/// Checks that of the fields of a filter the wanted one is set, and no other.
pub(super) fn check_union(
    kind: &str,
    wanted: &str,
    fields: &[(&'static str, bool)],
    node: &Node,
    decoder: &mut Decoder,
) {
    for &(field, set) in fields {
        if field == wanted && !set {
            let why = format!("a filter of type {kind} needs it");
            refuse(node, field, &why, decoder);
        }
        if field != wanted && set {
            let why = format!("doesn't go with type {kind}");
            refuse(node, field, &why, decoder);
        }
    }
}

/// Rules for all filters of a rule, or of a backend.
pub(super) fn check_list(filters: &[HTTPRouteFilter], node: &Node, decoder: &mut Decoder) {
    let single = filters.iter().map(|filter| match filter.kind {
        HTTPRouteFilterType::RequestMirror
        | HTTPRouteFilterType::ExternalAuth
        | HTTPRouteFilterType::ExtensionRef => None,
        kind => Some(kind),
    });
    check_unique(
        node,
        "filters",
        single,
        "the filter can't be repeated",
        decoder,
    );
    let has = |kind| filters.iter().any(|filter| filter.kind == kind);
    if has(HTTPRouteFilterType::RequestRedirect) && has(HTTPRouteFilterType::URLRewrite) {
        let why = "RequestRedirect and URLRewrite can't go together";
        refuse(node, "filters", why, decoder);
    }
}

object! {
    /// Changes to headers: `set` overwrites, `add` appends, `remove` takes away.
    #[derive(Default)]
    pub closed HTTPHeaderFilter checked by HTTPHeaderFilter::check {
        /// Overwritten, or added when not there.
        "set" => set: Vec<HTTPHeader> [0..=16],
        /// Appended to what is there.
        "add" => add: Vec<HTTPHeader> [0..=16],
        /// Taken away, without regard to case.
        "remove" => remove: Vec<HeaderName> [0..=16],
    }
}

object! {
    /// A header.
    pub closed HTTPHeader {
        /// Its name.
        "name" => name: HeaderName,
        /// Its value, 1 to 4096 characters. Which of them can be sent is looked at in `graph`.
        "value" => value: String [1..=4096],
    }
}

object! {
    /// A copy of the request to another backend, whose answer is ignored.
    pub closed HTTPRequestMirrorFilter checked by HTTPRequestMirrorFilter::check {
        /// Where the copy goes.
        "backendRef" => backend_ref: BackendObjectReference,
        /// How many of a hundred requests.
        "percent" => percent: Option<i32>,
        /// How many of how many requests.
        "fraction" => fraction: Option<Fraction>,
    }
}

object! {
    /// How many of how many.
    pub closed Fraction checked by Fraction::check {
        /// How many.
        "numerator" => numerator: i32,
        /// Of how many.
        "denominator" => denominator: i32 = 100,
    }
}

object! {
    /// A redirect as the answer.
    pub closed HTTPRequestRedirectFilter checked by HTTPRequestRedirectFilter::check {
        /// `http` or `https`; the request's when absent.
        "scheme" => scheme: Option<RedirectScheme>,
        /// The host; the request's when absent.
        "hostname" => hostname: Option<PreciseHostname>,
        /// The path; the request's when absent.
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
        /// The Host header's new value.
        "hostname" => hostname: Option<PreciseHostname>,
        /// The path.
        "path" => path: Option<HTTPPathModifier>,
    }
}

object! {
    /// A change to a path.
    pub closed HTTPPathModifier checked by HTTPPathModifier::check {
        /// Which change.
        "type" => kind: HTTPPathModifierType,
        /// The whole path's new value.
        "replaceFullPath" => replace_full_path: Option<String> [0..=1024],
        /// What stands for the matched prefix.
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
    /// Where a redirect leads.
    pub RedirectScheme {
        /// Without TLS.
        Http = "http",
        /// With TLS.
        Https = "https",
    }
}

impl HTTPHeaderFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let set = self.set.iter().map(|header| Some(&header.name));
        check_unique(node, "set", set, "the header stands twice", decoder);
        let add = self.add.iter().map(|header| Some(&header.name));
        check_unique(node, "add", add, "the header stands twice", decoder);
        let remove = self.remove.iter().map(Some);
        check_unique(node, "remove", remove, "the header stands twice", decoder);
    }
}

impl HTTPRequestMirrorFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.percent.is_some() && self.fraction.is_some() {
            refuse(node, "fraction", "doesn't go with `percent`", decoder);
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
        let fields = [
            (
                HTTPPathModifierType::ReplaceFullPath,
                "replaceFullPath",
                &self.replace_full_path,
            ),
            (
                HTTPPathModifierType::ReplacePrefixMatch,
                "replacePrefixMatch",
                &self.replace_prefix_match,
            ),
        ];
        for (kind, field, value) in fields {
            match (self.kind == kind, value.is_some()) {
                (true, false) => {
                    let why = format!("with type {} it is needed", kind.as_str());
                    refuse(node, field, &why, decoder);
                }
                (false, true) => {
                    let why = format!("doesn't go with type {}", self.kind.as_str());
                    refuse(node, field, &why, decoder);
                }
                _ => {}
            }
        }
    }
}
