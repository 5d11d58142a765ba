//! Compiles the certificates of HTTPS listeners and the validation of client certificates.
//!
//! An unchanged validation is reused across graphs, with the keys of its session tickets.

use gatefold_dataplane::client_validation::{ClientMode, ClientValidation};
use gatefold_dataplane::tls::CertificateSet;
use gatefold_graph::certificate::client_validation::ClientValidationNode;
use gatefold_graph::listener::ListenerNode;
use gatefold_manifest::api::{FrontendValidationModeType, NamespacedName};
use std::collections::HashMap;
use std::sync::Arc;
use tracing::error;

/// Client validations by their scope. An unchanged validation is reused, with the keys of its session tickets.
#[derive(Default)]
pub(super) struct Validations(HashMap<Arc<str>, Arc<ClientValidation>>);

impl Validations {
    /// Begins with the next graph.
    pub(super) fn begin(&mut self) {
        // Drop entries that no snapshot uses any more (only this cache still holds them).
        self.0.retain(|_, known| Arc::strong_count(known) > 1);
    }

    /// Returns the certificates of a listener, and how it validates those of its clients. `None` if it has no certificate, or
    /// if clients can't be validated: the listener must not be served then.
    pub(super) fn certificates(
        &mut self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<Arc<CertificateSet>> {
        let keys = listener.certificates.clone();
        if keys.is_empty() {
            return None;
        }
        let Some(wanted) = &listener.client_validation else {
            return Some(Arc::new(CertificateSet::new(keys)));
        };
        let scope = format!("{gateway}:{}", listener.port);
        let set = self
            .validation(scope.into(), wanted)
            .and_then(|validation| CertificateSet::checking(keys, validation));
        set.map(Arc::new)
            .inspect_err(|error| {
                let listener = listener.name.as_str();
                error!(%gateway, listener, %error, "client certificates can't be validated, so the listener isn't served");
            })
            .ok()
    }

    fn validation(
        &mut self,
        scope: Arc<str>,
        wanted: &ClientValidationNode,
    ) -> Result<Arc<ClientValidation>, rustls::Error> {
        let mode = match wanted.mode {
            FrontendValidationModeType::AllowValidOnly => ClientMode::ValidOnly,
            FrontendValidationModeType::AllowInsecureFallback => ClientMode::InsecureFallback,
        };
        if let Some(same) = self
            .0
            .get(&scope)
            .filter(|before| before.mode == mode && before.authorities == wanted.authorities)
        {
            return Ok(same.clone());
        }
        let authorities = wanted.authorities.clone();
        let validation = Arc::new(ClientValidation::new(scope.clone(), mode, authorities)?);
        self.0.insert(scope, validation.clone());
        Ok(validation)
    }
}

/// Returns the validation that the clients of a listener must have passed.
pub(super) fn only_clients_of(set: &CertificateSet) -> Option<Arc<str>> {
    let validation = &set.clients.as_ref()?.validation;
    (validation.mode == ClientMode::ValidOnly).then(|| validation.scope.clone())
}
