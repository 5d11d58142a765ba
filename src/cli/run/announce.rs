//! Log lines about the start and the end of the daemon.

use crate::cli::stand_in_args::StandInArgs;
use crate::reload::{ListenerState, Published};
use gatefold_diagnostic::Severity;
use tracing::{info, warn};

/// Logs a warning about each kind of stand-in, since stand-ins aren't for production.
pub(super) fn announce_stand_ins(args: &StandInArgs) {
    if args.echo {
        info!("built-in echo backends answer for Services without endpoints (--echo)");
    }
    if args.dev_certificates {
        warn!(
            "certificates of the development CA are served for Secrets that aren't in the folder (--dev-certificates)"
        );
    }
    if args.dev_allow_auth {
        warn!(
            "routes that a policy protects are served without protection, because gatefold can't enforce the policy (--dev-allow-auth)"
        );
    }
}

/// Logs which listeners are served on which sockets.
pub(super) fn announce(published: &Published) {
    for listener in &published.listeners {
        announce_listener(listener);
    }
    let resources = &published.loaded.resources;
    if published.listeners.is_empty() {
        warn!(
            files = published.loaded.files,
            gateways = resources.gateways.len(),
            "nothing is served, since no Gateway in the folder belongs to gatefold; the folder is watched for one"
        );
    } else {
        info!(
            files = published.loaded.files,
            gateways = resources.gateways.len(),
            routes = resources.route_count(),
            diagnostics = published.diagnostics.len(),
            "ready"
        );
    }
}

/// A short summary of what is served: `14 routes, 2 listeners, 1 warning`.
pub(super) fn summary(published: &Published) -> String {
    let serving = |listener: &&ListenerState| !listener.listening.is_empty();
    let found = |severity| {
        let found = published.diagnostics.iter();
        found.filter(|found| found.severity == severity).count()
    };
    let mut text = format!(
        "{}, {}",
        counted(published.loaded.resources.route_count(), "route"),
        counted(
            published.listeners.iter().filter(serving).count(),
            "listener"
        ),
    );
    for (severity, name) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        if found(severity) > 0 {
            text.push_str(", ");
            text.push_str(&counted(found(severity), name));
        }
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
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

/// Logs the end, with the number of connections that are still open.
pub(super) fn announce_end(open: usize) {
    if open == 0 {
        info!("all requests are finished: gatefold ends");
    } else {
        warn!(
            connections = open,
            "the drain timeout has passed: gatefold ends and closes the remaining connections"
        );
    }
}
