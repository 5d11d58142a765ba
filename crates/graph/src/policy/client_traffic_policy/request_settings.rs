//! The settings of a ClientTrafficPolicy for requests.
//!
//! In: the policy. Out: its settings, and those that can't be applied as written.

use super::header_changes::HeaderChangeReader;
use super::shortfall::Shortfall;
use super::time_limits;
use gatefold_dataplane::client_traffic::client_address::{AddressSource, WithoutAddress};
use gatefold_dataplane::client_traffic::forwarded_client_cert::{
    CertificateDetails, ForwardedClientCert,
};
use gatefold_dataplane::client_traffic::{ClientTraffic, HostDot, RequestIdRule, Underscores};
use gatefold_dataplane::filter::security::authorization::ClientNetwork;
use gatefold_dataplane::path_normalization::{EscapedSlashes, PathRules};
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{
    ClientIPDetectionSettings, ClientTrafficPolicySpec, CustomHeaderExtensionSettings,
    HeaderSettings, PathEscapedSlashAction, PathSettings, RequestIDAction, WithUnderscoresAction,
    XFCCCertData, XFCCForwardMode, XForwardedClientCert, XForwardedForSettings,
};
use http::HeaderName;
use std::num::NonZeroUsize;

/// Returns the settings of a policy, without those that can't be applied.
pub(super) fn of(spec: &ClientTrafficPolicySpec, shortfalls: &mut Vec<Shortfall>) -> ClientTraffic {
    let detection = spec.client_ip_detection.as_ref();
    let forwarded_for = detection.and_then(|it| it.x_forwarded_for.as_ref());
    let headers = spec.headers.as_ref();
    let request_limits = time_limits::of_requests(spec.timeout.as_ref(), shortfalls);
    let address_source = detection.map(|it| address_source(it, shortfalls));
    let mut changes = HeaderChangeReader { shortfalls };
    let early = headers.and_then(|it| it.early_request_headers.as_ref());
    let late = headers.and_then(|it| it.late_response_headers.as_ref());
    ClientTraffic {
        request_limits,
        address_source: address_source.unwrap_or_default(),
        keeps_forwarded_for: forwarded_for
            .and_then(|it| it.disable_x_forwarded_for_append)
            .unwrap_or_default(),
        underscores: headers.map(underscores).unwrap_or_default(),
        request_id: headers.map(request_id).unwrap_or_default(),
        host_dot: headers.map(host_dot).unwrap_or_default(),
        forwarded_client_cert: headers
            .and_then(|it| it.x_forwarded_client_cert.as_ref())
            .map(forwarded_client_cert)
            .unwrap_or_default(),
        path: spec.path.as_ref().map(path),
        health_check: spec.health_check.as_ref().map(|it| (*it.path).into()),
        request_headers: early.map(|it| changes.of_requests(it)).unwrap_or_default(),
        response_headers: late.map(|it| changes.of_responses(it)).unwrap_or_default(),
    }
}

fn address_source(
    detection: &ClientIPDetectionSettings,
    shortfalls: &mut Vec<Shortfall>,
) -> AddressSource {
    let ClientIPDetectionSettings {
        x_forwarded_for,
        custom_header,
        direct_source_ip: _,
    } = detection;
    let header = custom_header.as_ref().and_then(header);
    let forwarded_for = x_forwarded_for
        .as_ref()
        .map(|it| forwarded_for(it, shortfalls));
    header.or(forwarded_for).unwrap_or_default()
}

