//! The diagnostics about what is fetched from issuers.

use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_graph::Graph;

/// Returns a diagnostic for each problem with fetched keys and providers, at each place that names them.
pub(crate) fn diagnostics(graph: &Graph) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (source, node) in &graph.remote_jwks {
        let report = node.keys.report();
        for (place, id) in &node.named_at {
            let at =
                |code, message| Diagnostic::new(code, place.clone(), message).about(id.clone());
            if let Some(failure) = &report.failure {
                let message = format!("the keys at {source} can't be fetched: {failure}");
                let effect = match node.keys.size() {
                    Some(_) => "the last good keys stay in force",
                    None => "requests with a token are refused until there are keys",
                };
                found.push(at(Code::KeysNotFetched, message).caption(effect));
            }
            let skipped = report.skipped.iter().map(|skipped| {
                let message = format!("a key at {source} isn't used, {skipped}");
                at(Code::UnusableJsonWebKey, message)
            });
            found.extend(skipped);
        }
    }
    for (source, node) in &graph.oidc_providers {
        let Some(failure) = &*node.provider.failure() else {
            continue;
        };
        let effect = match node.provider.configuration() {
            Some(_) => "what was known of it stays in force",
            None => "nobody can log in until the provider is known",
        };
        for (place, id) in &node.named_at {
            let message = format!("the OpenID provider {source} can't be asked: {failure}");
            let code = Code::ProviderNotFetched;
            let diagnostic = Diagnostic::new(code, place.clone(), message);
            found.push(diagnostic.about(id.clone()).caption(effect));
        }
    }
    found
}
