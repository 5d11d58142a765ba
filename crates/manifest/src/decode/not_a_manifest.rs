//! Recognises documents that aren't Kubernetes objects, as repositories keep them beside manifests.
//!
//! In: the name of a file, and the text or the tree of a document in it. Out: the type of the document, or `None` if it is an
//! object or was probably meant to be one. Never reads a file and never reports a problem.

use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Place, nearest};
use std::path::Path;

/// A document that the loader skips, because it isn't a Kubernetes object.
#[derive(Clone, Debug, PartialEq)]
pub struct PassedOver {
    /// The document, or its file if the file has no other document.
    pub place: Place,
    /// What it is.
    pub document_type: DocumentType,
}

/// What a document is that isn't a Kubernetes object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentType {
    /// `kustomization.yaml`, or an object of the group `kustomize.config.k8s.io`.
    Kustomization,
    /// `Chart.yaml`.
    HelmChart,
    /// `values.yaml` and similar names.
    HelmValues,
    /// `compose.yaml`, `docker-compose.yml`, or a document with their content.
    ComposeFile,
    /// `package.json`, `tsconfig.json` and similar files.
    JavaScriptProject,
    /// `.sops.yaml`.
    SopsSettings,
    /// The settings of another tool, such as `renovate.json` and `skaffold.yaml`.
    ToolSettings,
    /// A workflow of GitHub Actions or another pipeline.
    Workflow,
    /// A dashboard of Grafana.
    Dashboard,
    /// A JSON schema.
    JsonSchema,
    /// An API description in OpenAPI.
    ApiDescription,
    /// A list of JSON patch operations (RFC 6902).
    JsonPatch,
    /// A file that SOPS has encrypted and that is no Kubernetes object.
    EncryptedFile,
    /// Anything else.
    Other,
}

impl DocumentType {
    /// The type in words, for one document and for several.
    fn nouns(self) -> (&'static str, &'static str) {
        match self {
            DocumentType::Kustomization => ("kustomization", "kustomizations"),
            DocumentType::HelmChart => ("Helm chart", "Helm charts"),
            DocumentType::HelmValues => ("Helm values file", "Helm values files"),
            DocumentType::ComposeFile => ("compose file", "compose files"),
            DocumentType::JavaScriptProject => {
                ("JavaScript project file", "JavaScript project files")
            }
            DocumentType::SopsSettings => ("SOPS configuration", "SOPS configurations"),
            DocumentType::ToolSettings => ("tool configuration", "tool configurations"),
            DocumentType::Workflow => ("CI workflow", "CI workflows"),
            DocumentType::Dashboard => ("dashboard", "dashboards"),
            DocumentType::JsonSchema => ("JSON schema", "JSON schemas"),
            DocumentType::ApiDescription => ("API description", "API descriptions"),
            DocumentType::JsonPatch => ("JSON patch", "JSON patches"),
            DocumentType::EncryptedFile => ("encrypted file", "encrypted files"),
            DocumentType::Other => ("other document", "other documents"),
        }
    }

    /// A number of documents of this type: `3 Helm values files`.
    pub fn counted(self, count: usize) -> String {
        let (one, several) = self.nouns();
        format!("{count} {}", if count == 1 { one } else { several })
    }

    /// The type of one document, with its article: `a Helm chart`.
    pub fn with_article(self) -> String {
        let (one, _) = self.nouns();
        let vowel = one.starts_with(['e', 'A']);
        let article = if vowel { "an" } else { "a" };
        format!("{article} {one}")
    }
}

/// The type of a document that needn't be parsed, because its file is known by name and its text has no `apiVersion` or no
/// `kind`.
pub(super) fn by_text(path: &Path, text: &str) -> Option<DocumentType> {
    let is_object = text.contains("apiVersion") && text.contains("kind");
    by_name(path).filter(|_| !is_object)
}

/// The type of a document that can't be parsed. Only a file that is known by name may contain such a document, for example
/// `values.yaml` with templates in it.
pub(super) fn of_broken(path: &Path, text: &str) -> Option<DocumentType> {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    let is_object = has("apiVersion:") && has("kind:");
    by_name(path).filter(|known| *known == DocumentType::Kustomization || !is_object)
}

/// The type of a parsed document. `None` if it is a Kubernetes object, or has signs of one.
pub(super) fn of_tree(path: &Path, root: &Node) -> Option<DocumentType> {
    match &root.value {
        Value::Mapping(_) => of_mapping(path, root),
        Value::Sequence(items) => {
            let meant = |item: &Node| has_either(item) || resembles_object(item);
            (!items.iter().any(meant)).then(|| of_list(path, items))
        }
        Value::String(text) => {
            let meant = ["apiVersion", "kind:"].iter().any(|it| text.contains(it));
            (!meant).then_some(by_name(path).unwrap_or(DocumentType::Other))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Some(by_name(path).unwrap_or(DocumentType::Other))
        }
    }
}

