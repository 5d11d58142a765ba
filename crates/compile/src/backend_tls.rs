//! Compiles TLS to backends: policy settings, and the client certificates of Gateways.
//!
//! Equal settings share one [`BackendTls`], also across graphs, so that a reload keeps verified certificates.

use gatefold_dataplane::backend_tls::{
    BackendHandshake, BackendTls, BackendTlsByIdentity, ClientIdentity, SubjectName,
    TrustedAuthorities,
};
use gatefold_graph::Graph;
use gatefold_graph::certificate::Certificate;
use gatefold_graph::policy::backend_tls::{AuthoritiesNode, BackendTlsSettings};
use gatefold_manifest::api::{NamespacedName, SubjectAltName};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The distinct client certificates of Gateways, in the order of the Gateways.
#[derive(Default)]
pub(super) struct Identities<'g> {
    all: Vec<Arc<ClientIdentity>>,
    places: HashMap<&'g NamespacedName, usize>,
}

impl<'g> Identities<'g> {
    pub(super) fn of(graph: &'g Graph) -> Self {
        let mut identities = Identities::default();
        for (gateway, node) in &graph.gateways {
            if let Some(certificate) = &node.client_certificate {
                let place = identities.place(certificate);
                identities.places.insert(gateway, place);
            }
        }
        identities
    }

    /// Returns the position of a Gateway's client certificate.
    pub(super) fn of_gateway(&self, gateway: &NamespacedName) -> Option<usize> {
        self.places.get(gateway).copied()
    }

    fn place(&mut self, certificate: &Certificate) -> usize {
        let same = |known: &Arc<ClientIdentity>| {
            same_identity(&certificate.certified_key, &certificate.key, known)
        };
        let known = self.all.iter().position(same);
        known.unwrap_or_else(|| {
            self.all.push(Arc::new(ClientIdentity {
                certified_key: certificate.certified_key.clone(),
                key: certificate.key.clone_key(),
            }));
            self.all.len() - 1
        })
    }
}

/// TLS to backends, shared by all policies with equal settings. Settings that are in use stay, with the certificates that
/// they have verified.
#[derive(Default)]
pub(super) struct BackendTlsCache {
    known: HashMap<BackendHandshake, Arc<BackendTls>>,
    /// The client certificates of Gateways, in the order of the snapshot.
    identities: Vec<Arc<ClientIdentity>>,
}

impl BackendTlsCache {
    /// Begins with the next graph. Returns whether its Gateways show the same certificates as before.
    pub(super) fn begin(&mut self, identities: &Identities<'_>) -> bool {
        // Drop entries that no snapshot uses any more (only this cache still holds them).
        self.known.retain(|_, known| Arc::strong_count(known) > 1);
        let mut pairs = self.identities.iter().zip(&identities.all);
        let same = self.identities.len() == identities.all.len()
            && pairs.all(|(one, other)| same_identity(&one.certified_key, &one.key, other));
        if !same {
            self.identities.clone_from(&identities.all);
        }
        same
    }

    /// Prepares TLS for a policy's settings, once for each client certificate. `None` if rustls refuses them, which the graph
    /// has ruled out.
    pub(super) fn prepare(
        &mut self,
        settings: &BackendTlsSettings,
    ) -> Option<BackendTlsByIdentity> {
        let identities = self.identities.clone().into_iter();
        let identities = identities.map(|identity| self.one(settings, Some(identity)));
        let identities = identities.collect::<Option<_>>()?;
        Some(BackendTlsByIdentity {
            anonymous: self.one(settings, None)?,
            identities,
        })
    }

    pub(super) fn one(
        &mut self,
        settings: &BackendTlsSettings,
        identity: Option<Arc<ClientIdentity>>,
    ) -> Option<Arc<BackendTls>> {
        let server_name = ServerName::try_from(settings.hostname.as_str().to_owned()).ok()?;
        let authorities = match &settings.authorities {
            AuthoritiesNode::System(found) => TrustedAuthorities::System(found.clone()),
            AuthoritiesNode::Listed(list) => TrustedAuthorities::Listed(list.as_slice().into()),
        };
        let names = settings.names.iter().map(subject_name);
        let names: Arc<[SubjectName]> = names.collect::<Option<Vec<_>>>()?.into();
        let handshake = BackendHandshake {
            server_name,
            authorities,
            names,
            identity,
        };
        self.prepare_handshake(handshake)
    }

    /// Prepares TLS for a handshake. `None` if rustls refuses it.
    pub(super) fn prepare_handshake(
        &mut self,
        handshake: BackendHandshake,
    ) -> Option<Arc<BackendTls>> {
        if let Some(known) = self.known.get(&handshake) {
            return Some(known.clone());
        }
        let prepared = Arc::new(BackendTls::new(handshake.clone()).ok()?);
        self.known.insert(handshake, prepared.clone());
        Some(prepared)
    }
}

fn same_identity(
    certified_key: &CertifiedKey,
    key: &PrivateKeyDer<'_>,
    other: &ClientIdentity,
) -> bool {
    certified_key.cert == other.certified_key.cert && *key == other.key
}

fn subject_name(name: &SubjectAltName) -> Option<SubjectName> {
    if let Some(uri) = &name.uri {
        return Some(SubjectName::Uri(uri.clone()));
    }
    let hostname = name.hostname.as_ref()?;
    match hostname.wildcard_suffix() {
        Some(suffix) => Some(SubjectName::DnsBelow(suffix.to_owned())),
        None => {
            let name = ServerName::try_from(hostname.as_str().to_owned()).ok()?;
            Some(SubjectName::Dns(name))
        }
    }
}
