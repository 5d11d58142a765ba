//! ClientTrafficPolicies, and edits that tests wait for.

use super::daemon::Daemon;
use super::folder::Folder;
use serde_json::Value;

/// A ClientTrafficPolicy `clients` for the Gateway `edge` with these settings, as a line of YAML.
pub fn client_traffic_policy(settings: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: clients}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  {settings}
"
    )
}

/// Writes a file, and waits until it is in force.
pub fn replace(folder: &Folder, daemon: &Daemon, name: &str, text: &str) {
    after(daemon, || folder.write(name, text));
}

/// Removes a file, and waits until that is in force.
pub fn remove(folder: &Folder, daemon: &Daemon, name: &str) {
    after(daemon, || folder.remove(name));
}

fn after(daemon: &Daemon, edit: impl FnOnce()) {
    let seen = |summary: &Value| summary["generation"]["seen"].as_u64();
    let before = daemon.wait_for_summary("a generation", seen);
    edit();
    daemon.wait_for_summary("the next generation", |summary| {
        seen(summary).filter(|now| *now > before)
    });
}
