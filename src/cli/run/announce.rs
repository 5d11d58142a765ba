use crate::reload::{ListenerState, Published};
use tracing::{info, warn};

/// Says what listens where.
pub(super) fn announce(published: &Published) {
    for listener in &published.listeners {
        announce_listener(listener);
    }
    let resources = &published.loaded.resources;
    if published.listeners.is_empty() {
        warn!(
            files = published.loaded.files,
            gateways = resources.gateways.len(),
            "nothing is served: no Gateway of ours is in the folder; it is watched for one"
        );
    } else {
        info!(
            files = published.loaded.files,
            gateways = resources.gateways.len(),
            routes = resources.http_routes.len(),
            diagnostics = published.diagnostics.len(),
            "ready"
        );
    }
}

fn announce_listener(listener: &ListenerState) {
    let ListenerState {
        gateway,
        name,
        port,
        routes,
        ..
    } = listener;
    let hostname = listener.hostname.as_deref().unwrap_or("*");
    let protocol = listener.protocol.unwrap_or("unsupported");
    for socket in &listener.listening {
        info!(
            %socket, protocol, hostname, routes, gateway = gateway.as_str(), listener = name.as_str(), port,
            "listening"
        );
    }
    if listener.listening.is_empty() {
        warn!(
            protocol,
            hostname,
            gateway = gateway.as_str(),
            listener = name.as_str(),
            port,
            "not listening"
        );
    }
}

/// Says how it ended, with so many connections still open.
pub(super) fn say_goodbye(left: usize) {
    match left {
        0 => info!("all requests are done: gatefold ends"),
        _ => warn!(
            connections = left,
            "the drain time-out is over: gatefold ends and cuts connections"
        ),
    }
}
