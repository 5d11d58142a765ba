//! Reads where the keys of a provider are (`localJWKS`, `remoteJWKS`).
//!
//! In: a provider of a SecurityPolicy. Out: its keys, or where they will be fetched. If they can't be used, the policy refuses all
//! requests.

use super::jwks::{FetchSchedule, JwksService, JwksSource};
use super::kept_credentials::CredentialUse;
use super::security_settings::SettingsReader;
use crate::backend::endpoints::tcp_port;
use crate::condition::Reason;
use crate::reference::{Reference, ReferenceField, ReferenceScope, UnresolvedReference};
use crate::reported_object::ReportedObject;
use gatefold_dataplane::filter::security::jwt::key_set::KeySet;
use gatefold_dataplane::filter::security::jwt::provider::ProviderKeys;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    ClusterBackendRef, ConfigMap, ConfigMapFields, Duration, LocalJWKS, PolicyTargetKind,
    RemoteJWKS, SecurityPolicy, ServiceSpec,
};
use http::Uri;
use std::time;

const KEYS: ReferenceField = ReferenceField {
    role: "a JWKS",
    supported: "a ConfigMap",
    scope: ReferenceScope::Local,
    unsupported_kind: (Code::InvalidSecurityPolicy, Reason::Invalid),
    not_found: (Code::InvalidSecurityPolicy, Reason::Invalid),
};

const KEY_SERVER: ReferenceField = ReferenceField {
    role: "a server of keys",
    supported: "a Service",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (Code::InvalidSecurityPolicy, Reason::Invalid),
    not_found: (Code::InvalidSecurityPolicy, Reason::Invalid),
};

/// The entry of a ConfigMap with the keys.
const ENTRY: &str = "jwks";
/// The shortest time between two fetches.
const MIN_PAUSE: time::Duration = time::Duration::from_secs(1);
/// The time limit of a fetch if the policy has none, as in Envoy Gateway (`defaultExtServiceRequestTimeout`).
const DEFAULT_TOTAL: time::Duration = time::Duration::from_secs(10);
/// The time limit for connecting if the policy has none.
const DEFAULT_CONNECT: time::Duration = time::Duration::from_secs(5);
/// The longest time limit of a fetch.
const MAX_TOTAL: time::Duration = time::Duration::from_secs(60);

/// The entry of a ConfigMap with keys: its name and its text. `None` if there is none.
fn entry(config_map: &ConfigMap) -> Option<(&str, &str)> {
    let data = &config_map.spec.data;
    let found = data.get_key_value(ENTRY).or_else(|| data.iter().next());
    found.map(|(name, text)| (name.as_str(), text.as_str()))
}