/// Advice about a document that resembles an object but has neither `apiVersion` nor `kind`.
pub(super) fn advice(root: &Node) -> Option<String> {
    let Value::Mapping(entries) = &root.value else {
        let list = matches!(root.value, Value::Sequence(_));
        let help = "write each object as a document of its own, with a line `---` between them";
        return list.then(|| help.to_owned());
    };
    let mut keys = entries.iter().map(|(key, _)| key.name.as_str());
    let (wrong, right) = keys.find_map(|key| Some((key, misspelled(key)?)))?;
    Some(format!("write `{right}` instead of `{wrong}`"))
}

fn of_mapping(path: &Path, root: &Node) -> Option<DocumentType> {
    let (version, kind) = (root.field("apiVersion"), root.field("kind"));
    if let (Some(version), Some(_)) = (version, kind) {
        let group = version.as_str()?.split('/').next();
        return match group {
            Some("kustomize.config.k8s.io") => Some(DocumentType::Kustomization),
            Some("skaffold") => Some(DocumentType::ToolSettings),
            _ => None,
        };
    }
    let whole = root.field("metadata").is_some() && root.field("spec").is_some();
    if let Some(known) = by_name(path).filter(|_| !whole) {
        return Some(known);
    }
    if version.is_some() || kind.is_some() || resembles_object(root) {
        return None;
    }
    Some(by_shape(root))
}

fn has_either(node: &Node) -> bool {
    node.field("apiVersion").is_some() || node.field("kind").is_some()
}

/// Whether a mapping was probably meant to be an object, although it has neither `apiVersion` nor `kind`.
fn resembles_object(root: &Node) -> bool {
    let Value::Mapping(entries) = &root.value else {
        return false;
    };
    let mapping = |name: &str| {
        let found = root.field(name);
        found.filter(|it| matches!(it.value, Value::Mapping(_)))
    };
    let names = ["name", "generateName", "namespace"];
    let named = |metadata: &Node| names.iter().any(|it| metadata.field(it).is_some());
    let parts = ["metadata", "spec", "status"];
    let only_parts = || entries.iter().all(|(key, _)| parts.contains(&&*key.name));
    let misspelled = |(key, _): &(gatefold_diagnostic::yaml::Key, Node)| misspelled(&key.name);
    entries.iter().any(|entry| misspelled(entry).is_some())
        || mapping("metadata").is_some_and(|it| named(it) || root.field("spec").is_some())
        || (mapping("spec").is_some() && only_parts())
}

/// The field that a key was probably meant to be: `apiVersion` or `kind`, in another case or with a typing error.
fn misspelled(key: &str) -> Option<&'static str> {
    if matches!(key, "apiVersion" | "kind") {
        return None;
    }
    let folded = key.to_ascii_lowercase().replace(['-', '_'], "");
    match folded.as_str() {
        "kind" => Some("kind"),
        // Helm charts have a field with this name.
        "appversion" => None,
        _ if folded.starts_with("ap") => nearest(key, &["apiVersion"]).map(|_| "apiVersion"),
        _ => None,
    }
}

/// The type of a file that is known by its name.
pub(super) fn by_name(path: &Path) -> Option<DocumentType> {
    let name = path.file_name()?.to_str()?;
    let (stem, extension) = name.rsplit_once('.')?;
    let yaml = matches!(extension, "yaml" | "yml");
    if !yaml && extension != "json" {
        return None;
    }
    let lower = stem.trim_start_matches('.').to_ascii_lowercase();
    let begins = |word: &str| {
        let rest = lower.strip_prefix(word);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
    };
    let ends = |word: &str| {
        let rest = lower.strip_suffix(word);
        rest.is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    };
    Some(match lower.as_str() {
        "kustomization" if yaml => DocumentType::Kustomization,
        "chart" | "requirements" if yaml && stem != "chart" => DocumentType::HelmChart,
        "sops" if stem.starts_with('.') => DocumentType::SopsSettings,
        _ if begins("values") || ends("values") => DocumentType::HelmValues,
        _ if yaml && (begins("docker-compose") || begins("compose")) => DocumentType::ComposeFile,
        _ if !yaml && PROJECT_FILES.iter().any(|it| begins(it)) => DocumentType::JavaScriptProject,
        known if TOOLS.contains(&known) => DocumentType::ToolSettings,
        known if PIPELINES.contains(&known) => DocumentType::Workflow,
        _ => return None,
    })
}

/// Names of JSON files, without extension; `tsconfig.build.json` counts as `tsconfig`.
const PROJECT_FILES: [&str; 8] = [
    "package",
    "package-lock",
    "tsconfig",
    "jsconfig",
    "deno",
    "composer",
    "lerna",
    "nx",
];

