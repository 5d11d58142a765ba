use gatefold_dataplane::filter::cors::{
    Allowed, Cors, Credentials, Exposed, OriginPattern, Origins,
};
use gatefold_dataplane::filter::header_modifier::{Change, HeaderModifier, refusal, value};
use gatefold_dataplane::filter::path_modifier::PathModifier;
use gatefold_dataplane::filter::request_mirror::RequestMirror;
use gatefold_dataplane::filter::request_redirect::RequestRedirect;
use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::filter::url_rewrite::UrlRewrite;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_graph::http_route::{FilterNode, MirrorNode};
use gatefold_manifest::api::{
    self, HTTPCORSFilter, HTTPHeader, HTTPHeaderFilter, HTTPPathModifier, HTTPPathModifierType,
    HTTPRequestRedirectFilter, HTTPRouteMatch, HTTPURLRewriteFilter, PortNumber, RedirectScheme,
};
use http::{HeaderName, HeaderValue, StatusCode};

/// Compiles the filters of a rule with these matches, or of one of its backends. `mirror` compiles the mirrors. `None` if one
/// can't be applied as written: the graph has reported it, and a filter is never left out.
pub(super) fn filters(
    nodes: &[FilterNode],
    matches: &[HTTPRouteMatch],
    mut mirror: impl FnMut(&MirrorNode) -> RequestMirror,
) -> Option<Filters> {
    let filter = |node: &FilterNode| {
        Some(match node {
            FilterNode::RequestHeaderModifier(headers) => {
                Filter::RequestHeaderModifier(modifier(headers)?)
            }
            FilterNode::ResponseHeaderModifier(headers) => {
                Filter::ResponseHeaderModifier(modifier(headers)?)
            }
            FilterNode::RequestRedirect(fields) => {
                Filter::RequestRedirect(Box::new(redirect(fields, matches)))
            }
            FilterNode::UrlRewrite(rewrite) => Filter::UrlRewrite(url_rewrite(rewrite, matches)?),
            FilterNode::RequestMirror(node) => Filter::RequestMirror(mirror(node)),
            FilterNode::Cors(fields) => Filter::Cors(Box::new(cors(fields)?)),
        })
    };
    let filters = nodes.iter().map(filter);
    Some(Filters::new(filters.collect::<Option<_>>()?))
}

fn redirect(filter: &HTTPRequestRedirectFilter, matches: &[HTTPRouteMatch]) -> RequestRedirect {
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
        path: path.as_ref().map(|path| path_modifier(path, matches)),
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
        origins: match any(&filter.allow_origins) {
            true => Origins::Any,
            false => Origins::Listed(patterns().collect::<Option<_>>()?),
        },
        credentials: match filter.allow_credentials {
            true => Credentials::Allowed,
            false => Credentials::Omitted,
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

fn url_rewrite(filter: &HTTPURLRewriteFilter, matches: &[HTTPRouteMatch]) -> Option<UrlRewrite> {
    let hostname = match &filter.hostname {
        Some(name) => Some(HeaderValue::from_str(name.as_str()).ok()?),
        None => None,
    };
    let path = filter.path.as_ref();
    Some(UrlRewrite {
        hostname,
        path: path.map(|path| path_modifier(path, matches)),
    })
}

/// The loader lets a prefix be replaced only where a rule has one match, of that type.
fn path_modifier(path: &HTTPPathModifier, matches: &[HTTPRouteMatch]) -> PathModifier {
    match path.kind {
        HTTPPathModifierType::ReplaceFullPath => {
            PathModifier::full(path.replace_full_path.as_deref().unwrap_or_default())
        }
        HTTPPathModifierType::ReplacePrefixMatch => {
            let matched = matches.first().map(|one| one.path.value.as_str());
            let replacement = path.replace_prefix_match.as_deref();
            PathModifier::prefix(matched.unwrap_or("/"), replacement.unwrap_or_default())
        }
    }
}

fn modifier(filter: &HTTPHeaderFilter) -> Option<HeaderModifier> {
    let remove = filter.remove.iter();
    Some(HeaderModifier {
        set: headers(&filter.set, Change::Set)?,
        add: headers(&filter.add, Change::Add)?,
        remove: remove
            .map(|header| name(header, Change::Remove))
            .collect::<Option<_>>()?,
    })
}

fn headers(headers: &[HTTPHeader], change: Change) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let header = |header: &HTTPHeader| Some((name(&header.name, change)?, value(&header.value)?));
    headers.iter().map(header).collect()
}

/// The name, when it may be changed so.
fn name(name: &api::HeaderName, change: Change) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
    refusal(&name, change).is_none().then_some(name)
}
