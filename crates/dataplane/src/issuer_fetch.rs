//! What the daemon fetches from issuers: the keys of the `jwt` filters, and the configuration of the providers of `oidc` filters.
//!
//! In: where it is, and how to connect. Out: nothing of its own; the daemon puts the keys into [`RemoteKeys`] and the configuration
//! into [`RemoteProvider`], where the filters read them.

use crate::backend_tls::{BackendHandshake, BackendTls, TrustedAuthorities};
use crate::filter::security::jwt::remote_keys::RemoteKeys;
use crate::filter::security::oidc::provider::{
    NamedEndpoints, ProviderConfiguration, RemoteProvider,
};
use http::Uri;
use rustls_pki_types::{CertificateDer, ServerName};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is fetched from an issuer, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerFetch {
    /// Identifies the fetch. Equal ones of two snapshots have the same target.
    pub name: Arc<str>,
    /// What is fetched first: the keys, or the configuration of a provider.
    pub place: IssuerPlace,
    /// The time from a successful fetch to the next one.
    pub refresh: Duration,
    /// The time from a failed fetch to the next one. `None` for pauses that grow.
    pub retry: Option<Duration>,
    /// The time limits of a fetch.
    pub limits: FetchLimits,
    /// Where the result is put.
    pub target: FetchTarget,
}

/// A URL, and where to connect to for it.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerPlace {
    /// The URL: its scheme is `http` or `https`, and it has a host.
    pub uri: Uri,
    /// Where to connect to.
    pub peers: IssuerPeers,
}

/// Where the result of a fetch is put.
#[derive(Clone, Debug)]
pub enum FetchTarget {
    /// The keys of an issuer.
    Keys(Arc<RemoteKeys>),
    /// The configuration of a provider.
    Provider(Box<ProviderFetch>),
}

/// The configuration of a provider that has to be fetched (OpenID Connect Discovery 1.0), together with its keys.
#[derive(Clone, Debug)]
pub struct ProviderFetch {
    /// Where the configuration is put.
    pub provider: Arc<RemoteProvider>,
    /// What the policy says of the provider. It takes precedence.
    pub named: NamedEndpoints,
    /// The servers of the URLs in the configuration.
    pub servers: IssuerServers,
}

/// A provider whose endpoints the policies name, so that nothing has to be fetched.
#[derive(Clone, Debug)]
pub struct NamedProvider {
    /// Identifies the provider.
    pub name: Arc<str>,
    /// Where the configuration is put.
    pub provider: Arc<RemoteProvider>,
    /// The configuration.
    pub configuration: ProviderConfiguration,
}

impl NamedProvider {
    /// Puts the configuration into force.
    pub fn put(&self) {
        let refusal = self.configuration.token.peers.refusal();
        self.provider.set(self.configuration.clone());
        if let Some(why) = refusal {
            self.provider.fail(why.to_owned());
        }
    }
}

/// The time limits of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// For connecting, including TLS.
    pub connect: Duration,
    /// For everything.
    pub total: Duration,
}

impl FetchLimits {
    /// Returns the shorter one of each time.
    pub fn shorter(self, other: FetchLimits) -> FetchLimits {
        FetchLimits {
            connect: self.connect.min(other.connect),
            total: self.total.min(other.total),
        }
    }
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerPeers {
    /// The host and the port of the URL.
    Host(PeerSecurity),
    /// The endpoints of Services.
    Services(Vec<IssuerService>),
}

/// A Service of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerService {
    /// Its share of the requests, relative to the sum of all weights.
    pub weight: u32,
    /// Whether it is only used if the others fail.
    pub fallback: bool,
    /// Its endpoints.
    pub endpoints: Arc<[SocketAddr]>,
    /// How to connect to them.
    pub security: PeerSecurity,
}

/// How a connection is secured.
#[derive(Clone, Debug)]
pub enum PeerSecurity {
    /// In plain text.
    Plain,
    /// In TLS.
    Tls(Arc<BackendTls>),
    /// TLS is required, but isn't possible. Contains the reason.
    Refused(Arc<str>),
}

/// The servers of an issuer, whatever the URL.
#[derive(Clone, Debug)]
pub struct IssuerServers {
    /// The Services. Empty for the host of the URL.
    pub services: Vec<IssuerServer>,
    /// The authorities that the system trusts, for `https` URLs. `None` if it has none.
    pub authorities: Option<Arc<[CertificateDer<'static>]>>,
}

/// A Service of an issuer, whatever the URL.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerServer {
    /// See [`IssuerService`].
    pub weight: u32,
    /// See [`IssuerService`].
    pub fallback: bool,
    /// See [`IssuerService`].
    pub endpoints: Arc<[SocketAddr]>,
    /// How to connect to them. `None` if the URL decides.
    pub security: Option<PeerSecurity>,
}

impl IssuerServers {
    /// Returns where to connect to for a URL. `prepare` makes TLS settings, or returns `None` if they can't be used.
    pub fn place(
        &self,
        uri: Uri,
        mut prepare: impl FnMut(BackendHandshake) -> Option<Arc<BackendTls>>,
    ) -> IssuerPlace {
        let mut by_url = || PeerSecurity::of_url(&uri, self.authorities.as_ref(), &mut prepare);
        let peers = if self.services.is_empty() {
            IssuerPeers::Host(by_url())
        } else {
            let services = self.services.iter().map(|server| IssuerService {
                weight: server.weight,
                fallback: server.fallback,
                endpoints: server.endpoints.clone(),
                security: server.security.clone().unwrap_or_else(&mut by_url),
            });
            IssuerPeers::Services(services.collect())
        };
        IssuerPlace { uri, peers }
    }
}

