//! `ClientTrafficPolicy.spec.proxyProtocol`.

use crate::api::object;

object! {
    /// Connections begin with a PROXY header, which names the client.
    pub closed ProxyProtocolSettings {
        /// Whether connections without a header are served, too.
        "optional" => optional: Option<bool>,
    }
}