impl<'a> SettingsReader<'_, 'a> {
    /// Reads keys from the manifests. Reports keys that are skipped.
    pub(super) fn local_keys(
        &mut self,
        owner: &SecurityPolicy,
        fields: &LocalJWKS,
        pointer: &Pointer,
    ) -> Option<ProviderKeys> {
        let kept;
        let (text, pointer, name) = match (&fields.inline, &fields.value_ref) {
            (Some(text), _) => (text.expose(), pointer.key("inline"), String::new()),
            (None, Some(reference)) => {
                let at = pointer.key("valueRef");
                let named = (Reference::from(reference), &at);
                let config_map = self.resolve::<ConfigMapFields>(owner, &KEYS, named)?;
                let key = config_map.key();
                // Emptying it withdraws the keys.
                if entry(config_map).is_none() {
                    let why = format!("ConfigMap {key} has no entry `{ENTRY}`, nor any other one");
                    self.report(owner, at, why);
                    return None;
                }
                let used_as = (CredentialUse::Jwks, config_map);
                kept = self.in_force(owner, used_as, &at, |config_map| {
                    let (name, text) = entry(config_map).unwrap_or_default();
                    let read = KeySet::parse(text.as_bytes());
                    read.map_err(|why| format!("entry `{name}` of ConfigMap {key}: {why}"))?;
                    Ok(())
                })?;
                let (name, text) = entry(&kept)?;
                (text, at, format!("entry `{name}` of ConfigMap {key}: "))
            }
            // The loader requires one of them.
            (None, None) => return None,
        };
        match KeySet::parse(text.as_bytes()) {
            Ok((keys, skipped)) => {
                for skipped in skipped {
                    let message = format!("{name}a key of the JWKS isn't used, {skipped}");
                    let code = Code::UnusableJsonWebKey;
                    let found = owner.finding(code, pointer.clone(), message);
                    self.findings.push(found);
                }
                Some(ProviderKeys::Local(keys))
            }
            Err(problem) => {
                self.report(owner, pointer, format!("{name}{problem}"));
                None
            }
        }
    }

    /// Reads where keys are fetched.
    pub(super) fn remote_keys(
        &mut self,
        owner: &SecurityPolicy,
        fields: &RemoteJWKS,
        pointer: &Pointer,
    ) -> Option<ProviderKeys> {
        let at = pointer.key("uri");
        let uri = match uri(&fields.uri) {
            Ok(uri) => Some(uri),
            Err(why) => {
                self.report(owner, at.clone(), why);
                None
            }
        };
        let list = pointer.key("backendRefs");
        let references = fields.backend_refs.iter().enumerate();
        let services: Vec<Option<JwksService>> = references
            .map(|(index, reference)| self.key_server(owner, reference, list.index(index)))
            .collect();
        let services: Vec<JwksService> = services.into_iter().collect::<Option<_>>()?;
        if !services.is_empty() && services.iter().all(|service| service.weight == 0) {
            let why = "all weights are 0, so no backend would be asked for the keys".to_owned();
            self.report(owner, list, why);
            return None;
        }
        if let Some(settings) = &fields.backend_settings {
            self.warn_of_settings(owner, &settings.unserved);
        }
        let source = JwksSource {
            uri: fields.uri.clone(),
            services,
        };
        let named_at = (owner.place(at), owner.id());
        let key_sets = &self.build.security.key_sets;
        let keys = key_sets.add(source, (uri?, schedule(fields)), named_at);
        Some(ProviderKeys::Remote(keys))
    }

    /// Resolves a reference to a Service. Whether it has endpoints doesn't matter here: without any, keys can't be fetched yet.
    fn key_server(
        &mut self,
        owner: &SecurityPolicy,
        fields: &ClusterBackendRef,
        pointer: Pointer,
    ) -> Option<JwksService> {
        let build = self.build;
        let reference = Reference::from(&fields.backend);
        let number = fields.backend.port.map_or(0, |port| port.get());
        let port = (reference.key(owner.referrer()), number);
        let service = match build.resolve::<ServiceSpec>(owner.referrer(), reference) {
            Ok(service) => Some(service),
            Err(UnresolvedReference::NotFound(_)) if build.environment.has_service(&port) => None,
            Err(UnresolvedReference::Refused(_))
                if build.environment.discovered.contains_key(&port) =>
            {
                None
            }
            Err(unresolved) => {
                self.unresolved(owner, &KEY_SERVER, (reference, pointer), unresolved);
                return None;
            }
        };
        let name = match service.map(|service| tcp_port(service, number)) {
            Some(None) => {
                let why = format!("Service {} has no TCP port {number}", port.0);
                self.report(owner, pointer.key("port"), why);
                return None;
            }
            Some(Some(found)) => Some(found.name.as_str()),
            None => None,
        };
        let kind = PolicyTargetKind::Service;
        if let Some(refusal) = build.protections.refusal(kind, &port.0, name) {
            self.report(owner, pointer, format!("Service {}: {refusal}", port.0));
            return None;
        }
        Some(JwksService {
            port,
            weight: fields.weight,
            fallback: fields.fallback,
        })
    }
}

/// Reads the URL of keys. Messages don't quote it, since it may contain a password.
fn uri(text: &str) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|error| format!("the text isn't a URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the URL has no scheme `http` or `https`".to_owned());
    }
    let authority = uri.authority().map_or("", |it| it.as_str());
    if authority.contains('@') {
        return Err("a URL with a user or a password isn't supported".to_owned());
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("the URL has no host".to_owned());
    }
    Ok(uri)
}

fn schedule(fields: &RemoteJWKS) -> FetchSchedule {
    let settings = fields.backend_settings.as_ref();
    let limit = |limit: Option<Duration>, default: time::Duration| {
        let set = limit.map(|it| it.0).filter(|it| !it.is_zero());
        set.unwrap_or(default).min(MAX_TOTAL)
    };
    let pause = |pause: Duration| pause.0.max(MIN_PAUSE);
    FetchSchedule {
        refresh: pause(fields.cache_duration),
        retry: fields.failed_refetch_duration.map(pause),
        connect: limit(settings.and_then(|it| it.connect_timeout), DEFAULT_CONNECT),
        total: limit(settings.and_then(|it| it.request_timeout), DEFAULT_TOTAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_needs_a_scheme_and_a_host_and_has_no_password() {
        for text in [
            "https://idp.example/keys",
            "http://127.0.0.1:8080",
            "https://[::1]/keys?a=b",
        ] {
            assert!(uri(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "idp.example/keys",
            "/keys",
            "ftp://idp.example/keys",
            "file:///etc/passwd",
            "https://",
            "https:///keys",
            "https://user:secret@idp.example/",
            "https://idp.example/a b",
            "https://user:secret@idp.example/a b",
            "ftp://user:secret@idp.example/",
        ] {
            let why = uri(text).expect_err(text);
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
