//! `ClientTrafficPolicy.spec.tls`.

use super::ClientValidationContext;
use crate::Decoder;
use crate::api::{choice, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// How TLS with clients is set up. The field table reports unknown fields.
    #[derive(Default)]
    pub open ClientTLSSettings checked by ClientTLSSettings::check {
        /// The oldest version of TLS that is served.
        "minVersion" => min_version: Option<TLSVersion>,
        /// The newest version of TLS that is served.
        "maxVersion" => max_version: Option<TLSVersion>,
        /// The cipher suites of TLS 1.2, by their names in OpenSSL or RFCs. `[A|B]` are equally preferred. Empty means all.
        "ciphers" => ciphers: Vec<String>,
        /// The groups for key exchange. Empty means all.
        "ecdhCurves" => ecdh_curves: Vec<String>,
        /// The algorithms by which gatefold signs. Empty means all.
        "signatureAlgorithms" => signature_algorithms: Vec<String>,
        /// The protocols that are offered, the most preferred one first. An empty list turns the negotiation off.
        "alpnProtocols" => alpn_protocols: Option<Vec<String>>,
        /// How sessions are resumed.
        "session" => session: Option<TLSSession>,
        /// How the certificates of clients are validated.
        "clientValidation" => client_validation: Option<ClientValidationContext>,
    }
}

object! {
    /// How sessions of TLS are managed.
    pub closed TLSSession {
        /// How sessions are resumed.
        "resumption" => resumption: Option<TLSSessionResumption>,
    }
}

object! {
    /// How sessions are resumed. Without any field, they aren't.
    pub closed TLSSessionResumption {
        /// With tickets, which clients keep.
        "stateless" => stateless: Option<EmptySettings>,
        /// With sessions that gatefold keeps.
        "stateful" => stateful: Option<EmptySettings>,
    }
}

object! {
    /// Settings without fields.
    pub closed EmptySettings {}
}

choice! {
    /// A version of TLS, from the oldest to the newest.
    pub TLSVersion {
        /// The default.
        Auto,
        /// TLS 1.0.
        V1_0 = "1.0",
        /// TLS 1.1.
        V1_1 = "1.1",
        /// TLS 1.2.
        V1_2 = "1.2",
        /// TLS 1.3.
        V1_3 = "1.3",
    }
}

impl ClientTLSSettings {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.min_version == Some(TLSVersion::V1_3) && !self.ciphers.is_empty() {
            let why = "has no effect if `minVersion` is `1.3`";
            refuse(node, "ciphers", why, decoder);
        }
        let max = self.max_version.filter(|max| *max != TLSVersion::Auto);
        if let (Some(min), Some(max)) = (self.min_version, max)
            && min > max
        {
            let why = "must not be newer than `maxVersion`";
            refuse(node, "minVersion", why, decoder);
        }
    }
}
