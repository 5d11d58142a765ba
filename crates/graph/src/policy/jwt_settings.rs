//! Reads `jwt` of a SecurityPolicy.
//!
//! In: the providers of a policy. Out: the filter, or the problems for which nothing can be enforced. The rules beyond the CRD's
//! are those of Envoy Gateway (`validateJWTProvider`).

use super::security_settings::{SettingsReader, header_name};
use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_dataplane::filter::security::jwt::claims::ClaimPath;
use gatefold_dataplane::filter::security::jwt::provider::{
    Audiences, ClaimHeader, JwtProvider, ProviderKeys,
};
use gatefold_dataplane::filter::security::jwt::token_source::{TokenSource, TokenSources};
use gatefold_dataplane::filter::security::jwt::{JwtFilter, TokenRequirement};
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{ClaimToHeader, JWT, JWTExtractor, JWTProvider, SecurityPolicy};
use http::Uri;
use std::collections::BTreeSet;

impl SettingsReader<'_, '_> {
    /// Reads the filter. `None` if there are problems.
    pub(super) fn jwt(&mut self, owner: &SecurityPolicy, fields: &JWT) -> Option<JwtFilter> {
        let list = Pointer::spec().key("jwt").key("providers");
        let mut names = BTreeSet::new();
        let mut providers = Vec::new();
        for (index, provider) in fields.providers.iter().enumerate() {
            let at = list.index(index);
            if !names.insert(&provider.name) {
                let why = format!("another provider has the name `{}`, too", provider.name);
                self.report(owner, at.key("name"), why);
            }
            providers.push(self.jwt_provider(owner, provider, &at));
        }
        Some(JwtFilter {
            providers: providers.into_iter().collect::<Option<_>>()?,
            // `failOpen` "is broader than Optional [...] and takes precedence over it", which a merged policy may have, too.
            requirement: match (fields.fail_open, fields.optional) {
                (Some(true), _) => TokenRequirement::MayFail,
                (_, Some(true)) => TokenRequirement::MayBeMissing,
                (Some(false) | None, Some(false) | None) => TokenRequirement::Required,
            },
        })
    }

    fn jwt_provider(
        &mut self,
        owner: &SecurityPolicy,
        fields: &JWTProvider,
        at: &Pointer,
    ) -> Option<JwtProvider> {
        if !fields.has_qualified_name() {
            let why = "must have at most 63 characters, must consist of letters, digits, `-`, `_` and `.`, and begin and end with a letter or a digit";
            self.report(owner, at.key("name"), format!("`{}` {why}", fields.name));
        }
        if let Err(why) = check_issuer(&fields.issuer) {
            self.report(owner, at.key("issuer"), why);
        }
        let keys = self.keys(owner, fields, at);
        let claim_headers = self.claim_headers(owner, &fields.claim_to_headers, at);
        let sources = match token_sources(fields.extract_from.as_ref()) {
            Ok(sources) => Some(sources),
            Err(why) => {
                self.report(owner, at.key("extractFrom").key("headers"), why);
                None
            }
        };
        Some(JwtProvider {
            name: fields.name.as_str().into(),
            issuer: Some(fields.issuer.as_str())
                .filter(|it| !it.is_empty())
                .map(Into::into),
            audiences: Audiences::new(fields.audiences.iter().map(String::as_str)),
            keys: keys?,
            sources: TokenSources::new(sources?),
            claim_headers: claim_headers?,
            routing: if fields.recompute_route == Some(true) {
                RouteChoice::Recompute
            } else {
                RouteChoice::Keep
            },
        })
    }

    fn keys(
        &mut self,
        owner: &SecurityPolicy,
        fields: &JWTProvider,
        at: &Pointer,
    ) -> Option<ProviderKeys> {
        // The loader requires exactly one of them.
        match (&fields.local_jwks, &fields.remote_jwks) {
            (Some(local), _) => self.local_keys(owner, local, &at.key("localJWKS")),
            (None, Some(remote)) => self.remote_keys(owner, remote, &at.key("remoteJWKS")),
            (None, None) => None,
        }
    }

    fn claim_headers(
        &mut self,
        owner: &SecurityPolicy,
        fields: &[ClaimToHeader],
        at: &Pointer,
    ) -> Option<Vec<ClaimHeader>> {
        let list = at.key("claimToHeaders");
        let read = fields.iter().enumerate().map(|(index, it)| {
            let header = header_name(&it.header).and_then(ForwardHeader::new);
            let header = match header {
                Ok(header) => header,
                Err(why) => {
                    self.report(owner, list.index(index).key("header"), why);
                    return None;
                }
            };
            if it.claim.is_empty() {
                let why = "must not be empty".to_owned();
                self.report(owner, list.index(index).key("claim"), why);
                return None;
            }
            let claim = ClaimPath::new(&it.claim);
            Some(ClaimHeader { header, claim })
        });
        let read: Vec<Option<ClaimHeader>> = read.collect();
        read.into_iter().collect()
    }
}

/// "When it contains ':', it MUST be a valid URI", and with '@' an email address.
fn check_issuer(issuer: &str) -> Result<(), String> {
    let is_printable = issuer.chars().all(|it| !it.is_control() && it != ' ');
    if let Some((scheme, rest)) = issuer.split_once(':') {
        let is_scheme = scheme.starts_with(|it: char| it.is_ascii_alphabetic())
            && (scheme.chars()).all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it));
        let is_uri = !rest.starts_with("//") || issuer.parse::<Uri>().is_ok();
        if !(is_printable && is_scheme && is_uri) {
            return Err(format!("`{issuer}` contains a colon, but isn't a URI"));
        }
    } else if let Some((name, domain)) = issuer.rsplit_once('@')
        && (name.is_empty() || domain.is_empty() || !is_printable)
    {
        return Err(format!(
            "`{issuer}` contains an @, but isn't an email address"
        ));
    }
    Ok(())
}

fn token_sources(fields: Option<&JWTExtractor>) -> Result<Vec<TokenSource>, String> {
    let Some(JWTExtractor {
        headers,
        cookies,
        params,
    }) = fields
    else {
        return Ok(Vec::new());
    };
    let headers = headers.iter().map(|it| {
        Ok(TokenSource::Header {
            name: header_name(&it.name)?,
            prefix: it.value_prefix.as_deref().unwrap_or_default().into(),
        })
    });
    let cookies = cookies
        .iter()
        .map(|it| Ok(TokenSource::Cookie(it.as_str().into())));
    let params = params
        .iter()
        .map(|it| Ok(TokenSource::Parameter(it.as_str().into())));
    headers.chain(cookies).chain(params).collect()
}

/// Returns the headers from which the providers read tokens.
///
/// # Errors
/// If there are none.
pub(super) fn header_sources(jwt: &JWT) -> Result<TokenSources, String> {
    let mut all = Vec::new();
    for provider in &jwt.providers {
        let sources = token_sources(provider.extract_from.as_ref())?;
        all.extend(TokenSources::new(sources).only_headers());
    }
    if all.is_empty() {
        return Err("no provider of `jwt` reads tokens from a header".to_owned());
    }
    Ok(TokenSources::new(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_is_a_name_a_uri_or_an_email_address() {
        for issuer in [
            "",
            "issuer",
            "https://issuer.example/realms/a",
            "urn:issuer:1",
            "keys@issuer.example",
        ] {
            assert_eq!(check_issuer(issuer), Ok(()), "{issuer}");
        }
        for issuer in ["a b:c", ":", "1:2", "https://a b", "@issuer.example", "a@"] {
            assert!(check_issuer(issuer).is_err(), "{issuer}");
        }
    }
}
