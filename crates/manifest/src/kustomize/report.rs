//! Explains what was decided about the files.

use super::plan::Decisions;
use super::tree::{KustomizeTree, NodeOrigin, TreeNode};
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, Severity};
use std::path::Path;

/// The maximum number of files that a diagnostic names.
const NAMED: usize = 5;

/// The diagnostics for a plan.
pub(super) fn report(decisions: &Decisions<'_, '_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (overlay, nodes) in &decisions.overlays {
        if nodes.is_empty() {
            all.push(unknown_overlay(overlay));
        }
    }
    for (index, node) in decisions.tree.nodes.iter().enumerate() {
        if decisions.visits.is_competitor(index) {
            continue;
        }
        all.extend(namespace(decisions, index, node));
        all.extend(missing(node, decisions.tree));
        all.extend(not_loaded(node));
        all.extend(unsupported(decisions, node));
        all.extend(shared(decisions, index, node));
    }
    all.extend(decisions.tree.repeated.iter().filter_map(|index| {
        let file = decisions.files.get(*index)?;
        Some(repeated(file.path))
    }));
    all.extend(inputs(decisions));
    all.extend(left_out(decisions));
    all
}

fn unknown_overlay(overlay: &Path) -> Diagnostic {
    let message = format!("`--overlay {}` names no kustomization", overlay.display());
    Diagnostic::new(
        Code::UnknownOverlay,
        Place::File(overlay.to_owned()),
        message,
    )
    .help("name a folder with a kustomization.yaml, within the folders that are loaded")
}

fn repeated(path: &Path) -> Diagnostic {
    let message = "the folder has another kustomization, so this one isn't used";
    Diagnostic::new(
        Code::RepeatedKustomization,
        Place::File(path.to_owned()),
        message,
    )
    .help("kustomize refuses such a folder; remove one of them")
}

/// Says that a namespace is used.
fn namespace(
    decisions: &Decisions<'_, '_>,
    index: usize,
    node: &TreeNode<'_>,
) -> Option<Diagnostic> {
    let namespace = node.namespace()?;
    let files = counted(*decisions.deciding.get(&index)?);
    let what = this(node);
    let message = format!("{what} puts the objects of {files} into the namespace `{namespace}`");
    let found = Diagnostic::new(Code::KustomizeNamespace, node.namespace_place(), message);
    Some(found)
}

/// Reports listed paths for which nothing is loaded.
fn missing<'n>(
    node: &'n TreeNode<'_>,
    tree: &'n KustomizeTree<'_>,
) -> impl Iterator<Item = Diagnostic> + 'n {
    node.missing.iter().map(|missing| {
        let path = &missing.path;
        let (message, help) = if tree.has_files_below(&missing.key) {
            (
                format!("`{path}` is a folder without a kustomization"),
                "list its files, or add a kustomization.yaml to it".to_owned(),
            )
        } else if missing.key.exists() {
            (
                format!("`{path}` isn't in the folders that are loaded"),
                format!("load {} as well", missing.key.display()),
            )
        } else {
            (
                format!("`{path}` doesn't exist"),
                "remove it from the kustomization; kustomize refuses it, too".to_owned(),
            )
        };
        let place = node.place(missing.pointer.clone());
        Diagnostic::new(Code::KustomizeResourceMissing, place, message).help(help)
    })
}

/// Reports a Flux Kustomization whose folder isn't loaded. It may be in another repository.
fn not_loaded(node: &TreeNode<'_>) -> Option<Diagnostic> {
    let NodeOrigin::Flux(flux) = node.origin else {
        return None;
    };
    let path = &flux.path;
    let place = node.place(Pointer::spec().key("path"));
    let message = format!("the folders that are loaded have no files in `{path}`");
    let mut found = Diagnostic::new(Code::KustomizeResourceMissing, place, message);
    found.severity = Severity::Info;
    (node.children.is_empty() && node.files.is_empty()).then_some(found)
}

/// What a kustomization does besides listing files and setting a namespace, and whether that matters.
fn unsupported_features(decisions: &Decisions<'_, '_>, node: &TreeNode<'_>) -> Vec<(String, bool)> {
    let mut features: Vec<(String, bool)> = Vec::new();
    let patches = match node.origin {
        NodeOrigin::Kustomization(kustomization) => {
            let named = kustomization.features.iter();
            features.extend(named.map(|it| (format!("`{}`", it.field), it.matters)));
            &kustomization.patches
        }
        NodeOrigin::Flux(flux) => {
            if flux.renames {
                features.push(("`namePrefix` or `nameSuffix`".to_owned(), true));
            }
            &flux.patches
        }
    };
    if !patches.is_empty() {
        let matters = patches.iter().any(|patch| {
            let text = patch.path.as_ref().and_then(|path| {
                let key = super::path::join(&node.folder, Path::new(path));
                let index = decisions.tree.files.get(&key)?;
                decisions.files.get(*index)?.text
            });
            patch.matters(text)
        });
        features.push(("patches".to_owned(), matters));
    }
    if node.remote {
        features.push(("remote resources".to_owned(), true));
    }
    features
}

/// Names what a kustomization does besides listing files and setting a namespace.
fn unsupported(decisions: &Decisions<'_, '_>, node: &TreeNode<'_>) -> Option<Diagnostic> {
    let features = unsupported_features(decisions, node);
    if features.is_empty() {
        return None;
    }
    let matters = features.iter().any(|(_, matters)| *matters);
    let names: Vec<&str> = features.iter().map(|(name, _)| name.as_str()).collect();
    let message = format!(
        "gatefold doesn't apply {} of {}",
        listed(&names),
        this(node)
    );
    let mut found = Diagnostic::new(
        Code::UnsupportedKustomization,
        node.place(Pointer::root()),
        message,
    );
    if matters {
        let folder = folder(decisions, node);
        let render = format!("kubectl kustomize {}", folder.display());
        found.help = Some(format!(
            "load the output of kustomize instead: --render '{render}'"
        ));
    } else {
        found.severity = Severity::Info;
        found = found.note("they change nothing that is served");
    }
    Some(found)
}

