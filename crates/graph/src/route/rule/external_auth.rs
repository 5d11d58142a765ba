//! The filter of type ExternalAuth.
//!
//! In: the filter. Out: its node, with the authorization server. What can't be served as written refuses the rule: no request may
//! pass without being checked.

use super::filter_spec::FilterScope;
use super::node::{AuthServerNode, ExternalAuthNode};
use super::rule_context::RuleContext;
use crate::backend::{BackendReference, auth_server};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::filter::external_auth::{
    AuthPath, AuthProtocol, AuthSettings, ContextExtensions, CopiedHeaders, GrpcAuth, HttpAuth,
    OnAuthError, SentHeaders,
};
use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    HTTPAuthConfig, HTTPExternalAuthFilter, HTTPRouteExternalAuthProtocol,
};
use http::{HeaderName, StatusCode};
use std::sync::Arc;

/// Builds the node of a filter. Problems with it refuse the rule.
pub(super) fn build<'a>(
    scope: FilterScope,
    filter: &'a HTTPExternalAuthFilter,
    pointer: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, 'a>,
) -> ExternalAuthNode {
    let at = || pointer().key("externalAuth");
    if scope == FilterScope::Backend {
        let message = "filter ExternalAuth isn't supported on a backend: put it on the rule";
        context.refuse(Code::UnsupportedFilter, pointer(), message.to_owned());
    }
    let body = filter.forward_body.as_ref().and_then(|it| it.max_size);
    let body = body.filter(|size| *size > 0);
    let body = body.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    if body.is_some_and(|size| size > AuthSettings::LARGEST_BODY) {
        let message = "filter ExternalAuth can't send bodies of more than 4 MiB (4194304)";
        let pointer = at().key("forwardBody").key("maxSize");
        context.refuse(Code::UnsupportedFilter, pointer, message.to_owned());
    }
    let backend = BackendReference {
        subject: context.at.route.object,
        reference: &filter.backend_ref,
        pointer: &|| at().key("backendRef"),
    };
    let of_backends = context.references.version;
    if filter.protocol == HTTPRouteExternalAuthProtocol::Grpc {
        context.references.version = Some(HttpVersion::Http2);
    }
    let (name, target) = backend.resolve(context.references, context.build);
    context.references.version = of_backends;
    if let Some(refusal) = auth_server::refusal(&target, &name, context.build) {
        context.refuse(Code::InvalidFilter, at().key("backendRef"), refusal);
    }
    let (protocol, request_headers) = match filter.protocol {
        HTTPRouteExternalAuthProtocol::Http => over_http(filter.http.as_ref(), &at, context),
        HTTPRouteExternalAuthProtocol::Grpc => over_grpc(filter, &at, context),
    };
    ExternalAuthNode {
        servers: vec![AuthServerNode {
            name,
            target,
            weight: 1,
            fallback: false,
        }],
        settings: Arc::new(AuthSettings {
            protocol,
            request_headers,
            timeout: AuthSettings::DEFAULT_TIMEOUT,
            on_error: OnAuthError::Deny(StatusCode::FORBIDDEN),
            routing: RouteChoice::Keep,
            body_limit: body,
        }),
    }
}

fn over_http(
    config: Option<&HTTPAuthConfig>,
    at: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, '_>,
) -> (AuthProtocol, SentHeaders) {
    let names = config.map(|it| headers(it, at, context));
    let (request_headers, response_headers) = names.unwrap_or_default();
    let path = config.and_then(|it| it.path.as_deref());
    let protocol = AuthProtocol::Http(HttpAuth {
        path: AuthPath::Prefix(prefix(path.unwrap_or_default()).into()),
        copied: if response_headers.is_empty() {
            CopiedHeaders::All
        } else {
            CopiedHeaders::Listed(response_headers.into())
        },
    });
    (protocol, SentHeaders::over_http(request_headers))
}

fn over_grpc(
    filter: &HTTPExternalAuthFilter,
    at: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, '_>,
) -> (AuthProtocol, SentHeaders) {
    let listed = filter.grpc.iter().flat_map(|it| &it.allowed_headers);
    let pointer = || at().key("grpc").key("allowedHeaders");
    let names = request_headers(listed, &pointer, context);
    let protocol = AuthProtocol::Grpc(GrpcAuth {
        authority: auth_server::authority(&filter.backend_ref, context.at.route.object.referrer())
            .into(),
        context: ContextExtensions::default(),
        sends_route: false,
    });
    (protocol, SentHeaders::over_grpc(names))
}

/// Returns the names of the headers that the server gets.
fn request_headers<'n>(
    names: impl Iterator<Item = &'n String>,
    pointer: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, '_>,
) -> Vec<HeaderName> {
    let mut read = Vec::new();
    for (index, text) in names.enumerate() {
        match name(text) {
            Ok(name) => read.push(name),
            Err(why) => context.refuse(Code::InvalidFilter, pointer().index(index), why),
        }
    }
    read
}

/// Returns the names of the headers that the server gets, and of those that the backend gets from it.
fn headers(
    config: &HTTPAuthConfig,
    at: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, '_>,
) -> (Vec<HeaderName>, Vec<ForwardHeader>) {
    let pointer = || at().key("http").key("allowedHeaders");
    let request = request_headers(config.allowed_headers.iter(), &pointer, context);
    let mut response = Vec::new();
    for (index, text) in config.allowed_response_headers.iter().enumerate() {
        match name(text).and_then(ForwardHeader::new) {
            Ok(header) => response.push(header),
            Err(why) => {
                let pointer = at().key("http").key("allowedResponseHeaders");
                context.refuse(Code::InvalidFilter, pointer.index(index), why);
            }
        }
    }
    (request, response)
}

fn name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| format!("`{text}` isn't a header name (RFC 9110, section 5.1)"))
}

/// A prefix begins with a slash, and the path behind it has its own.
fn prefix(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    }
}
