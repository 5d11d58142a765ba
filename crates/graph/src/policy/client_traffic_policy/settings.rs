//! The settings of a ClientTrafficPolicy, as requests are served with them.

use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::client_address::{AddressSource, WithoutAddress};
use gatefold_manifest::api::{
    ClientIPDetectionSettings, ClientTrafficPolicySpec, CustomHeaderExtensionSettings,
    XForwardedForSettings,
};
use http::HeaderName;
use std::num::NonZeroUsize;

/// Returns the settings of a policy. `None` if it has none that gatefold serves.
pub(super) fn of(spec: &ClientTrafficPolicySpec) -> Option<ClientTraffic> {
    let detection = spec.client_ip_detection.as_ref();
    let forwarded_for = detection.and_then(|it| it.x_forwarded_for.as_ref());
    let settings = ClientTraffic {
        address_source: detection.map(address_source).unwrap_or_default(),
        keeps_forwarded_for: forwarded_for
            .and_then(|it| it.disable_x_forwarded_for_append)
            .unwrap_or_default(),
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
