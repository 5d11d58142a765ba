//! The settings of a ClientTrafficPolicy, as connections and requests are served with them.

use super::shortfall::{Shortfall, ShortfallEffect};
use super::{socket_settings, time_limits, tls_settings};
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::client_address::{AddressSource, WithoutAddress};
use gatefold_dataplane::client_traffic::socket_settings::SocketSettings;
use gatefold_dataplane::client_traffic::tls_settings::TlsSettings;
use gatefold_manifest::api::{
    ClientIPDetectionSettings, ClientTrafficPolicySpec, CustomHeaderExtensionSettings, FieldEffect,
    SetField, XForwardedForSettings,
};
use http::HeaderName;
use std::num::NonZeroUsize;
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
    /// What gatefold doesn't serve.
    pub(super) shortfalls: Vec<Shortfall>,
}

impl PolicySettings {
    /// Reads the settings of a policy.
    pub fn of(spec: &ClientTrafficPolicySpec) -> Self {
        let mut shortfalls: Vec<_> = spec.unserved.iter().filter_map(unserved).collect();
        let tls = spec.tls.as_ref();
        let tls = tls.map(|tls| tls_settings::of(tls, &mut shortfalls));
        let requests = requests(spec, &mut shortfalls).map(Arc::new);
        PolicySettings {
            requests,
            socket: socket_settings::of(spec, &mut shortfalls),
            tls: tls.filter(|it| *it != TlsSettings::default()).map(Arc::new),
            shortfalls,
        }
    }

    /// Returns what closes the targets of the policy.
    pub(super) fn closing(&self) -> impl Iterator<Item = &Shortfall> {
        let all = self.shortfalls.iter();
        all.filter(|it| it.effect == ShortfallEffect::Closes)
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

/// Returns how requests are treated. `None` if the policy says nothing of them.
fn requests(
    spec: &ClientTrafficPolicySpec,
    shortfalls: &mut Vec<Shortfall>,
) -> Option<ClientTraffic> {
    let detection = spec.client_ip_detection.as_ref();
    let forwarded_for = detection.and_then(|it| it.x_forwarded_for.as_ref());
    let settings = ClientTraffic {
        address_source: detection.map(address_source).unwrap_or_default(),
        keeps_forwarded_for: forwarded_for
            .and_then(|it| it.disable_x_forwarded_for_append)
            .unwrap_or_default(),
        request_limits: time_limits::of_requests(spec.timeout.as_ref(), shortfalls),
    };
    (settings != ClientTraffic::default()).then_some(settings)
}

fn address_source(detection: &ClientIPDetectionSettings) -> AddressSource {
    let ClientIPDetectionSettings {
        x_forwarded_for,
        custom_header,
        direct_source_ip: _,
    } = detection;
    let header = custom_header.as_ref().and_then(header);
    let forwarded_for = x_forwarded_for.as_ref().map(forwarded_for);
    header.or(forwarded_for).unwrap_or_default()
}

fn forwarded_for(settings: &XForwardedForSettings) -> AddressSource {
    if let Some(networks) = &settings.trusted_cidrs {
        // The decoder has checked them.
        let networks = networks.iter().filter_map(|it| it.parse().ok());
        return AddressSource::TrustedNetworks(networks.collect());
    }
    let position = settings.num_trusted_hops.unwrap_or_default();
    let position = usize::try_from(position).unwrap_or(usize::MAX);
    AddressSource::Hops(NonZeroUsize::new(position).unwrap_or(NonZeroUsize::MIN))
}

/// The decoder has checked the name.
fn header(settings: &CustomHeaderExtensionSettings) -> Option<AddressSource> {
    let name = HeaderName::from_bytes(settings.name.as_bytes()).ok()?;
    let without = match settings.fail_closed {
        Some(true) => WithoutAddress::Deny,
        Some(false) | None => WithoutAddress::Peer,
    };
    Some(AddressSource::Header { name, without })
}
