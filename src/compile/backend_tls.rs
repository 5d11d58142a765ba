use crate::dataplane::backend_tls::{
    Authorities, BackendTls, BackendTlsByIdentity, ClientIdentity, SubjectName,
};
use crate::dataplane::{Action, Snapshot};
use crate::graph::Graph;
use crate::graph::backend_tls_policy::{AuthoritiesNode, BackendTlsSettings};
use crate::graph::client_certificate::ClientCertificate;
use crate::manifest::api::{NamespacedName, SubjectAltName};
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::sync::Arc;

/// The client certificates of Gateways, each once, in order of the Gateways.
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

    /// What a Gateway shows.
    pub(super) fn of_gateway(&self, gateway: &NamespacedName) -> Option<usize> {
        self.places.get(gateway).copied()
    }

    fn place(&mut self, certificate: &ClientCertificate) -> usize {
        let same = |known: &Arc<ClientIdentity>| {
            known.certified_key.cert == certificate.certified_key.cert
                && known.key == certificate.key
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

/// TLS to backends, once for all that ask for the same. What the previous snapshot has as well goes on, with what
/// is known of the certificates.
pub(super) struct BackendTlsCache {
    known: HashMap<u64, Arc<BackendTls>>,
    /// The client certificates of Gateways, in the snapshot's order.
    identities: Vec<Arc<ClientIdentity>>,
}

impl BackendTlsCache {
    pub(super) fn of(previous: &Snapshot, identities: &Identities<'_>) -> Self {
        let mut known = HashMap::new();
        let ports = previous.ports.values();
        let listeners = ports.flat_map(|port| port.listeners.values());
        for rule in listeners.flat_map(|listener| listener.router.rules()) {
            let Action::Forward(split) = &rule.action else {
                continue;
            };
            let targets = split.backends().map(|(_, backend)| &backend.target);
            for tls in targets.filter_map(|it| it.endpoints()?.tls()) {
                let identities = tls.identities.iter();
                let all = identities.chain([&tls.anonymous]);
                known.extend(all.map(|it| (it.key, it.clone())));
            }
        }
        let identities = identities.all.clone();
        BackendTlsCache { known, identities }
    }

    /// For what a policy asks for; nothing when rustls refuses it, which the graph has ruled out.
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

    fn one(
        &mut self,
        settings: &BackendTlsSettings,
        identity: Option<Arc<ClientIdentity>>,
    ) -> Option<Arc<BackendTls>> {
        let server_name = ServerName::try_from(settings.hostname.as_str().to_owned()).ok()?;
        let authorities = match &settings.authorities {
            AuthoritiesNode::System(found) => Authorities::System(found.clone()),
            AuthoritiesNode::Listed(list) => Authorities::Listed(list.as_slice().into()),
        };
        let names = settings.names.iter().map(subject_name);
        let names: Arc<[SubjectName]> = names.collect::<Option<Vec<_>>>()?.into();
        let key = BackendTls::key(&server_name, &authorities, &names, identity.as_deref());
        if let Some(known) = self.known.get(&key) {
            return Some(known.clone());
        }
        let made = BackendTls::new(server_name, authorities, names, identity).ok()?;
        let made = Arc::new(made);
        self.known.insert(key, made.clone());
        Some(made)
    }
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
