//! Reads `extAuth` of a SecurityPolicy.
//!
//! In: the settings, and the policies to which their parts belong. Out: the servers and what they are asked, or the problems for
//! which nothing can be enforced. Also with `failOpen`, a policy that can't be enforced refuses all requests: the field is about
//! servers that don't answer.

use super::credentials;
use super::security_settings::{PolicyOwners, SettingsReader, header_name};
use crate::condition::Reason;
use crate::reference::{Reference, ReferenceField, ReferenceScope};
use crate::route::ExternalAuthNode;
use gatefold_dataplane::filter::external_auth::{
    AuthPath, AuthProtocol, AuthSettings, ContextExtensions, CopiedHeaders, GrpcAuth, HttpAuth,
    OnAuthError, SentHeaders,
};
use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    ConfigMapFields, ContextExtension, ExtAuth, HTTPExtAuthService, SecretFields, SecurityPolicy,
};
use http::StatusCode;
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::time::Duration;

const CONTEXT: ReferenceField = ReferenceField {
    role: "a source of context extensions",
    supported: "a ConfigMap or a Secret",
    scope: ReferenceScope::Local,
    unsupported_kind: (Code::InvalidSecurityPolicy, Reason::Invalid),
    not_found: (Code::InvalidSecurityPolicy, Reason::Invalid),
};

impl SettingsReader<'_, '_> {
    /// Reads the settings. `None` if there are problems.
    pub(super) fn ext_auth(
        &mut self,
        fields: &ExtAuth,
        owners: PolicyOwners<'_>,
    ) -> Option<ExternalAuthNode> {
        let owner = owners.of(|it| it.ext_auth.is_some());
        let names = &fields.headers_to_ext_auth;
        let names = self.headers(
            owner,
            names,
            &pointer().key("headersToExtAuth"),
            header_name,
        );
        let context = self.context_extensions(&fields.context_extensions, owners);
        let (servers, protocol, request_headers) = match (&fields.http, &fields.grpc) {
            (Some(http), None) => {
                self.warn_of_meaningless_fields(owner, fields);
                let servers = self.auth_servers(&http.into(), owners);
                let protocol = self.auth_over_http(owner, http);
                let names = SentHeaders::over_http(names?);
                (servers, AuthProtocol::Http(protocol?), names)
            }
            (None, Some(grpc)) => {
                let servers = self.auth_servers(&grpc.into(), owners);
                let protocol = GrpcAuth {
                    authority: self.authority(&grpc.into(), owners).into(),
                    context: ContextExtensions::new(context?),
                    sends_route: fields.include_route_metadata == Some(true),
                };
                let names = SentHeaders::over_grpc(names?);
                (servers, AuthProtocol::Grpc(protocol), names)
            }
            // Only a merged policy can have both, or neither.
            (Some(_), Some(_)) | (None, None) => {
                let why = "the merged policy must have exactly one of `http` and `grpc`".to_owned();
                self.report(owner, pointer(), why);
                return None;
            }
        };
        Some(ExternalAuthNode {
            servers: servers?,
            settings: Arc::new(AuthSettings {
                protocol,
                request_headers,
                timeout: timeout(fields),
                on_error: on_error(fields),
                routing: if fields.recompute_route == Some(true) {
                    RouteChoice::Recompute
                } else {
                    RouteChoice::Keep
                },
                body_limit: self.body_limit(owner, fields),
            }),
        })
    }

    fn auth_over_http(
        &mut self,
        owner: &SecurityPolicy,
        fields: &HTTPExtAuthService,
    ) -> Option<HttpAuth> {
        let at = pointer().key("http");
        let path = match (&fields.path, &fields.path_override) {
            (Some(_), Some(_)) => Err((
                "pathOverride",
                "the merged policy must not have both `path` and `pathOverride`".to_owned(),
            )),
            (None, Some(path)) if !path.is_empty() => checked_path(path)
                .map(|()| AuthPath::Fixed(path.as_str().into()))
                .map_err(|why| ("pathOverride", why)),
            (Some(path), None) if !path.is_empty() => checked_path(path)
                .map(|()| AuthPath::Prefix(path.as_str().into()))
                .map_err(|why| ("path", why)),
            (Some(_) | None, None) | (None, Some(_)) => Ok(AuthPath::Prefix(Box::default())),
        };
        let path = path.map_err(|(field, why)| self.report(owner, at.key(field), why));
        let list = at.key("headersToBackend");
        let copied = self.headers(owner, &fields.headers_to_backend, &list, |text| {
            ForwardHeader::new(header_name(text)?)
        });
        Some(HttpAuth {
            path: path.ok()?,
            copied: CopiedHeaders::Listed(copied?.into()),
        })
    }

    /// Reads a list of header names. Reports those that aren't.
    fn headers<T>(
        &mut self,
        owner: &SecurityPolicy,
        names: &[String],
        at: &Pointer,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let names = names.iter().enumerate();
        let read: Vec<Option<T>> = names
            .map(|(index, name)| {
                let read = read(name);
                read.map_err(|why| self.report(owner, at.index(index), why))
                    .ok()
            })
            .collect();
        read.into_iter().collect()
    }

