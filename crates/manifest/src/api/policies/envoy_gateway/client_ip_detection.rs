//! `ClientTrafficPolicy.spec.clientIPDetection`.

use super::network::cidr;
use crate::Decoder;
use crate::api::{object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// Where the addresses of clients come from. Exactly one field is set.
    #[derive(Default)]
    pub closed ClientIPDetectionSettings checked by ClientIPDetectionSettings::check {
        /// From `X-Forwarded-For`.
        "xForwardedFor" => x_forwarded_for: Option<XForwardedForSettings>,
        /// From another header.
        "customHeader" => custom_header: Option<CustomHeaderExtensionSettings>,
        /// From the connection.
        "directSourceIP" => direct_source_ip: Option<DirectSourceIPSettings>,
    }
}

object! {
    /// How `X-Forwarded-For` is read.
    pub closed XForwardedForSettings checked by XForwardedForSettings::check {
        /// The position of the client's address, counted from the right, from 1. 0 means 1.
        "numTrustedHops" => num_trusted_hops: Option<i32>,
        /// The networks of proxies that are trusted.
        "trustedCIDRs" => trusted_cidrs: Option<Vec<String>> where cidr [1..=usize::MAX],
        /// Whether the peer of the connection isn't appended to the list.
        "disableXForwardedForAppend" => disable_x_forwarded_for_append: Option<bool>,
    }
}

object! {
    /// The header with the address of the client.
    pub closed CustomHeaderExtensionSettings {
        /// Its name.
        "name" => name: String where header_name [1..=255],
        /// Whether requests without an address there are answered 403.
        "failClosed" => fail_closed: Option<bool>,
    }
}

object! {
    /// The client is the peer of the connection.
    pub closed DirectSourceIPSettings {}
}

impl ClientIPDetectionSettings {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let set = [
            self.x_forwarded_for.is_some(),
            self.custom_header.is_some(),
            self.direct_source_ip.is_some(),
        ];
        if set.into_iter().filter(|is_set| *is_set).count() != 1 {
            decoder.invalid(
                node,
                "exactly one of `xForwardedFor`, `customHeader` and `directSourceIP` must be set",
            );
        }
    }
}

impl XForwardedForSettings {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.num_trusted_hops.is_some_and(|it| it < 0) {
            refuse(node, "numTrustedHops", "must be at least 0", decoder);
        }
        match (&self.num_trusted_hops, &self.trusted_cidrs) {
            (Some(_), Some(_)) => {
                let why = "can't be set beside `numTrustedHops`";
                refuse(node, "trustedCIDRs", why, decoder);
            }
            (None, None) => {
                let why = "is required, or `trustedCIDRs`";
                refuse(node, "numTrustedHops", why, decoder);
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

/// Letters, digits and hyphens. Source: the pattern of `CustomHeaderExtensionSettings.name`.
fn header_name(text: &str) -> Result<(), String> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.bytes().all(is_valid) {
        return Ok(());
    }
    Err(format!(
        "`{text}` must consist of letters, digits and hyphens"
    ))
}
