//! The diagnostics about fetched keys.

use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_graph::Graph;

/// Returns a diagnostic for each problem with fetched keys, at each place that names them.
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
    found
}
