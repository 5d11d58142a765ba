//! Compiles the filters of a rule or a backend.

use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::filter::Filter;
use gatefold_dataplane::filter::cors::{
    Allowed, Cors, Credentials, Exposed, OriginPattern, Origins,
};
use gatefold_dataplane::filter::external_auth::{AuthServer, AuthServers, ExternalAuth};
use gatefold_dataplane::filter::header_modifier::{HeaderAction, HeaderModifier, refusal, value};
use gatefold_dataplane::filter::path_modifier::PathModifier;
use gatefold_dataplane::filter::request_mirror::{RequestMirror, Share};
use gatefold_dataplane::filter::request_redirect::RequestRedirect;
use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::filter::url_rewrite::UrlRewrite;
use gatefold_graph::route::{ExternalAuthNode, FilterNode, TargetNode};
use gatefold_manifest::api::{
    self, HTTPCORSFilter, HTTPHeader, HTTPHeaderFilter, HTTPPathModifier, HTTPPathModifierType,
    HTTPRequestRedirectFilter, HTTPURLRewriteFilter, PortNumber, RedirectScheme,
};
use http::{HeaderName, HeaderValue, StatusCode};
use std::sync::Arc;

/// Compiles the filters of a rule or of one of its backends, in the order of the manifest. `prefix` is the path of the rule's
/// first match. `target` compiles the targets of filters with a backend of their own, and `served` returns the number of requests
/// that a mirror has counted. `None` if a filter can't be compiled as written: the graph has reported it, and
/// a filter is never left out.
pub(super) fn filters(
    nodes: &[FilterNode],
    prefix: &str,
    mut target: impl FnMut(&TargetNode) -> BackendTarget,
    served: impl Fn(&str) -> u64,
) -> Option<Vec<Filter>> {
    let mut filter = |node: &FilterNode| {
        Some(match node {
            FilterNode::RequestHeaderModifier(headers) => {
                Filter::RequestHeaderModifier(modifier(headers)?)
            }
            FilterNode::ResponseHeaderModifier(headers) => {
                Filter::ResponseHeaderModifier(modifier(headers)?)
            }
            FilterNode::RequestRedirect(fields) => {
                Filter::RequestRedirect(Box::new(redirect(fields, prefix)))
            }
            FilterNode::UrlRewrite(rewrite) => Filter::UrlRewrite(url_rewrite(rewrite, prefix)?),
            FilterNode::RequestMirror(node) => {
                let (numerator, denominator) = node.share;
                Filter::RequestMirror(RequestMirror {
                    name: node.name.as_str().into(),
                    target: target(&node.target),
                    share: Share::new(numerator, denominator, served(&node.name)),
                })
            }
            FilterNode::ExternalAuth(node) => {
                Filter::ExternalAuth(Arc::new(external_auth(node, &mut target)?))
            }
            FilterNode::Cors(fields) => Filter::Cors(Arc::new(cors(fields)?)),
        })
    };
    nodes.iter().map(&mut filter).collect()
}

/// Compiles the servers of a filter. `None` if one of them can't be asked as demanded, for example in TLS.
pub(super) fn external_auth(
    node: &ExternalAuthNode,
    mut target: impl FnMut(&TargetNode) -> BackendTarget,
) -> Option<ExternalAuth> {
    let servers = node.servers.iter().map(|server| {
        let target = target(&server.target);
        let is_valid = !matches!(target, BackendTarget::Invalid);
        is_valid.then(|| AuthServer {
            name: server.name.as_str().into(),
            weight: server.weight,
            fallback: server.fallback,
            target,
        })
    });
    Some(ExternalAuth {
        servers: AuthServers::new(servers.collect::<Option<_>>()?),
        settings: node.settings.clone(),
    })
}

fn redirect(filter: &HTTPRequestRedirectFilter, prefix: &str) -> RequestRedirect {
    let HTTPRequestRedirectFilter {
        scheme,
        hostname,
        path,
        port,
        status_code,
    } = filter;
    let status = u16::try_from(*status_code).ok();
    RequestRedirect {
        // The loader accepts only the statuses of the API.
        status: status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::FOUND),
        scheme: scheme.map(|scheme| match scheme {
            RedirectScheme::Http => Scheme::Http,
            RedirectScheme::Https => Scheme::Https,
        }),
        hostname: hostname.as_ref().map(|name| name.as_str().into()),
        port: port.map(PortNumber::get),
        path: path.as_ref().map(|path| path_modifier(path, prefix)),
    }
}

fn cors(filter: &HTTPCORSFilter) -> Option<Cors> {
    let any = |list: &[String]| list.iter().any(|text| text == "*");
    let names = |names: &[api::HeaderName]| -> Vec<String> {
        names.iter().map(api::HeaderName::to_string).collect()
    };
    let allowed = |list: &[String]| {
        Some(match list {
            [] => Allowed::Unset,
            list if any(list) => Allowed::Any,
            list => Allowed::Listed(HeaderValue::try_from(list.join(", ")).ok()?),
        })
    };
    let patterns = || {
        filter
            .allow_origins
            .iter()
            .map(|it| OriginPattern::parse(it))
    };
    Some(Cors {
        origins: if any(&filter.allow_origins) {
            Origins::Any
        } else {
            Origins::Listed(patterns().collect::<Option<_>>()?)
        },
        credentials: if filter.allow_credentials {
            Credentials::Allowed
        } else {
            Credentials::Omitted
        },
        methods: allowed(&filter.allow_methods)?,
        headers: allowed(&names(&filter.allow_headers))?,
        expose: match allowed(&names(&filter.expose_headers))? {
            Allowed::Unset => Exposed::Unset,
            Allowed::Any => Exposed::Any,
            Allowed::Listed(list) => Exposed::Listed(list),
        },
        max_age: HeaderValue::from(filter.max_age),
    })
}

fn url_rewrite(filter: &HTTPURLRewriteFilter, prefix: &str) -> Option<UrlRewrite> {
    let hostname = match &filter.hostname {
        Some(name) => Some(HeaderValue::from_str(name.as_str()).ok()?),
        None => None,
    };
    let path = filter.path.as_ref();
    Some(UrlRewrite {
        hostname,
        path: path.map(|path| path_modifier(path, prefix)),
    })
}

/// Compiles a path modifier. The loader accepts `ReplacePrefixMatch` only in a rule with a single match, of type PathPrefix.
fn path_modifier(path: &HTTPPathModifier, prefix: &str) -> PathModifier {
    match path.kind {
        HTTPPathModifierType::ReplaceFullPath => {
            PathModifier::full(path.replace_full_path.as_deref().unwrap_or_default())
        }
        HTTPPathModifierType::ReplacePrefixMatch => {
            let replacement = path.replace_prefix_match.as_deref();
            PathModifier::prefix(prefix, replacement.unwrap_or_default())
        }
    }
}

fn modifier(filter: &HTTPHeaderFilter) -> Option<HeaderModifier> {
    let remove = filter.remove.iter();
    Some(HeaderModifier {
        set: headers(&filter.set, HeaderAction::Set)?,
        add: headers(&filter.add, HeaderAction::Add)?,
        remove: remove
            .map(|header| name(header, HeaderAction::Remove))
            .collect::<Option<_>>()?,
    })
}

fn headers(headers: &[HTTPHeader], change: HeaderAction) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let header = |header: &HTTPHeader| Some((name(&header.name, change)?, value(&header.value)?));
    headers.iter().map(header).collect()
}

/// Returns the name if the filter may change this header.
fn name(name: &api::HeaderName, change: HeaderAction) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
    refusal(&name, change).is_none().then_some(name)
}
