//! Compiles the certificates of HTTPS listeners, how TLS is set up there, and the validation of client certificates.
//!
//! An unchanged validation is reused across graphs, and so are the sessions of a listener whose settings haven't changed: clients can
//! resume their sessions after a reload.

use gatefold_dataplane::client_traffic::tls_settings::TlsSettings;
use gatefold_dataplane::client_validation::{ClientRequirements, ClientValidation};
use gatefold_dataplane::tls::{CertificateSet, Sessions};
use gatefold_graph::certificate::client_validation::{ClientValidationNode, ValidationSource};
use gatefold_graph::listener::ListenerNode;
use gatefold_manifest::api::NamespacedName;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tracing::error;

/// What successive graphs share.
#[derive(Default)]
pub(super) struct TlsCache {
    /// By scope.
    validations: HashMap<Arc<str>, Arc<ClientValidation>>,
    /// By the name of the listener.
    sessions: HashMap<String, ListenerSessions>,
}

/// The sessions of a listener with settings of its own.
struct ListenerSessions {
    settings: Arc<TlsSettings>,
    clients: Option<Arc<ClientValidation>>,
    sessions: Sessions,
    /// Whether the current graph has the listener.
    is_used: bool,
}

impl TlsCache {
    /// Begins with the next graph.
    pub(super) fn begin(&mut self) {
        self.sessions
            .retain(|_, known| std::mem::take(&mut known.is_used));
        // Drop entries that no snapshot uses any more (only this cache still holds them).
        self.validations
            .retain(|_, known| Arc::strong_count(known) > 1);
    }

    /// Returns the certificates of a listener, and how TLS is set up with its clients. `None` if it has no certificate, or if the
    /// settings can't be followed: the listener must not be served then. `name` is unique in the graph.
    pub(super) fn certificates(
        &mut self,
        gateway: &NamespacedName,
        (name, listener): (&str, &ListenerNode),
    ) -> Option<Arc<CertificateSet>> {
        let keys = listener.certificates.clone();
        if keys.is_empty() {
            return None;
        }
        let (settings, clients) = (&listener.tls_settings, &listener.client_validation);
        if settings.is_none() && clients.is_none() {
            return Some(Arc::new(CertificateSet::new(keys)));
        }
        let clients = clients.as_ref();
        let clients = clients.map(|it| self.validation(scope(gateway, listener.port, it), it));
        let set = clients.transpose().and_then(|clients| {
            let sessions = match (settings, &clients) {
                (Some(settings), _) => self.sessions(name, settings, clients.as_ref())?,
                (None, Some(clients)) => clients.sessions.clone(),
                (None, None) => Sessions::new(TlsSettings::default().resumption)?,
            };
            let settings = settings.clone().unwrap_or_default();
            CertificateSet::with_own_config(keys, settings, clients, &sessions)
        });
        set.map(Arc::new)
            .inspect_err(|error| {
                error!(listener = name, %error, "TLS can't be set up as the policies say, so the listener isn't served");
            })
            .ok()
    }

    fn sessions(
        &mut self,
        listener: &str,
        settings: &Arc<TlsSettings>,
        clients: Option<&Arc<ClientValidation>>,
    ) -> Result<Sessions, rustls::Error> {
        let is_same = |known: &&mut ListenerSessions| {
            let same_clients = known.clients.as_ref().map(Arc::as_ptr) == clients.map(Arc::as_ptr);
            same_clients && known.settings == *settings
        };
        if let Some(known) = self.sessions.get_mut(listener).filter(is_same) {
            known.is_used = true;
            return Ok(known.sessions.clone());
        }
        let sessions = Sessions::new(settings.resumption)?;
        let new = ListenerSessions {
            settings: settings.clone(),
            clients: clients.cloned(),
            sessions: sessions.clone(),
            is_used: true,
        };
        self.sessions.insert(listener.to_owned(), new);
        Ok(sessions)
    }

    fn validation(
        &mut self,
        scope: Arc<str>,
        wanted: &ClientValidationNode,
    ) -> Result<Arc<ClientValidation>, rustls::Error> {
        let requirements = &wanted.requirements;
        let known = self.validations.get(&scope);
        if let Some(same) = known.filter(|before| before.requirements == *requirements) {
            return Ok(same.clone());
        }
        let validation = ClientValidation::new(scope.clone(), requirements.clone())?;
        let validation = Arc::new(validation);
        self.validations.insert(scope, validation.clone());
        Ok(validation)
    }
}

/// Returns the scope of a validation. Open connections outlive a change of authorities and of revocation lists, which are replaced
/// as a matter of routine; with any other change they belong to another scope.
fn scope(gateway: &NamespacedName, port: u16, validation: &ClientValidationNode) -> Arc<str> {
    let ClientRequirements {
        mode,
        expiry,
        digests,
        names,
        authorities: _,
        revocation: _,
    } = &validation.requirements;
    let mut hasher = DefaultHasher::new();
    (mode, expiry, digests).hash(&mut hasher);
    for name in names {
        // The same text may stand for an exact name and for a pattern.
        format!("{name:?}").hash(&mut hasher);
    }
    let lasting = hasher.finish();
    match &validation.source {
        ValidationSource::Gateway => format!("{gateway}:{port} {lasting:x}"),
        ValidationSource::Policy(policy) => format!("{gateway}:{port} {policy} {lasting:x}"),
    }
    .into()
}

/// Returns the validation that the clients of a listener must have passed.
pub(super) fn only_clients_of(set: &CertificateSet) -> Option<Arc<str>> {
    let clients = set.clients().filter(|it| it.is_required());
    clients.map(|it| it.scope.clone())
}
