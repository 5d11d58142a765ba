//! The certificate authorities that this system trusts, for policies with `wellKnownCACertificates: System`, for keys that are
//! fetched by `https`, and for OpenID providers.

use gatefold_manifest::Resources;
use gatefold_manifest::api::SecurityPolicySpec;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use std::sync::OnceLock;
use tracing::warn;

/// Returns the authorities if a policy needs them: those in `/etc/ssl/certs`, or in the paths of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`. They are read only once: like other programs, a running gatefold does not notice changes of them.
pub fn wanted_by(resources: &Resources) -> Option<Arc<[CertificateDer<'static>]>> {
    static READ: OnceLock<Arc<[CertificateDer<'static>]>> = OnceLock::new();
    let mut policies = resources.backend_tls_policies.values();
    let wanted = policies.any(|policy| {
        let set = &policy.spec.validation.well_known_ca_certificates;
        set.as_deref() == Some("System")
    });
    let mut security = resources.security_policies.values();
    let wanted = wanted || security.any(|policy| fetches_by_https(&policy.spec));
    wanted.then(|| READ.get_or_init(read).clone())
}

/// Whether a policy has keys that are fetched by `https`, or an OpenID provider, whose issuer is always an `https` URL.
fn fetches_by_https(spec: &SecurityPolicySpec) -> bool {
    if spec.oidc.is_some() {
        return true;
    }
    let mut providers = spec.jwt.iter().flat_map(|jwt| &jwt.providers);
    providers.any(|provider| {
        let remote = provider.remote_jwks.as_ref();
        remote.is_some_and(|it| it.uri.to_ascii_lowercase().starts_with("https:"))
    })
}

/// Reads the authorities that can be trust anchors. Bundles contain some old certificates that can't.
fn read() -> Arc<[CertificateDer<'static>]> {
    let found = rustls_native_certs::load_native_certs().unwrap_or_else(|error| {
        warn!(%error, "can't read the system's CA certificates");
        Vec::new()
    });
    let mut anchors = RootCertStore::empty();
    let usable = |authority: &CertificateDer<'static>| anchors.add(authority.clone()).is_ok();
    found.into_iter().filter(usable).collect()
}
