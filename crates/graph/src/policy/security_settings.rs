//! Reads the settings of a SecurityPolicy: what the proxy enforces.
//!
//! In: the `spec` of a policy, and the policies to which its parts belong: a merged policy has parts of two. Out: the filters, or
//! the problems for which nothing can be enforced. A part that can't be read is never left out: the policy refuses all requests.

use super::kept_credentials::{CredentialSpec, CredentialUse};
use super::security_policy::PolicyFilters;
use super::{authorization_settings, credentials, csrf_settings};
use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use crate::condition::{Problem, Reason};
use crate::reference::{Reference, ReferenceField, ReferenceScope, UnresolvedReference};
use crate::reported_object::ReportedObject;
use gatefold_dataplane::filter::cors::{
    Allowed, Cors, Credentials, Exposed, OriginPattern, Origins,
};
use gatefold_dataplane::filter::security::SecurityFilters;
use gatefold_dataplane::filter::security::api_key::{ApiKeyFilter, KeySource, Sanitize};
use gatefold_dataplane::filter::security::basic_auth::BasicAuthFilter;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::Spec;
use gatefold_manifest::api::{
    APIKeyAuth, BasicAuth, ExtractFrom, NamespacedName, Object, Secret, SecretFields,
    SecurityPolicy, SecurityPolicyCors, SecurityPolicySpec,
};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

pub(super) const CREDENTIALS: ReferenceField = ReferenceField {
    role: "a source of credentials",
    supported: "a Secret",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (Code::InvalidSecurityPolicy, Reason::Invalid),
    not_found: (Code::InvalidSecurityPolicy, Reason::Invalid),
};

/// How long browsers cache the answer to a preflight request if the policy doesn't say, in seconds. Envoy sends no field then,
/// which the Fetch standard takes as 5.
const DEFAULT_MAX_AGE: u64 = 5;

/// The policies to which the parts of a merged policy belong (Envoy Gateway: `securityPolicyOwners`).
#[derive(Clone, Copy)]
pub(super) struct PolicyOwners<'p> {
    /// The policy itself, or that of the route.
    pub policy: &'p SecurityPolicy,
    /// The policy that it is merged into.
    pub parent: Option<&'p SecurityPolicy>,
}

impl<'p> PolicyOwners<'p> {
    /// Returns the policy that a part belongs to: that of the route if it has the part.
    pub fn of(self, has: impl Fn(&SecurityPolicySpec) -> bool) -> &'p SecurityPolicy {
        match self.parent {
            Some(parent) if !has(&self.policy.spec) => parent,
            Some(_) | None => self.policy,
        }
    }
}

/// Reads settings, and collects the problems with them.
pub(super) struct SettingsReader<'b, 'a> {
    pub build: &'b Build<'a>,
    pub ports: &'b mut ServicePorts<'a>,
    pub problems: Vec<Problem>,
    /// What is enforced in another way than written.
    pub warnings: Vec<String>,
    pub findings: Vec<Diagnostic>,
    /// The ports of Services that the settings depend on.
    pub service_ports: Vec<ServicePortKey>,
}

