//! Filters as in the manifest, independent of the kind of route.

use gatefold_manifest::api::{
    HTTPCORSFilter, HTTPExternalAuthFilter, HTTPHeaderFilter, HTTPRequestMirrorFilter,
    HTTPRequestRedirectFilter, HTTPRouteFilter, HTTPRouteFilterType, HTTPURLRewriteFilter,
};

/// A filter as in the manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FilterSpec<'a> {
    RequestHeaderModifier(&'a HTTPHeaderFilter),
    ResponseHeaderModifier(&'a HTTPHeaderFilter),
    RequestRedirect(&'a HTTPRequestRedirectFilter),
    UrlRewrite(&'a HTTPURLRewriteFilter),
    RequestMirror(&'a HTTPRequestMirrorFilter),
    Cors(&'a HTTPCORSFilter),
    ExternalAuth(&'a HTTPExternalAuthFilter),
    ExtensionRef,
}

/// The requests that a list of filters applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterScope {
    /// All requests of a rule.
    Rule,
    /// The requests that are forwarded to one of its backends.
    Backend,
}

/// A filter of a kind of route.
pub(crate) trait ManifestFilter {
    /// Returns the filter independent of the kind. `None` without the field of its type, which the loader refuses.
    fn spec(&self) -> Option<FilterSpec<'_>>;
}

impl<'a> FilterSpec<'a> {
    /// Returns the filters of an HTTPRoute with their indexes. The loader has refused filters without the field of their type.
    pub fn list<F: ManifestFilter>(filters: &'a [F]) -> Vec<(usize, Self)> {
        let filters = filters.iter().enumerate();
        let filters = filters.filter_map(|(index, filter)| Some((index, filter.spec()?)));
        filters.collect()
    }

    /// Returns the type as a manifest spells it.
    pub fn name(self) -> &'static str {
        match self {
            FilterSpec::RequestHeaderModifier(_) => "RequestHeaderModifier",
            FilterSpec::ResponseHeaderModifier(_) => "ResponseHeaderModifier",
            FilterSpec::RequestRedirect(_) => "RequestRedirect",
            FilterSpec::UrlRewrite(_) => "URLRewrite",
            FilterSpec::RequestMirror(_) => "RequestMirror",
            FilterSpec::Cors(_) => "CORS",
            FilterSpec::ExternalAuth(_) => "ExternalAuth",
            FilterSpec::ExtensionRef => "ExtensionRef",
        }
    }

    /// Whether the filter may reject requests, which then must not reach the backend.
    pub fn may_reject_requests(self) -> bool {
        match self {
            FilterSpec::ExternalAuth(_) | FilterSpec::ExtensionRef => true,
            FilterSpec::RequestHeaderModifier(_)
            | FilterSpec::ResponseHeaderModifier(_)
            | FilterSpec::RequestRedirect(_)
            | FilterSpec::UrlRewrite(_)
            | FilterSpec::RequestMirror(_)
            | FilterSpec::Cors(_) => false,
        }
    }
}

impl ManifestFilter for HTTPRouteFilter {
    fn spec(&self) -> Option<FilterSpec<'_>> {
        Some(match self.kind {
            HTTPRouteFilterType::RequestHeaderModifier => {
                FilterSpec::RequestHeaderModifier(self.request_header_modifier.as_deref()?)
            }
            HTTPRouteFilterType::ResponseHeaderModifier => {
                FilterSpec::ResponseHeaderModifier(self.response_header_modifier.as_deref()?)
            }
            HTTPRouteFilterType::RequestRedirect => {
                FilterSpec::RequestRedirect(self.request_redirect.as_deref()?)
            }
            HTTPRouteFilterType::URLRewrite => FilterSpec::UrlRewrite(self.url_rewrite.as_deref()?),
            HTTPRouteFilterType::RequestMirror => {
                FilterSpec::RequestMirror(self.request_mirror.as_deref()?)
            }
            HTTPRouteFilterType::CORS => FilterSpec::Cors(self.cors.as_deref()?),
            HTTPRouteFilterType::ExternalAuth => {
                FilterSpec::ExternalAuth(self.external_auth.as_deref()?)
            }
            HTTPRouteFilterType::ExtensionRef => FilterSpec::ExtensionRef,
        })
    }
}
