//! A file of manifests.

use gatefold_diagnostic::{Style, render};
use gatefold_graph::Environment;
use gatefold_manifest::Loader;

/// Loads the bytes as a file, builds what they mean, and compiles it. Each finding must have a text.
pub fn check(bytes: &[u8]) {
    let loaded = Loader::from_text("manifests.yaml", bytes);
    let graph = gatefold_graph::build(&loaded.resources, &Environment::default());
    let _ = gatefold_compile::compile(&graph);
    for found in loaded.diagnostics.iter().chain(&graph.diagnostics) {
        assert!(!render(found, Style::Plain).is_empty());
    }
}