impl<'a> SettingsReader<'_, 'a> {
    /// Reads the settings. They are complete only if there are no problems.
    pub fn read(&mut self, spec: &SecurityPolicySpec, owners: PolicyOwners<'_>) -> PolicyFilters {
        let cors = spec.cors.as_ref().and_then(|fields| {
            let owner = owners.of(|it| it.cors.is_some());
            self.part(owner, "cors", cors(fields))
        });
        let csrf = spec.csrf.as_ref().and_then(|fields| {
            let owner = owners.of(|it| it.csrf.is_some());
            self.part(owner, "csrf", csrf_settings::read(fields))
        });
        let basic_auth = spec.basic_auth.as_ref().and_then(|fields| {
            let owner = owners.of(|it| it.basic_auth.is_some());
            self.basic_auth(owner, fields)
        });
        let api_key = spec.api_key_auth.as_ref().and_then(|fields| {
            let owner = owners.of(|it| it.api_key_auth.is_some());
            self.api_key_auth(owner, fields)
        });
        let oidc = spec.oidc.as_ref();
        let oidc = oidc.and_then(|fields| self.oidc(owners, spec, fields));
        let jwt = spec.jwt.as_ref().and_then(|fields| {
            let owner = owners.of(|it| it.jwt.is_some());
            self.jwt(owner, fields)
        });
        let authorization = spec.authorization.as_ref().and_then(|fields| {
            let owner = owners.of(|it| it.authorization.is_some());
            let normalization = self.build.environment.path_normalization;
            let read = authorization_settings::read(fields, spec.jwt.as_ref(), normalization);
            self.part(owner, "authorization", read)
        });
        let ext_auth = spec.ext_auth.as_ref();
        let ext_auth = ext_auth.and_then(|fields| self.ext_auth(fields, owners));
        PolicyFilters {
            own: SecurityFilters {
                cors: cors.map(Arc::new),
                csrf: csrf.map(Arc::new),
                api_key: api_key.map(Arc::new),
                basic_auth: basic_auth.map(Arc::new),
                oidc: oidc.map(Arc::new),
                jwt: jwt.map(Arc::new),
                authorization: authorization.map(Arc::new),
            },
            ext_auth: ext_auth.map(Arc::new),
        }
    }

    /// Returns a part, or reports why it can't be read.
    pub fn part<T>(
        &mut self,
        owner: &SecurityPolicy,
        field: &'static str,
        part: Result<T, String>,
    ) -> Option<T> {
        part.map_err(|why| self.report(owner, Pointer::spec().key(field), why))
            .ok()
    }

    /// Reports why a field can't be read.
    pub fn report(&mut self, owner: &SecurityPolicy, pointer: Pointer, why: String) {
        let problem = Problem::new(Reason::Invalid, format!("`{pointer}`: {why}"));
        let found = owner.finding(Code::InvalidSecurityPolicy, pointer, why);
        self.findings.push(found);
        self.problems.push(problem);
    }

    fn basic_auth(
        &mut self,
        owner: &SecurityPolicy,
        fields: &BasicAuth,
    ) -> Option<BasicAuthFilter> {
        let pointer = Pointer::spec().key("basicAuth");
        let users = pointer.key("users");
        let named = (Reference::from(&fields.users), &users);
        let secret = self.resolve::<SecretFields>(owner, &CREDENTIALS, named)?;
        // Emptying it withdraws the users.
        if htpasswd(secret).is_empty() {
            let why = format!(
                "Secret {} has no entry `.htpasswd`, or an empty one",
                secret.key()
            );
            self.report(owner, users, why);
            return None;
        }
        let secret = self.in_force(owner, (CredentialUse::Users, secret), &users, |secret| {
            let read = BasicAuthFilter::parse(&htpasswd(secret), None);
            let name = secret.key();
            read.map_err(|why| format!("the entry `.htpasswd` of Secret {name}: {why}"))?;
            Ok(())
        })?;
        let name = fields.forward_username_header.as_deref();
        let forward = forward_header(name);
        let forward = forward.map_err(|why| {
            self.report(owner, pointer.key("forwardUsernameHeader"), why);
        });
        // It was read before.
        BasicAuthFilter::parse(&htpasswd(&secret), forward.ok()?).ok()
    }

    fn api_key_auth(
        &mut self,
        owner: &SecurityPolicy,
        fields: &APIKeyAuth,
    ) -> Option<ApiKeyFilter> {
        let pointer = Pointer::spec().key("apiKeyAuth");
        let references = fields.credential_refs.0.iter().enumerate();
        let secrets: Vec<Option<Arc<Secret>>> = references
            .map(|(index, reference)| {
                let at = pointer.key("credentialRefs").index(index);
                let named = (Reference::from(reference), &at);
                let secret = self.resolve::<SecretFields>(owner, &CREDENTIALS, named)?;
                self.in_force(owner, (CredentialUse::ApiKeys, secret), &at, |secret| {
                    let keys = credentials::entries(secret);
                    let keys = keys.iter().map(|(client, key)| (client.as_str(), &**key));
                    let name = secret.key();
                    ApiKeyFilter::check_keys(keys).map_err(|why| format!("Secret {name}: {why}"))
                })
            })
            .collect();
        let secrets: Vec<Arc<Secret>> = secrets.into_iter().collect::<Option<_>>()?;
        let keys: Vec<(String, Vec<u8>)> = secrets
            .iter()
            .flat_map(|it| credentials::entries(it))
            .collect();
        let forward = forward_header(fields.forward_client_id_header.as_deref());
        let forward = forward.map_err(|why| {
            self.report(owner, pointer.key("forwardClientIDHeader"), why);
        });
        let sources = self.part(owner, "apiKeyAuth", sources(&fields.extract_from))?;
        let sanitize = if fields.sanitize == Some(true) {
            Sanitize::Remove
        } else {
            Sanitize::Keep
        };
        let credentials = keys.iter().map(|(client, key)| (client.as_str(), &**key));
        let filter = ApiKeyFilter::new(credentials, sources, forward.ok()?, sanitize);
        self.part(owner, "apiKeyAuth", filter.map_err(|it| it.to_string()))
    }

    /// Returns the object to read: its last good content if the present one can't be used, which is reported. `None` if there is
    /// none.
    pub(super) fn in_force<S: CredentialSpec>(
        &mut self,
        owner: &SecurityPolicy,
        (used_as, object): (CredentialUse, &Arc<Object<S>>),
        pointer: &Pointer,
        check: impl FnOnce(&Object<S>) -> Result<(), String>,
    ) -> Option<Arc<Object<S>>> {
        match self
            .build
            .security
            .credentials
            .choose(used_as, object, check)
        {
            Ok(usable) => {
                if let Some(why) = usable.problem {
                    let message =
                        format!("`{pointer}`: {why}; the last good content stays in force");
                    self.warnings.push(message);
                    let found = owner.finding(Code::InvalidSecurityPolicy, pointer.clone(), why);
                    let kept = "the last good content stays in force until this is corrected";
                    self.findings.push(found.note(kept));
                }
                Some(usable.object)
            }
            Err(why) => {
                self.report(owner, pointer.clone(), why);
                None
            }
        }
    }

    /// Resolves a reference. Reports one that can't be resolved.
    pub fn resolve<S: Spec<Key = NamespacedName>>(
        &mut self,
        owner: &SecurityPolicy,
        field: &ReferenceField,
        (reference, pointer): (Reference<'_>, &Pointer),
    ) -> Option<&'a Arc<Object<S>>> {
        match self.build.resolve::<S>(owner.referrer(), reference) {
            Ok(object) => Some(object),
            Err(unresolved) => {
                self.unresolved(owner, field, (reference, pointer.clone()), unresolved);
                None
            }
        }
    }

    /// Reports a reference that can't be resolved.
    pub fn unresolved(
        &mut self,
        owner: &SecurityPolicy,
        field: &ReferenceField,
        (reference, pointer): (Reference<'_>, Pointer),
        unresolved: UnresolvedReference<'_>,
    ) {
        let (problem, found) = unresolved.report(field, owner, reference, pointer);
        // Envoy Gateway has one reason for all problems with a policy.
        let problem = Problem::new(Reason::Invalid, problem.message);
        self.problems.push(problem);
        self.findings.push(found);
    }
}

