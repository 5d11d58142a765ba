//! Renders diagnostics as SARIF 2.1.0, which code scanning services read.
//!
//! In: diagnostics. Out: one JSON text with a rule for each code that occurs, and a result for each diagnostic.

use super::clean::clean;
use super::format::SerializedPosition;
use super::{Code, Diagnostic, Place, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Component, Path};

/// Renders diagnostics as a SARIF log with one run. Paths become URIs relative to `folder`, the current folder; a path outside
/// of it stays absolute. A diagnostic about no file is located at the folder itself, since services refuse a result without a
/// location.
pub fn sarif(diagnostics: &[Diagnostic], version: &str, folder: &Path) -> String {
    let codes: BTreeSet<Code> = diagnostics.iter().map(|found| found.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let results = diagnostics
        .iter()
        .map(|found| result(found, &codes, folder));
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "gatefold",
                "semanticVersion": version,
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<Value>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<Value>>(),
        }],
    });
    format!("{log:#}\n")
}

fn rule(code: Code) -> Value {
    let explanation = code.explanation().split_whitespace().collect::<Vec<_>>();
    let explanation = explanation.join(" ");
    let end = explanation
        .find(". ")
        .map_or(explanation.len(), |end| end + 1);
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": explanation.get(..end)},
        "fullDescription": {"text": explanation},
        "help": {"text": explanation},
        "defaultConfiguration": {"level": level(code.severity())},
    })
}

fn result(found: &Diagnostic, codes: &[Code], folder: &Path) -> Value {
    let mut text = clean(&found.message).into_owned();
    for more in found.notes.iter().chain(&found.help) {
        text.push('\n');
        text.push_str(&clean(more));
    }
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), json!(found.code.as_str()));
    result.insert(
        "ruleIndex".to_owned(),
        json!(codes.binary_search(&found.code).ok()),
    );
    result.insert("level".to_owned(), json!(level(found.severity)));
    result.insert("message".to_owned(), json!({"text": text}));
    result.insert(
        "locations".to_owned(),
        json!([location(&found.place, folder)]),
    );
    let labels = found.labels.iter().enumerate().map(|(id, label)| {
        let mut related = location(&label.place, folder);
        related["id"] = json!(id);
        related["message"] = json!({"text": clean(&label.text)});
        related
    });
    let labels: Vec<Value> = labels.collect();
    if !labels.is_empty() {
        result.insert("relatedLocations".to_owned(), json!(labels));
    }
    Value::Object(result)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn location(place: &Place, folder: &Path) -> Value {
    let artifact = match place.path() {
        Some(path) => artifact(path, folder),
        None => json!({"uri": "."}),
    };
    let at = SerializedPosition::of(place);
    let region = match (at.line, at.column) {
        (Some(line), Some(column)) => {
            let width = at.width.unwrap_or(0);
            json!({"startLine": line, "startColumn": column, "endColumn": column + width})
        }
        _ => json!({"startLine": 1}),
    };
    json!({"physicalLocation": {"artifactLocation": artifact, "region": region}})
}

fn artifact(path: &Path, folder: &Path) -> Value {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let mut uri = String::new();
    for component in relative.components() {
        match component {
            // The root of an absolute path becomes the first `/` of the URI.
            Component::RootDir => {}
            Component::CurDir => continue,
            Component::Prefix(_) | Component::ParentDir | Component::Normal(_) => {}
        }
        if !uri.is_empty() && !uri.ends_with('/') {
            uri.push('/');
        }
        encode(&component.as_os_str().to_string_lossy(), &mut uri);
    }
    if relative.is_absolute() {
        json!({"uri": format!("file://{uri}")})
    } else {
        json!({"uri": uri, "uriBaseId": "%SRCROOT%"})
    }
}

/// Percent-encodes what a path of a URI can't contain (RFC 3986, section 3.3), and `:`, which a relative URI may not begin with.
fn encode(text: &str, uri: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(path: &str) -> String {
        let folder = Path::new("/repository");
        artifact(Path::new(path), folder)["uri"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    #[test]
    fn makes_uris_of_paths() {
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a.yaml", "a.yaml"),
            ("../a.yaml", "../a.yaml"),
            ("/repository/a.yaml", "a.yaml"),
            ("/elsewhere/a b.yaml", "file:///elsewhere/a%20b.yaml"),
            ("a:ü%.yaml", "a%3A%C3%BC%25.yaml"),
            ("<helm template app>", "%3Chelm%20template%20app%3E"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
