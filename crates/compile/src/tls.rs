use gatefold_dataplane::client_validation::{ClientMode, ClientValidation};
use gatefold_dataplane::tls::CertificateSet;
use gatefold_graph::client_validation::ClientValidation as ValidationNode;
use gatefold_graph::listener::ListenerNode;
use gatefold_manifest::api::{FrontendValidationModeType, NamespacedName};
use std::collections::HashMap;
use std::sync::Arc;
use tracing::error;

/// Checks of clients by their scope. One that is the same as before stays that one, with the keys of its session
/// tickets.
#[derive(Default)]
pub(super) struct Validations(HashMap<Arc<str>, Arc<ClientValidation>>);

impl Validations {
    /// Begins with the next graph.
    pub(super) fn begin(&mut self) {
        // Of what no snapshot has, only the copy in here is left.
        self.0.retain(|_, known| Arc::strong_count(known) > 1);
    }

    /// What a listener shows and asks. Nothing when it has no certificate, or its clients couldn't be checked:
    /// then it must not be served.
    pub(super) fn certificates(
        &mut self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<Arc<CertificateSet>> {
        let keys = listener.certificates.clone();
        if keys.is_empty() {
            return None;
        }
        let Some(asked) = &listener.client_validation else {
            return Some(Arc::new(CertificateSet::new(keys)));
        };
        let scope = format!("{gateway}:{}", listener.port);
        let set = self
            .validation(scope.into(), asked)
            .and_then(|validation| CertificateSet::checking(keys, validation));
        set.map(Arc::new)
            .inspect_err(|error| {
                let listener = listener.name.as_str();
                error!(%gateway, listener, %error, "clients can't be checked, so the listener isn't served");
            })
            .ok()
    }

    fn validation(
        &mut self,
        scope: Arc<str>,
        asked: &ValidationNode,
    ) -> Result<Arc<ClientValidation>, rustls::Error> {
        let mode = match asked.mode {
            FrontendValidationModeType::AllowValidOnly => ClientMode::ValidOnly,
            FrontendValidationModeType::AllowInsecureFallback => ClientMode::InsecureFallback,
        };
        if let Some(same) = self
            .0
            .get(&scope)
            .filter(|before| before.mode == mode && before.authorities == asked.authorities)
        {
            return Ok(same.clone());
        }
        let authorities = asked.authorities.clone();
        let validation = Arc::new(ClientValidation::new(scope.clone(), mode, authorities)?);
        self.0.insert(scope, validation.clone());
        Ok(validation)
    }
}

/// The scope that a listener's clients must have passed.
pub(super) fn only_clients_of(set: &CertificateSet) -> Option<Arc<str>> {
    let validation = &set.clients.as_ref()?.validation;
    (validation.mode == ClientMode::ValidOnly).then(|| validation.scope.clone())
}
