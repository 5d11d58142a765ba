//! Reads the Secrets of `oidc` of a SecurityPolicy.
//!
//! In: the references of a policy. Out: what the client proves itself with, and what its cookies are encrypted with. A Secret that
//! can't be used leaves its last good content in force.

use super::credentials;
use super::kept_credentials::CredentialUse;
use super::security_settings::{CREDENTIALS, PolicyOwners, SettingsReader};
use crate::reference::Reference;
use gatefold_dataplane::filter::security::oidc::token_endpoint::ClientCredentials;
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{OIDC, Secret, SecretFields, SecretObjectReference, SecurityPolicy};

/// The entry of a Secret with the id of the client.
const CLIENT_ID: &str = "client-id";
/// The entry of a Secret with the secret of the client.
const CLIENT_SECRET: &str = "client-secret";
/// The entry of the same Secret with a key for the cookies, by which it is encrypted instead of the client's secret. Envoy Gateway has
/// the entry in a Secret of its own.
const COOKIE_SECRET: &str = "hmac-secret";
/// The shortest secret that cookies are encrypted with, in bytes. A user who has a cookie can try out shorter ones.
const MIN_SECRET: usize = 16;

/// The secrets of a client.
pub(super) struct ClientSecrets {
    /// What the client proves itself with at the token endpoint.
    pub(super) client: ClientCredentials,
    /// What the key of the cookies is derived from.
    pub(super) cookies: Vec<u8>,
}

impl SettingsReader<'_, '_> {
    /// Reads the secrets. `None` if there are problems.
    pub(super) fn client_secrets(
        &mut self,
        owners: PolicyOwners<'_>,
        fields: &OIDC,
        at: &Pointer,
    ) -> Option<ClientSecrets> {
        let owner = owners.of(|it| it.oidc.is_some());
        let pointer = at.key("clientSecret");
        let part = (CredentialUse::OidcClient, CLIENT_SECRET);
        let secrets = self.client_entry(owner, &fields.client_secret, part, &pointer, secrets);
        // As in Envoy Gateway, `clientID` counts if a merge has resulted in both.
        let id = match (&fields.client_id, &fields.client_id_ref) {
            (Some(id), _) => Some(id.clone()),
            (None, Some(reference)) => {
                let of_id = owners.of(|it| {
                    let oidc = it.oidc.as_ref();
                    oidc.is_some_and(|it| it.client_id_ref.is_some())
                });
                let part = (CredentialUse::OidcClientId, CLIENT_ID);
                let id = |secret: &Secret| text_entry(secret, CLIENT_ID);
                self.client_entry(of_id, reference, part, &at.key("clientIDRef"), id)
            }
            // The loader requires one of them.
            (None, None) => None,
        };
        let (secret, cookies) = secrets?;
        Some(ClientSecrets {
            client: ClientCredentials::new(&id?, &secret),
            cookies,
        })
    }

    /// Reads a Secret with an entry: its last good content if the present one can't be used. Removing the entry withdraws it.
    fn client_entry<T>(
        &mut self,
        owner: &SecurityPolicy,
        reference: &SecretObjectReference,
        (used_as, name): (CredentialUse, &str),
        at: &Pointer,
        read: impl Fn(&Secret) -> Result<T, String>,
    ) -> Option<T> {
        let named = (Reference::from(reference), at);
        let secret = self.resolve::<SecretFields>(owner, &CREDENTIALS, named)?;
        if credentials::entry(secret, name).is_none_or(|it| it.is_empty()) {
            let key = secret.key();
            let why = format!("Secret {key} has no entry `{name}`, or an empty one");
            self.report(owner, at.clone(), why);
            return None;
        }
        let check = |secret: &Secret| read(secret).map(|_| ());
        let secret = self.in_force(owner, (used_as, secret), at, check)?;
        // It was read before.
        read(&secret).ok()
    }
}

/// Reads the secret of the client, and the secret that its cookies are encrypted with.
fn secrets(secret: &Secret) -> Result<(String, Vec<u8>), String> {
    let text = text_entry(secret, CLIENT_SECRET)?;
    let own = credentials::entry(secret, COOKIE_SECRET);
    let cookies = own.unwrap_or_else(|| text.as_bytes().to_vec());
    if cookies.len() < MIN_SECRET {
        return Err(format!(
            "cookies would be encrypted with a secret of {} bytes, which can be guessed: let the provider make a secret of {MIN_SECRET} bytes or more, or put 32 random bytes into the entry `{COOKIE_SECRET}` of the same Secret",
            cookies.len()
        ));
    }
    Ok((text, cookies))
}

fn text_entry(secret: &Secret, name: &str) -> Result<String, String> {
    let entry = credentials::entry(secret, name).unwrap_or_default();
    let key = secret.key();
    String::from_utf8(entry).map_err(|_| format!("the entry `{name}` of Secret {key} isn't text"))
}