impl IssuerPeers {
    /// Returns how the connections may be secured.
    pub fn securities(&self) -> impl Iterator<Item = &PeerSecurity> {
        let (host, services) = match self {
            IssuerPeers::Host(security) => (Some(security), &[][..]),
            IssuerPeers::Services(services) => (None, services.as_slice()),
        };
        let services = services.iter().map(|service| &service.security);
        host.into_iter().chain(services)
    }

    /// Returns why no connection is possible. `None` if one may be.
    pub fn refusal(&self) -> Option<&str> {
        let mut refusals = self.securities().map(|security| match security {
            PeerSecurity::Plain | PeerSecurity::Tls(_) => None,
            PeerSecurity::Refused(why) => Some(&**why),
        });
        let first = refusals.next()??;
        refusals.all(|it| it.is_some()).then_some(first)
    }
}

impl PeerSecurity {
    /// Returns how a URL says that a connection is secured: for `https`, by a certificate for its host that one of the authorities
    /// has signed.
    fn of_url(
        uri: &Uri,
        authorities: Option<&Arc<[CertificateDer<'static>]>>,
        prepare: impl FnOnce(BackendHandshake) -> Option<Arc<BackendTls>>,
    ) -> Self {
        if uri.scheme_str() != Some("https") {
            return PeerSecurity::Plain;
        }
        let Some(authorities) = authorities.filter(|found| !found.is_empty()) else {
            return PeerSecurity::refused(
                "this system has no CA certificates (package ca-certificates)",
            );
        };
        let Some(server_name) = server_name(uri) else {
            return PeerSecurity::refused("the host of the URL can't be a server name in TLS");
        };
        let handshake = BackendHandshake {
            server_name,
            authorities: TrustedAuthorities::System(authorities.clone()),
            names: [].into(),
            identity: None,
        };
        match prepare(handshake) {
            Some(tls) => PeerSecurity::Tls(tls),
            None => PeerSecurity::refused("an authority of the system can't be trusted"),
        }
    }

    /// Connections aren't possible.
    pub fn refused(why: &str) -> Self {
        PeerSecurity::Refused(why.into())
    }
}

/// Reads a URL to fetch from. Messages don't quote it, since it may contain a password.
///
/// # Errors
/// If it isn't a URL with `http` or `https` and a host, or contains a user.
pub fn parse_url(text: &str) -> Result<Uri, String> {
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

/// The host of a URL as a name that certificates have. An IPv6 address is in brackets in a URL.
fn server_name(uri: &Uri) -> Option<ServerName<'static>> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

/// Equal targets are the same place, filled in the same way.
impl PartialEq for FetchTarget {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (FetchTarget::Keys(one), FetchTarget::Keys(other)) => Arc::ptr_eq(one, other),
            (FetchTarget::Provider(one), FetchTarget::Provider(other)) => {
                Arc::ptr_eq(&one.provider, &other.provider)
                    && one.named == other.named
                    && one.servers == other.servers
            }
            (FetchTarget::Keys(_), FetchTarget::Provider(_))
            | (FetchTarget::Provider(_), FetchTarget::Keys(_)) => false,
        }
    }
}

/// The system's authorities are read once.
impl PartialEq for IssuerServers {
    fn eq(&self, other: &Self) -> bool {
        let same_authorities = match (&self.authorities, &other.authorities) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_authorities && self.services == other.services
    }
}

/// Equal TLS settings share their allocation.
impl PartialEq for PeerSecurity {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (PeerSecurity::Plain, PeerSecurity::Plain) => true,
            (PeerSecurity::Tls(one), PeerSecurity::Tls(other)) => Arc::ptr_eq(one, other),
            (PeerSecurity::Refused(one), PeerSecurity::Refused(other)) => one == other,
            (PeerSecurity::Plain | PeerSecurity::Tls(_) | PeerSecurity::Refused(_), _) => false,
        }
    }
}

/// The name contains all endpoints.
impl fmt::Display for NamedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NamedProvider {
            name,
            provider: _,
            configuration,
        } = self;
        let FetchLimits { connect, total } = configuration.limits;
        write!(f, "{name}: within {connect:?} and {total:?}")?;
        configuration.token.peers.fmt(f)
    }
}

/// Everything that affects a fetch, without its result.
impl fmt::Display for IssuerFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IssuerFetch {
            name,
            place,
            refresh,
            retry,
            limits,
            target: _,
        } = self;
        write!(f, "{name}: every {refresh:?}")?;
        if let Some(retry) = retry {
            write!(f, ", after a failure {retry:?}")?;
        }
        write!(f, ", within {:?} and {:?}", limits.connect, limits.total)?;
        place.peers.fmt(f)
    }
}

impl fmt::Display for IssuerPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IssuerPeers::Host(security) => security.fmt(f),
            IssuerPeers::Services(services) => services.iter().try_for_each(|service| {
                let role = if service.fallback { "fallback " } else { "" };
                write!(f, "; {role}{} x {:?}", service.weight, service.endpoints)?;
                service.security.fmt(f)
            }),
        }
    }
}

impl fmt::Display for PeerSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerSecurity::Plain => Ok(()),
            PeerSecurity::Tls(tls) => write!(f, " in {}", tls.handshake),
            PeerSecurity::Refused(why) => write!(f, " refused: {why}"),
        }
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
            assert!(parse_url(text).is_ok(), "{text}");
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
            let why = parse_url(text).expect_err(text);
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
