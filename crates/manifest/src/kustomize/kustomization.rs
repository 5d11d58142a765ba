//! Reads a kustomization.
//!
//! In: the tree of a `kustomization.yaml`. Out: the files that it lists, its namespace, and what else it would do. Source:
//! the type `Kustomization` of kustomize's API.

use super::patch::{self, Patch};
use crate::decode::{Decode as _, Decoder, name};
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Code, Document, Place, Pointer, Severity, did_you_mean};
use std::ffi::OsStr;

/// The names of files that kustomize reads, in the order of its preference.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The API group of kustomizations.
const GROUP: &str = "kustomize.config.k8s.io/";

/// The fields of a kustomization that have no effect on what gatefold serves.
const HARMLESS: [&str; 18] = [
    "apiVersion",
    "kind",
    "metadata",
    "openapi",
    "commonAnnotations",
    "images",
    "imageTags",
    "replicas",
    "sortOptions",
    "crds",
    "generatorOptions",
    "helmGlobals",
    "configurations",
    "validators",
    "inventory",
    "buildMetadata",
    "namespace",
    "patches",
];
/// The fields that list files and folders with objects.
const RESOURCES: [&str; 3] = ["resources", "bases", "components"];
/// The fields that change what is served, or may.
const CHANGING: [&str; 8] = [
    "namePrefix",
    "nameSuffix",
    "replacements",
    "vars",
    "helmCharts",
    "helmChartInflationGenerator",
    "generators",
    "transformers",
];
/// The fields that change objects, but rarely what is served.
const MINOR: [&str; 4] = [
    "commonLabels",
    "labels",
    "configMapGenerator",
    "secretGenerator",
];
/// The fields that list patches, besides `patches`.
const PATCHES: [&str; 2] = ["patchesStrategicMerge", "patchesJson6902"];

/// Whether a file with this name is a kustomization.
pub(crate) fn is_kustomization(name: &OsStr) -> bool {
    NAMES.iter().any(|known| name == *known)
}

/// A kustomization.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kustomization {
    /// The text.
    pub document: Document,
    /// Whether it is a component, which several kustomizations may include at the same time.
    pub component: bool,
    /// `namespace`.
    pub namespace: Option<String>,
    /// `resources`, `bases` and `components`.
    pub resources: Vec<ListedPath>,
    /// The paths of files that are inputs: patches, values of charts, and the like.
    pub inputs: Vec<String>,
    /// The patches.
    pub patches: Vec<Patch>,
    /// What else it does, which gatefold doesn't apply.
    pub features: Vec<Feature>,
}

/// A path that a kustomization lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListedPath {
    /// The path, relative to the folder of the kustomization, or a URL.
    pub path: String,
    /// The field.
    pub pointer: Pointer,
}

/// Something that kustomize would do and gatefold doesn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    /// The field.
    pub field: &'static str,
    /// Whether it may change what is served.
    pub matters: bool,
}

impl Kustomization {
    /// Whether a document is a kustomization if its file has the name of one. A document with another `apiVersion` isn't.
    pub(crate) fn is_in(root: &Node) -> bool {
        let version = root.field("apiVersion").and_then(Node::as_str);
        version.is_none_or(|version| version.starts_with(GROUP))
    }

    /// Reads a kustomization. `None` if it isn't a mapping. Problems are reported to the decoder.
    pub(crate) fn read(root: &Node, document: &Document, decoder: &mut Decoder) -> Option<Self> {
        let Value::Mapping(entries) = &root.value else {
            decoder.wrong_type(root, "a mapping");
            return None;
        };
        for (key, _) in entries {
            check_field(key, decoder);
        }
        let kind = root.field("kind").and_then(Node::as_str);
        let patches = patch::read(root);
        let mut inputs = inputs(root);
        inputs.extend(patches.iter().filter_map(|patch| patch.path.clone()));
        Some(Kustomization {
            document: document.clone(),
            component: kind == Some("Component"),
            namespace: namespace(root, decoder),
            resources: resources(root, decoder),
            inputs,
            patches,
            features: features(root),
        })
    }