/// Reports a kustomization that several others list.
fn shared(decisions: &Decisions<'_, '_>, index: usize, node: &TreeNode<'_>) -> Option<Diagnostic> {
    let nodes = &decisions.tree.nodes;
    let parents = node
        .parents
        .iter()
        .filter(|it| !decisions.visits.is_competitor(**it));
    let parents: Vec<String> = parents.map(|it| shown(decisions, &nodes[*it])).collect();
    if parents.len() < 2 || decisions.visits.is_chosen(index) {
        return None;
    }
    let disputed = has_disputed(decisions, index);
    let own = folder(decisions, node);
    let own = own.display();
    let place = node.place(Pointer::root());
    let count = parents.len();
    if node.is_component() {
        let message = format!(
            "{count} kustomizations use the component `{own}` with different namespaces; its objects are served once, with the namespaces in its files"
        );
        let mut found = Diagnostic::new(Code::SeveralOverlays, place, message);
        found.severity = Severity::Info;
        return disputed.then_some(found);
    }
    let message = format!(
        "{count} overlays use the base `{own}`: {}",
        first_few(&parents)
    );
    let mut found = Diagnostic::new(Code::SeveralOverlays, place, message);
    let first = parents.first()?;
    found.help = Some(format!("choose one of them: --overlay {first}"));
    if disputed {
        found = found
            .note("without `--overlay`, its objects are served with the namespaces in its files");
    } else {
        found.severity = Severity::Info;
        found = found.note("without `--overlay`, the objects of all overlays are served");
    }
    Some(found)
}

/// Whether it is open how a file below a kustomization is read.
fn has_disputed(decisions: &Decisions<'_, '_>, index: usize) -> bool {
    let mut known = std::collections::HashSet::new();
    let mut waiting = vec![index];
    while let Some(index) = waiting.pop() {
        let Some(node) = decisions.tree.nodes.get(index) else {
            continue;
        };
        if node
            .files
            .iter()
            .any(|file| decisions.disputed.contains(file))
        {
            return true;
        }
        if known.insert(index) {
            waiting.extend(&node.children);
        }
    }
    false
}

/// Names the files that are inputs.
fn inputs(decisions: &Decisions<'_, '_>) -> Option<Diagnostic> {
    let files = &decisions.inputs;
    let what = match files.len() {
        1 => "is an input of a kustomization, such as a patch, and has no objects",
        _ => "are inputs of kustomizations, such as patches, and have no objects",
    };
    not_objects(Code::KustomizeInput, decisions, files, what)
}

/// Names the files that belong only to overlays that weren't chosen.
fn left_out(decisions: &Decisions<'_, '_>) -> Option<Diagnostic> {
    let files = &decisions.left_out;
    let what = match files.len() {
        1 => "is left out, because it belongs only to overlays that weren't chosen",
        _ => "are left out, because they belong only to overlays that weren't chosen",
    };
    let mut found = not_objects(Code::SeveralOverlays, decisions, files, what)?;
    found.severity = Severity::Info;
    Some(found)
}

/// One diagnostic for all files that have no objects. `what` is the predicate of its sentence about them.
fn not_objects(
    code: Code,
    decisions: &Decisions<'_, '_>,
    files: &[usize],
    what: &str,
) -> Option<Diagnostic> {
    let paths: Vec<String> = files
        .iter()
        .filter_map(|index| decisions.files.get(*index))
        .map(|file| file.path.display().to_string())
        .collect();
    let first = decisions.files.get(*files.first()?)?;
    let message = format!("{} {what}", counted(paths.len()));
    let found = Diagnostic::new(code, Place::File(first.path.to_owned()), message);
    Some(found.note(first_few(&paths)))
}

/// The folder of a kustomization as the user would write it. For a Flux Kustomization, the folder that it applies.
fn folder<'d>(decisions: &'d Decisions<'_, '_>, node: &'d TreeNode<'_>) -> &'d Path {
    match node.origin {
        NodeOrigin::Kustomization(_) => {
            let file = decisions.files.get(node.file);
            let folder = file.and_then(|file| file.path.parent());
            folder.unwrap_or(&node.folder)
        }
        NodeOrigin::Flux(_) => &node.folder,
    }
}

/// What to write after `--overlay`.
fn shown(decisions: &Decisions<'_, '_>, node: &TreeNode<'_>) -> String {
    match node.origin {
        NodeOrigin::Kustomization(_) => folder(decisions, node).display().to_string(),
        NodeOrigin::Flux(_) => {
            let file = decisions.files.get(node.file);
            file.map_or_else(String::new, |file| file.path.display().to_string())
        }
    }
}

fn counted(files: usize) -> String {
    match files {
        1 => "1 file".to_owned(),
        more => format!("{more} files"),
    }
}

fn this(node: &TreeNode<'_>) -> &'static str {
    match node.origin {
        NodeOrigin::Kustomization(_) => "this kustomization",
        NodeOrigin::Flux(_) => "this Flux Kustomization",
    }
}

/// The first names of a list, and how many more there are.
fn first_few(all: &[String]) -> String {
    let mut names: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    let more = (all.len() > NAMED).then(|| format!("{} more", all.len() - NAMED));
    names.extend(more.as_deref());
    listed(&names)
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
