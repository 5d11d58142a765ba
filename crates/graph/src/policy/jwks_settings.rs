//! Reads where the keys of a provider are (`localJWKS`, `remoteJWKS`).
//!
//! In: a provider of a SecurityPolicy. Out: its keys, or where they will be fetched. If they can't be used, the policy refuses all
//! requests.

use super::issuer_backends;
use super::jwks::{FetchSchedule, JwksSource};
use super::kept_credentials::CredentialUse;
use super::security_settings::SettingsReader;
use crate::condition::Reason;
use crate::reference::{Reference, ReferenceField, ReferenceScope};
use crate::reported_object::ReportedObject;
use gatefold_dataplane::filter::security::jwt::key_set::KeySet;
use gatefold_dataplane::filter::security::jwt::provider::ProviderKeys;
use gatefold_dataplane::issuer_fetch::parse_url;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    ConfigMap, ConfigMapFields, Duration, LocalJWKS, RemoteJWKS, SecurityPolicy,
};
use std::time;

const KEYS: ReferenceField = ReferenceField {
    role: "a JWKS",
    supported: "a ConfigMap",
    scope: ReferenceScope::Local,
    unsupported_kind: (Code::InvalidSecurityPolicy, Reason::Invalid),
    not_found: (Code::InvalidSecurityPolicy, Reason::Invalid),
};

/// The entry of a ConfigMap with the keys.
const ENTRY: &str = "jwks";
/// The shortest time between two fetches.
const MIN_PAUSE: time::Duration = time::Duration::from_secs(1);

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
        let uri = match parse_url(&fields.uri) {
            Ok(uri) => Some(uri),
            Err(why) => {
                self.report(owner, at.clone(), why);
                None
            }
        };
        let list = pointer.key("backendRefs");
        let backends = self.issuer_backends(owner, &fields.backend_refs, &list)?;
        if let Some(settings) = &fields.backend_settings {
            self.warn_of_settings(owner, &settings.unserved);
        }
        let source = JwksSource {
            uri: fields.uri.clone(),
            backends,
        };
        let named_at = (owner.place(at), owner.id());
        let key_sets = &self.build.security.key_sets;
        let keys = key_sets.add(source, (uri?, schedule(fields)), named_at);
        Some(ProviderKeys::Remote(keys))
    }
}

fn schedule(fields: &RemoteJWKS) -> FetchSchedule {
    let pause = |pause: Duration| pause.0.max(MIN_PAUSE);
    FetchSchedule {
        refresh: pause(fields.cache_duration),
        retry: fields.failed_refetch_duration.map(pause),
        limits: issuer_backends::limits(fields.backend_settings.as_ref()),
    }
}