    /// The place of a field.
    pub(crate) fn place(&self, pointer: Pointer) -> Place {
        Place::Field {
            document: self.document.clone(),
            pointer,
        }
    }
}

fn check_field(key: &gatefold_diagnostic::yaml::Key, decoder: &mut Decoder) {
    let known = || {
        let all = HARMLESS.iter().chain(&RESOURCES).chain(&CHANGING);
        all.chain(&MINOR).chain(&PATCHES).copied()
    };
    if known().any(|known| known == key.name) {
        return;
    }
    let message = format!("a kustomization has no field `{}`", key.name);
    let help = did_you_mean(&key.name, &known().collect::<Vec<_>>());
    let found = decoder.report(Code::UnknownField, &key.span, message);
    found.severity = Severity::Warning;
    found.help = help;
}

fn namespace(root: &Node, decoder: &mut Decoder) -> Option<String> {
    let (key, node) = root.entry("namespace")?;
    if node.value == Value::Null || node.as_str() == Some("") {
        return None;
    }
    decoder.within_key(key, |decoder| {
        let text = String::decode(node, decoder)?;
        if let Err(why) = name::label(&text) {
            decoder.invalid(node, why);
            return None;
        }
        Some(text)
    })
}

fn resources(root: &Node, decoder: &mut Decoder) -> Vec<ListedPath> {
    let mut all = Vec::new();
    for field in RESOURCES {
        let Some((key, node)) = root.entry(field) else {
            continue;
        };
        if node.value == Value::Null {
            continue;
        }
        let paths: Option<Vec<String>> =
            decoder.within_key(key, |decoder| Vec::decode(node, decoder));
        let listed = paths.unwrap_or_default().into_iter().enumerate();
        all.extend(listed.map(|(index, path)| ListedPath {
            path,
            pointer: Pointer::root().key(field).index(index),
        }));
    }
    all
}

/// What the kustomization does besides listing files, setting a namespace and patching.
fn features(root: &Node) -> Vec<Feature> {
    let is_used = |field: &&&'static str| {
        let value = root.field(field).map(|node| &node.value);
        match value {
            None | Some(Value::Null) => false,
            Some(Value::Sequence(items)) => !items.is_empty(),
            Some(Value::Mapping(entries)) => !entries.is_empty(),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Bool(_) | Value::Number(_)) => true,
        }
    };
    let feature = |matters| move |field: &&'static str| Feature { field, matters };
    let changing = CHANGING.iter().filter(is_used).map(feature(true));
    let minor = MINOR.iter().filter(is_used).map(feature(false));
    changing.chain(minor).collect()
}

/// The files that are inputs, not resources.
fn inputs(root: &Node) -> Vec<String> {
    let mut inputs = Vec::new();
    for field in ["configurations", "generators", "transformers", "validators"] {
        texts(root.field(field), &mut inputs);
    }
    texts(
        root.field("openapi").and_then(|it| it.field("path")),
        &mut inputs,
    );
    for (list, fields) in [
        ("replacements", &["path"][..]),
        ("configMapGenerator", &["files", "envs", "env"]),
        ("secretGenerator", &["files", "envs", "env"]),
        ("helmCharts", &["valuesFile", "additionalValuesFiles"]),
        ("helmChartInflationGenerator", &["values"]),
    ] {
        let Some(Value::Sequence(items)) = root.field(list).map(|node| &node.value) else {
            continue;
        };
        for item in items {
            for field in fields {
                texts(item.field(field), &mut inputs);
            }
        }
    }
    // A generator may give a file another name: `name=path`.
    let path = |input: String| match input.split_once('=') {
        Some((_, path)) => path.to_owned(),
        None => input,
    };
    inputs.into_iter().map(path).collect()
}

fn texts(node: Option<&Node>, all: &mut Vec<String>) {
    match node.map(|node| &node.value) {
        Some(Value::String(text)) => all.push(text.clone()),
        Some(Value::Sequence(items)) => items.iter().for_each(|item| texts(Some(item), all)),
        _ => {}
    }
}
