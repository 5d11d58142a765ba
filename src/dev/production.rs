//! What is missing for production: the objects that stand-ins replace.

use crate::reload::Published;
use gatefold_diagnostic::{Code, Diagnostic, summary_line};
use gatefold_manifest::api::NamespacedName;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The codes of diagnostics that say that something was replaced or left out for development.
const REPLACED: [Code; 4] = [
    Code::AuthorityStandIn,
    Code::ClusterAddress,
    Code::IgnoredPolicy,
    Code::StandInVariable,
];

/// Returns the list of what is missing for production, with a line for each kind of object. Empty if nothing is missing.
pub(crate) fn missing_for_production(published: &Published) -> String {
    let stand_ins = &published.found.stand_ins;
    let resources = &published.loaded.resources;
    let mut lines = Vec::new();
    let names = |keys: BTreeSet<&NamespacedName>| -> Vec<String> {
        keys.into_iter().map(ToString::to_string).collect()
    };
    if let Some(certificates) = &stand_ins.certificates {
        // The key of a listener that names no Secret contains a `/` after its namespace.
        let keys = certificates.pairs.keys();
        let (unnamed, secrets): (BTreeSet<_>, BTreeSet<_>) =
            keys.partition(|key| key.name.contains('/'));
        lines.push((
            "Secrets (the development CA issues their certificates)",
            names(secrets),
        ));
        lines.push((
            "certificates of listeners (the development CA issues them)",
            names(unnamed),
        ));
    }
    let services = stand_ins.echo.iter().map(|(service, _)| service);
    let (without_endpoints, missing): (BTreeSet<_>, BTreeSet<_>) =
        services.partition(|service| resources.services.contains_key(*service));
    lines.push(("Services (echo backends answer)", names(missing)));
    lines.push((
        "endpoints of Services (echo backends answer)",
        names(without_endpoints),
    ));
    let mut text = String::new();
    for (what, names) in lines {
        if !names.is_empty() {
            let names: Vec<String> = names;
            let _ = writeln!(text, "  {what}: {}", names.join(", "));
        }
    }
    for found in published.diagnostics.iter().filter(|it| is_replaced(it)) {
        let _ = writeln!(text, "  {}", summary_line(found));
    }
    if text.is_empty() {
        return text;
    }
    format!("MISSING FOR PRODUCTION\n{text}")
}

fn is_replaced(found: &Diagnostic) -> bool {
    REPLACED.contains(&found.code)
}