/// The users of a Secret. Empty if it has none.
fn htpasswd(secret: &Secret) -> Vec<u8> {
    credentials::entry(secret, ".htpasswd").unwrap_or_default()
}

/// Returns the header by which a backend learns who the client is. `None` if there is none.
fn forward_header(name: Option<&str>) -> Result<Option<ForwardHeader>, String> {
    let header = name.map(|name| ForwardHeader::new(header_name(name)?));
    header.transpose()
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("`{name}` isn't the name of a header"))
}

fn sources(fields: &[ExtractFrom]) -> Result<Vec<KeySource>, String> {
    let mut sources = Vec::new();
    for field in fields {
        for name in field.headers.iter().flatten() {
            sources.push(KeySource::Header(header_name(name)?));
        }
        let params = field.params.iter().flatten();
        sources.extend(params.map(|name| KeySource::Parameter(name.as_str().into())));
        let cookies = field.cookies.iter().flatten();
        sources.extend(cookies.map(|name| KeySource::Cookie(name.as_str().into())));
    }
    Ok(sources)
}

fn cors(fields: &SecurityPolicyCors) -> Result<Cors, String> {
    let any = |list: &[String]| list.iter().any(|text| text == "*");
    let allowed = |list: &[String]| match list {
        [] => Ok(Allowed::Unset),
        list if any(list) => Ok(Allowed::Any),
        list => {
            let joined = list.join(", ");
            let value = HeaderValue::try_from(&joined);
            value
                .map(Allowed::Listed)
                .map_err(|_| format!("`{joined}` can't be sent in a header"))
        }
    };
    let patterns = fields.allow_origins.iter().map(|text| {
        let pattern = OriginPattern::parse(text);
        pattern.ok_or_else(|| format!("gatefold can't compare origins with `{text}`"))
    });
    let max_age = fields.max_age.map_or(DEFAULT_MAX_AGE, |it| it.0.as_secs());
    Ok(Cors {
        origins: if any(&fields.allow_origins) {
            Origins::Any
        } else {
            Origins::Listed(patterns.collect::<Result<_, _>>()?)
        },
        credentials: if fields.allow_credentials == Some(true) {
            Credentials::Allowed
        } else {
            Credentials::Omitted
        },
        methods: allowed(&fields.allow_methods)?,
        headers: allowed(&fields.allow_headers)?,
        expose: match allowed(&fields.expose_headers)? {
            Allowed::Unset => Exposed::Unset,
            Allowed::Any => Exposed::Any,
            Allowed::Listed(list) => Exposed::Listed(list),
        },
        max_age: HeaderValue::from(max_age),
    })
}