    /// Reads texts for the server. Reports those that can't be found.
    fn context_extensions(
        &mut self,
        extensions: &[ContextExtension],
        owners: PolicyOwners<'_>,
    ) -> Option<Vec<(String, String)>> {
        let list = pointer().key("contextExtensions");
        let read: Vec<Option<(String, String)>> = extensions
            .iter()
            .map(|it| {
                let owner = owners.of(|spec| {
                    let own = spec.ext_auth.iter().flat_map(|it| &it.context_extensions);
                    own.into_iter().any(|own| own.name == it.name)
                });
                let own = owner.spec.ext_auth.iter();
                let mut own = own.flat_map(|it| &it.context_extensions);
                let index = own.position(|own| own.name == it.name).unwrap_or(0);
                let text = self.context_extension(owner, it, &list.index(index))?;
                Some((it.name.clone(), text))
            })
            .collect();
        read.into_iter().collect()
    }

    fn context_extension(
        &mut self,
        owner: &SecurityPolicy,
        extension: &ContextExtension,
        at: &Pointer,
    ) -> Option<String> {
        let Some(reference) = &extension.value_ref else {
            let text = extension.value.as_ref();
            return Some(text?.expose().to_owned());
        };
        let at = at.key("valueRef");
        let named = (Reference::from(&reference.object), &at);
        let entry = match reference.object.kind.as_str() {
            "Secret" => {
                let secret = self.resolve::<SecretFields>(owner, &CONTEXT, named)?;
                let bytes = credentials::entry(secret, &reference.key);
                bytes.map(String::from_utf8)
            }
            _ => {
                let map = self.resolve::<ConfigMapFields>(owner, &CONTEXT, named)?;
                let text = map.spec.data.get(&reference.key);
                text.map(|text| Ok(text.clone()))
            }
        };
        let (kind, name) = (&reference.object.kind, &reference.object.name);
        let (namespace, key) = (&owner.meta.namespace, &reference.key);
        let why = match entry {
            Some(Ok(text)) => return Some(text),
            Some(Err(_)) => format!("the entry `{key}` of {kind} {namespace}/{name} isn't UTF-8"),
            None => format!("{kind} {namespace}/{name} has no entry `{key}`"),
        };
        self.report(owner, at.key("key"), why);
        None
    }

    /// Returns the maximum length of a body for the server. A longer one than gatefold keeps is named.
    fn body_limit(&mut self, owner: &SecurityPolicy, fields: &ExtAuth) -> Option<usize> {
        let wanted = fields.body_to_ext_auth.as_ref()?.max_request_bytes;
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if wanted > AuthSettings::LARGEST_BODY {
            let at = pointer().key("bodyToExtAuth").key("maxRequestBytes");
            let instead = "bodies of more than 4 MiB are answered 413";
            self.warn_of_fields(owner, &[(at, instead)]);
        }
        Some(wanted.min(AuthSettings::LARGEST_BODY))
    }

    /// Names the fields that mean nothing to a server that is asked over HTTP, in Envoy either.
    fn warn_of_meaningless_fields(&mut self, owner: &SecurityPolicy, fields: &ExtAuth) {
        let instead = "a server that is asked over HTTP gets no context";
        let set = [
            ("contextExtensions", !fields.context_extensions.is_empty()),
            (
                "includeRouteMetadata",
                fields.include_route_metadata == Some(true),
            ),
        ];
        let set = set.into_iter().filter(|(_, set)| *set);
        let set: Vec<(Pointer, &str)> = set
            .map(|(name, _)| (pointer().key(name), instead))
            .collect();
        self.warn_of_fields(owner, &set);
    }
}

pub(super) fn pointer() -> Pointer {
    Pointer::spec().key("extAuth")
}

/// Envoy requires the slash, too (`path_prefix should start with "/"`).
fn checked_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("`{path}` must begin with `/`"));
    }
    match PathAndQuery::try_from(path) {
        Ok(_) if !path.contains('#') => Ok(()),
        Ok(_) | Err(_) => Err(format!("`{path}` can't be the path of a request")),
    }
}

fn timeout(fields: &ExtAuth) -> Duration {
    let set = fields.timeout.map(|it| it.0).filter(|it| !it.is_zero());
    set.unwrap_or(AuthSettings::DEFAULT_TIMEOUT)
}

fn on_error(fields: &ExtAuth) -> OnAuthError {
    if fields.fail_open == Some(true) {
        return OnAuthError::Allow;
    }
    let status = fields.status_on_error.and_then(|it| u16::try_from(it).ok());
    let status = status.and_then(|it| StatusCode::from_u16(it).ok());
    OnAuthError::Deny(status.unwrap_or(StatusCode::FORBIDDEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_begins_with_a_slash_and_can_be_sent() {
        for path in ["/", "/api/authz/ext-authz/", "/auth?rd="] {
            assert_eq!(checked_path(path), Ok(()), "{path}");
        }
        for path in ["", "auth", "/a b", "/a#b", "/a\r\nb"] {
            assert!(checked_path(path).is_err(), "{path:?}");
        }
    }
}