fn forwarded_for(
    settings: &XForwardedForSettings,
    shortfalls: &mut Vec<Shortfall>,
) -> AddressSource {
    if let Some(networks) = &settings.trusted_cidrs {
        let networks = networks.iter().enumerate();
        let networks = networks.filter_map(|(index, text)| {
            let network = ClientNetwork::parse(text);
            if network.is_none() {
                let at = Pointer::spec()
                    .key("clientIPDetection")
                    .key("xForwardedFor");
                let at = at.key("trustedCIDRs").index(index);
                shortfalls.push(Shortfall::invalid(at, format!("`{text}` isn't a network")));
            }
            network
        });
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

fn underscores(settings: &HeaderSettings) -> Underscores {
    match settings.with_underscores_action {
        None | Some(WithUnderscoresAction::Allow) => Underscores::Forward,
        Some(WithUnderscoresAction::DropHeader) => Underscores::Drop,
        Some(WithUnderscoresAction::RejectRequest) => Underscores::Reject,
    }
}

fn request_id(settings: &HeaderSettings) -> RequestIdRule {
    match (settings.request_id, settings.preserve_x_request_id) {
        (Some(RequestIDAction::Preserve), _) => RequestIdRule::Keep,
        (Some(RequestIDAction::Disable), _) => RequestIdRule::Remove,
        (Some(RequestIDAction::Generate), _) | (None, Some(false)) => RequestIdRule::Make,
        (Some(RequestIDAction::PreserveOrGenerate), _) | (None, Some(true) | None) => {
            RequestIdRule::KeepOrMake
        }
    }
}

fn host_dot(settings: &HeaderSettings) -> HostDot {
    let host = settings.host.as_ref();
    match host.and_then(|it| it.strip_trailing_host_dot) {
        Some(true) => HostDot::Strip,
        Some(false) | None => HostDot::Forward,
    }
}

fn forwarded_client_cert(settings: &XForwardedClientCert) -> ForwardedClientCert {
    let has = |detail| settings.cert_details_to_add.contains(&detail);
    let details = CertificateDetails {
        certificate: has(XFCCCertData::Cert),
        chain: has(XFCCCertData::Chain),
        subject: has(XFCCCertData::Subject),
        uris: has(XFCCCertData::URI),
        dns_names: has(XFCCCertData::DNS),
    };
    match settings.mode {
        None | Some(XFCCForwardMode::Sanitize) => ForwardedClientCert::Sanitize,
        Some(XFCCForwardMode::ForwardOnly) => ForwardedClientCert::ForwardOnly,
        Some(XFCCForwardMode::AppendForward) => ForwardedClientCert::AppendForward(details),
        Some(XFCCForwardMode::SanitizeSet) => ForwardedClientCert::SanitizeSet(details),
        Some(XFCCForwardMode::AlwaysForwardOnly) => ForwardedClientCert::AlwaysForwardOnly,
    }
}

/// A field that isn't set keeps gatefold's default.
fn path(settings: &PathSettings) -> PathRules {
    PathRules {
        merges_slashes: settings.disable_merge_slashes != Some(true),
        escaped_slashes: match settings.escaped_slashes_action {
            None | Some(PathEscapedSlashAction::KeepUnchanged) => EscapedSlashes::Keep,
            Some(PathEscapedSlashAction::RejectRequest) => EscapedSlashes::Reject,
            Some(PathEscapedSlashAction::UnescapeAndForward) => EscapedSlashes::Unescape,
            Some(PathEscapedSlashAction::UnescapeAndRedirect) => EscapedSlashes::Redirect,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_can_not_be_read_is_reported() {
        let settings = XForwardedForSettings {
            trusted_cidrs: Some(vec!["10.0.0.0/8".to_owned(), "10.0.0.0/024".to_owned()]),
            num_trusted_hops: None,
            disable_x_forwarded_for_append: None,
        };
        let mut shortfalls = Vec::new();
        let source = forwarded_for(&settings, &mut shortfalls);
        assert_eq!(source.to_string(), "X-Forwarded-For, through 10.0.0.0/8");
        let [shortfall] = &*shortfalls else {
            panic!("{shortfalls:?}");
        };
        assert!(shortfall.effect.closes());
        let place = "spec.clientIPDetection.xForwardedFor.trustedCIDRs[1]";
        assert_eq!(shortfall.pointer.to_string(), place);
    }
}
