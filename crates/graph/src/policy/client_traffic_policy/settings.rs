//! The settings of a ClientTrafficPolicy, as connections and requests are served with them.

use super::shortfall::Shortfall;
use super::{client_validation, request_settings, socket_settings, tls_settings};
use crate::Build;
use crate::certificate::client_validation::ClientValidationNode;
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::socket_settings::SocketSettings;
use gatefold_dataplane::client_traffic::tls_settings::TlsSettings;
use gatefold_manifest::api::{ClientTrafficPolicy, FieldEffect, SetField};
use std::sync::Arc;

/// What a policy says, as far as gatefold serves it.
#[derive(Default)]
pub(crate) struct PolicySettings {
    /// How requests are treated. `None` if the policy says nothing of them.
    pub requests: Option<Arc<ClientTraffic>>,
    /// How the connections of a socket are treated.
    pub socket: SocketSettings,
    /// How TLS is set up. `None` if the policy says nothing of it.
    pub tls: Option<Arc<TlsSettings>>,
    /// How the certificates of clients are validated, if the policy says so and it can be done.
    pub clients: Option<Arc<ClientValidationNode>>,
    /// What gatefold doesn't serve.
    pub(super) shortfalls: Vec<Shortfall>,
}

impl PolicySettings {
    /// Reads the settings of a policy.
    pub fn of(policy: &ClientTrafficPolicy, build: &mut Build<'_>) -> Self {
        let spec = &policy.spec;
        let mut shortfalls: Vec<_> = spec.set_fields.iter().filter_map(unserved).collect();
        let tls = spec.tls.as_ref();
        let tls = tls.map(|tls| tls_settings::of(tls, &mut shortfalls));
        let requests = request_settings::of(spec, &mut shortfalls);
        let requests = (requests != ClientTraffic::default()).then(|| Arc::new(requests));
        PolicySettings {
            requests,
            socket: socket_settings::of(spec, &mut shortfalls),
            clients: client_validation::of(policy, &mut shortfalls, build),
            tls: tls.filter(|it| *it != TlsSettings::default()).map(Arc::new),
            shortfalls,
        }
    }

    /// Returns what closes the targets of the policy.
    pub(super) fn closing(&self) -> impl Iterator<Item = &Shortfall> {
        let all = self.shortfalls.iter();
        all.filter(|it| it.effect.closes())
    }

    /// Whether gatefold can do what the policy says, apart from what it ignores.
    pub fn is_enforceable(&self) -> bool {
        self.closing().next().is_none()
    }
}

/// Returns what happens because of a field that isn't served. `None` if it is.
fn unserved(set: &SetField) -> Option<Shortfall> {
    let pointer = set.pointer.clone();
    match set.field.effect {
        FieldEffect::Closes => Some(Shortfall::closes(pointer, "")),
        FieldEffect::Ignored(instead) => Some(Shortfall::warns(pointer, instead)),
        FieldEffect::Served(_) | FieldEffect::Guards(_) => None,
    }
}
