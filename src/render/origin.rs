//! Finds out which source file an object in a command's output comes from.
//!
//! In: diagnostics about the output. Out: notes with the source file. kustomize leaves it in the annotation
//! `config.kubernetes.io/origin` if its kustomization has `buildMetadata: [originAnnotations]`; Helm prints a comment
//! `# Source:` before each object.

use gatefold_diagnostic::yaml::{document_json, split};
use gatefold_diagnostic::{Diagnostic, Document, Place, Source};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

const ANNOTATION: &str = "/metadata/annotations/config.kubernetes.io~1origin";
const COMMENT: &str = "# Source: ";

/// The content of kustomize's annotation. Paths are relative to the folder of the kustomization that was built, or to the root
/// of `repo`.
#[derive(Deserialize)]
struct KustomizeOrigin {
    path: Option<String>,
    repo: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// The configuration of the generator that made the object.
    #[serde(rename = "configuredIn")]
    configured_in: Option<String>,
}

/// Adds the source file to each diagnostic about the output of a command.
pub fn add_origins(diagnostics: &mut [Diagnostic]) {
    for found in diagnostics {
        // The output of a command is named `<command>`.
        let path = found.place.path().map(|path| path.to_string_lossy());
        if path.is_some_and(|path| path.starts_with('<') && path.ends_with('>'))
            && let Some(document) = document_of(&found.place)
            && let Some(origin) = origin_of(&document)
        {
            let note = format!("rendered from {origin}");
            if !found.notes.contains(&note) {
                found.notes.push(note);
            }
        }
    }
}

/// The document that a place is in.
fn document_of(place: &Place) -> Option<Document> {
    match place {
        Place::Nowhere | Place::File(_) => None,
        Place::Field { document, .. } => Some(document.clone()),
        Place::Bytes { source, bytes } => {
            let mut chunks = split(&source.text).into_iter();
            let chunk = chunks.rfind(|chunk| chunk.bytes.start <= bytes.start)?;
            Some(Document {
                source: source.clone(),
                bytes: chunk.bytes,
                line: chunk.line,
                item: None,
            })
        }
    }
}

/// Returns a text of its own as a document.
fn whole(text: &str) -> Document {
    let source = Source {
        path: PathBuf::new(),
        text: text.into(),
    };
    Document {
        bytes: 0..text.len(),
        source: Arc::new(source),
        line: 1,
        item: None,
    }
}

fn origin_of(document: &Document) -> Option<String> {
    let mut lines = document.text()?.lines();
    if let Some(source) = lines.find_map(|line| line.strip_prefix(COMMENT)) {
        return Some(source.trim().to_owned());
    }
    let object = document_json(document)?;
    let origin = document_json(&whole(object.pointer(ANNOTATION)?.as_str()?))?;
    let origin: KustomizeOrigin = serde_json::from_value(origin).ok()?;
    let path = match (origin.path, origin.configured_in) {
        (Some(path), _) => path,
        (None, Some(generator)) => format!("a generator in {generator}"),
        (None, None) => return None,
    };
    Some(match (origin.repo, origin.reference) {
        (Some(repo), Some(reference)) => format!("{path} in {repo} at {reference}"),
        (Some(repo), None) => format!("{path} in {repo}"),
        (None, _) => path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Loader;

    fn notes(text: &str) -> Vec<String> {
        let mut found = Loader::from_text("<kustomize build x>", text).diagnostics;
        add_origins(&mut found);
        found.into_iter().flat_map(|it| it.notes).collect()
    }

    const BROKEN: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n    \
                          config.kubernetes.io/origin: |\nORIGIN\nspec: {ports: 1}\n";

    #[test]
    fn reads_the_annotation_of_kustomize_and_the_comment_of_helm() {
        for (origin, expected) in [
            ("      path: ../base/a.yaml", "../base/a.yaml"),
            (
                "      path: a.yaml\n      ref: v1\n      repo: https://example.com/x",
                "a.yaml in https://example.com/x at v1",
            ),
            (
                "      configuredIn: kustomization.yaml\n      configuredBy:\n        kind: ConfigMapGenerator",
                "a generator in kustomization.yaml",
            ),
        ] {
            let text = format!("kind: T\n---\n{}", BROKEN.replace("ORIGIN", origin));
            let expected = format!("rendered from {expected}");
            assert_eq!(notes(&text), [expected], "only the Service has an origin");
        }
        let helm = "---\n# Source: app/templates/a.yaml\nkind: T\n---\n# Source: app/templates/b.yaml\nkind: U\n";
        assert_eq!(
            notes(helm),
            [
                "rendered from app/templates/a.yaml",
                "rendered from app/templates/b.yaml"
            ]
        );
        assert_eq!(notes("kind: T\n"), Vec::<String>::new());
    }
}
