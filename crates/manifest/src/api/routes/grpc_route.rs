//! GRPCRoute.

use super::http_match::check_headers;
use crate::Decoder;
use crate::api::{
    BackendRef, HTTPHeaderFilter, HTTPHeaderMatch, HTTPRequestMirrorFilter, Hostname,
    LocalObjectReference, Object, ParentReference, RouteFilter, SectionName, SessionPersistence,
    UseDefaultGateways, ValueMatchType, check_union, check_unique, choice, object, refuse,
};
use gatefold_diagnostic::yaml::Node;

/// A route for gRPC requests.
pub type GRPCRoute = Object<GRPCRouteSpec>;

/// The API allows at most this many matches in all rules of a route.
const MOST_MATCHES: usize = 128;

object! {
    /// `GRPCRoute.spec`.
    pub closed GRPCRouteSpec checked by GRPCRouteSpec::check {
        /// The Gateways and ListenerSets that the route attaches to.
        "parentRefs" => parent_refs: Vec<ParentReference> [0..=32],
        /// Whether the route attaches to default Gateways (experimental).
        "useDefaultGateways" => use_default_gateways: Option<UseDefaultGateways>,
        /// The hostnames that the route matches; any hostname if empty.
        "hostnames" => hostnames: Vec<Hostname> [0..=16],
        /// The rules. Unlike an HTTPRoute, a GRPCRoute without rules matches nothing.
        "rules" => rules: Vec<GRPCRouteRule> [0..=16],
    }
}

impl GRPCRouteSpec {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        ParentReference::check_list(&self.parent_refs, node, decoder);
        let names = self.rules.iter().map(|rule| rule.name.as_ref());
        let what = "rules of a route must have different names";
        check_unique(node, "rules", names, what, decoder);
        let matches: usize = self.rules.iter().map(|rule| rule.matches.len()).sum();
        if matches > MOST_MATCHES {
            let why = format!(
                "a route has at most {MOST_MATCHES} matches in all its rules, this one has {matches}"
            );
            refuse(node, "rules", &why, decoder);
        }
    }
}

object! {
    /// Matches, filters, and the backends of matching requests.
    #[derive(Default)]
    pub closed GRPCRouteRule checked by GRPCRouteRule::check {
        /// The rule's name, unique within the route.
        "name" => name: Option<SectionName>,
        /// The rule applies if any of the matches does; to every gRPC request if there are none.
        "matches" => matches: Vec<GRPCRouteMatch> [0..=64],
        /// Filters for requests of this rule.
        "filters" => filters: Vec<GRPCRouteFilter> [0..=16],
        /// The backends that requests are forwarded to.
        "backendRefs" => backend_refs: Vec<GRPCBackendRef> [0..=16],
        /// Whether a client keeps its backend (experimental, deprecated by v1.7.0).
        "sessionPersistence" => session_persistence: Option<Box<SessionPersistence>>,
    }
}

impl GRPCRouteRule {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        GRPCRouteFilter::check_list(&self.filters, node, decoder);
    }
}

object! {
    /// Conditions on a request, which must all hold.
    #[derive(Default)]
    pub closed GRPCRouteMatch checked by GRPCRouteMatch::check {
        /// The gRPC service and method; any if absent.
        "method" => method: Option<GRPCMethodMatch>,
        /// Headers, which must all match.
        "headers" => headers: Vec<HTTPHeaderMatch> [0..=16],
    }
}

impl GRPCRouteMatch {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_headers(&self.headers, node, decoder);
    }
}

object! {
    /// Which services and methods a match applies to. At least one of the two is given.
    pub closed GRPCMethodMatch checked by GRPCMethodMatch::check {
        /// How service and method are compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The full name of the service, `package.Service`; any service if absent.
        "service" => service: Option<String> [0..=1024],
        /// The name of the method; any method if absent.
        "method" => method: Option<String> [0..=1024],
    }
}