/// Names of settings of tools, without extension and without a leading dot.
const TOOLS: [&str; 24] = [
    "buf",
    "cloudbuild",
    "codecov",
    "ct",
    "dependabot",
    "devbox",
    "devspace",
    "goreleaser",
    "golangci",
    "helmfile",
    "markdownlint",
    "mkdocs",
    "pnpm-lock",
    "pnpm-workspace",
    "pre-commit-config",
    "pre-commit-hooks",
    "prettierrc",
    "release-please-config",
    "renovate",
    "renovaterc",
    "skaffold",
    "taskfile",
    "tilt_config",
    "yamllint",
];

/// Names of pipelines, without extension and without a leading dot.
const PIPELINES: [&str; 5] = [
    "appveyor",
    "azure-pipelines",
    "bitbucket-pipelines",
    "gitlab-ci",
    "travis",
];

/// The type of a mapping that is no object, by its keys.
fn by_shape(root: &Node) -> DocumentType {
    let has = |key: &str| root.field(key).is_some();
    let has_services = || {
        let Some(Value::Mapping(services)) = root.field("services").map(|it| &it.value) else {
            return false;
        };
        let is_service =
            |service: &Node| service.field("image").is_some() || service.field("build").is_some();
        services.iter().any(|(_, service)| is_service(service))
    };
    let dashboard = |node: &Node| node.field("panels").is_some() && node.field("title").is_some();
    if is_encrypted(root) {
        DocumentType::EncryptedFile
    } else if dashboard(root) || root.field("dashboard").is_some_and(dashboard) {
        DocumentType::Dashboard
    } else if has("openapi") || has("swagger") {
        DocumentType::ApiDescription
    } else if has("$schema") && (has("properties") || has("definitions") || has("$defs")) {
        DocumentType::JsonSchema
    // YAML 1.1 reads the key `on` as a boolean.
    } else if has("jobs") && (has("on") || has("true")) {
        DocumentType::Workflow
    } else if has_services() {
        DocumentType::ComposeFile
    } else {
        DocumentType::Other
    }
}

fn of_list(path: &Path, items: &[Node]) -> DocumentType {
    let operation = |item: &Node| item.field("op").is_some() && item.field("path").is_some();
    match by_name(path) {
        Some(known) => known,
        None if !items.is_empty() && items.iter().all(operation) => DocumentType::JsonPatch,
        None => DocumentType::Other,
    }
}

/// Whether SOPS has encrypted values of a document: it adds the mapping `sops`, and encrypted values begin with `ENC[`.
pub(super) fn is_encrypted(root: &Node) -> bool {
    let sops = root.field("sops");
    sops.is_some_and(|it| matches!(it.value, Value::Mapping(_))) && has_encrypted_value(root)
}

fn has_encrypted_value(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => text.starts_with("ENC["),
        Value::Sequence(items) => items.iter().any(has_encrypted_value),
        Value::Mapping(entries) => entries.iter().any(|(_, value)| has_encrypted_value(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_files_by_name() {
        for (name, expected) in [
            ("a/kustomization.yml", Some(DocumentType::Kustomization)),
            ("Chart.yaml", Some(DocumentType::HelmChart)),
            ("chart.yaml", None),
            ("values.yaml", Some(DocumentType::HelmValues)),
            ("values-prod.yml", Some(DocumentType::HelmValues)),
            ("values.prod.yaml", Some(DocumentType::HelmValues)),
            ("values.schema.json", Some(DocumentType::HelmValues)),
            ("cilium-values.yaml", Some(DocumentType::HelmValues)),
            ("valuesandmore.yaml", None),
            ("compose.override.yaml", Some(DocumentType::ComposeFile)),
            ("docker-compose-dev.yml", Some(DocumentType::ComposeFile)),
            ("composed.yaml", None),
            ("package-lock.json", Some(DocumentType::JavaScriptProject)),
            ("tsconfig.build.json", Some(DocumentType::JavaScriptProject)),
            (".sops.yaml", Some(DocumentType::SopsSettings)),
            ("sops.yaml", None),
            ("Taskfile.yml", Some(DocumentType::ToolSettings)),
            (".pre-commit-config.yaml", Some(DocumentType::ToolSettings)),
            (".gitlab-ci.yml", Some(DocumentType::Workflow)),
            ("gateway.yaml", None),
            ("values", None),
        ] {
            assert_eq!(by_name(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_key_with_a_typing_error_is_a_sign_of_an_object() {
        for (key, expected) in [
            ("apiversion", Some("apiVersion")),
            ("api_version", Some("apiVersion")),
            ("apVersion", Some("apiVersion")),
            ("Kind", Some("kind")),
            ("kind", None),
            ("appVersion", None),
            ("apiServer", None),
            ("version", None),
            ("app", None),
            ("find", None),
        ] {
            assert_eq!(misspelled(key), expected, "{key}");
        }
    }
}
