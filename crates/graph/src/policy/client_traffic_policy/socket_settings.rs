//! The settings of a ClientTrafficPolicy for the connections of a socket.

use gatefold_dataplane::client_traffic::socket_settings::{ProxyProtocol, SocketSettings};
use gatefold_manifest::api::ClientTrafficPolicySpec;

/// Returns what a policy says of its sockets.
pub(super) fn of(spec: &ClientTrafficPolicySpec) -> SocketSettings {
    SocketSettings {
        proxy_protocol: proxy_protocol(spec),
    }
}

fn proxy_protocol(spec: &ClientTrafficPolicySpec) -> ProxyProtocol {
    match &spec.proxy_protocol {
        Some(settings) if settings.optional == Some(true) => ProxyProtocol::Optional,
        Some(_) => ProxyProtocol::Required,
        None if spec.enable_proxy_protocol == Some(true) => ProxyProtocol::Required,
        None => ProxyProtocol::Off,
    }
}