impl GRPCMethodMatch {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.service.is_none() && self.method.is_none() {
            let why = "one or both of `service` and `method` must be given";
            refuse(node, "service", why, decoder);
        }
        if self.kind != ValueMatchType::Exact {
            return;
        }
        if let Some(service) = &self.service
            && !is_service_name(service)
        {
            let why =
                format!("`{service}` isn't the name of a gRPC service (such as `package.Service`)");
            refuse(node, "service", &why, decoder);
        }
        if let Some(method) = &self.method
            && !is_identifier(method)
        {
            let why = format!("`{method}` isn't the name of a gRPC method (such as `GetUser`)");
            refuse(node, "method", &why, decoder);
        }
    }
}

/// Whether a text is a name of Protocol Buffers: a letter or `_`, then letters, digits and `_`.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a text is a service's name: identifiers with dots between them. A leading dot is allowed.
fn is_service_name(text: &str) -> bool {
    let text = text.strip_prefix('.').unwrap_or(text);
    text.split('.').all(is_identifier)
}

object! {
    /// A filter of a GRPCRoute. Exactly the field that `type` names is set.
    pub closed GRPCRouteFilter checked by GRPCRouteFilter::check {
        /// The type of the filter.
        "type" => kind: GRPCRouteFilterType,
        /// Changes to request headers.
        "requestHeaderModifier" => request_header_modifier: Option<Box<HTTPHeaderFilter>>,
        /// Changes to response headers.
        "responseHeaderModifier" => response_header_modifier: Option<Box<HTTPHeaderFilter>>,
        /// Copies of requests to another backend.
        "requestMirror" => request_mirror: Option<Box<HTTPRequestMirrorFilter>>,
        /// A filter that another API defines.
        "extensionRef" => extension_ref: Option<Box<LocalObjectReference>>,
    }
}

choice! {
    /// The type of a GRPCRoute's filter.
    pub GRPCRouteFilterType {
        /// Core.
        RequestHeaderModifier,
        /// Core.
        ResponseHeaderModifier,
        /// Extended.
        RequestMirror,
        /// Implementation-specific.
        ExtensionRef,
    }
}

impl GRPCRouteFilterType {
    /// The field that belongs to the type.
    fn field(self) -> &'static str {
        match self {
            GRPCRouteFilterType::RequestHeaderModifier => "requestHeaderModifier",
            GRPCRouteFilterType::ResponseHeaderModifier => "responseHeaderModifier",
            GRPCRouteFilterType::RequestMirror => "requestMirror",
            GRPCRouteFilterType::ExtensionRef => "extensionRef",
        }
    }
}

impl GRPCRouteFilter {
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
            ("extensionRef", self.extension_ref.is_some()),
        ];
        let with = format!("type {}", self.kind.as_str());
        check_union(&with, self.kind.field(), &fields, node, decoder);
    }
}

impl RouteFilter for GRPCRouteFilter {
    fn check_list(filters: &[Self], node: &Node, decoder: &mut Decoder) {
        let single = filters.iter().map(|filter| match filter.kind {
            GRPCRouteFilterType::RequestMirror | GRPCRouteFilterType::ExtensionRef => None,
            GRPCRouteFilterType::RequestHeaderModifier
            | GRPCRouteFilterType::ResponseHeaderModifier => Some(filter.kind),
        });
        let what = "this filter can't be repeated";
        check_unique(node, "filters", single, what, decoder);
    }
}

/// A backend of a rule.
pub type GRPCBackendRef = BackendRef<GRPCRouteFilter>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_follow_the_pattern_of_the_api() {
        for name in ["a", "a.b.C", "_x.Y1", ".a.b"] {
            assert!(is_service_name(name), "{name}");
        }
        for name in ["", ".", "a.", "a..b", "1a", "a/b", "a-b", "a.1"] {
            assert!(!is_service_name(name), "{name}");
        }
    }
}
