//! Decides what each file contains, and how it is decoded.
//!
//! In: the facts of all files, and the options. Out: a context for each file, and diagnostics.

use super::context::{DecodeContext, DecodeSettings, FileRole};
use super::fact::Fact;
use super::overlay::{Visit, Visits};
use super::report;
use super::tree::{KustomizeTree, NodeOrigin};
use super::{flux_variables, path};
use crate::options::{LoadOptions, Substitution};
use crate::substitution::{SourceName, Variables};
use gatefold_diagnostic::Diagnostic;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file, as far as the plan needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedFile<'f> {
    /// The path, as the loader names it.
    pub path: &'f Path,
    /// What it says about other files.
    pub facts: &'f [Fact],
    /// Whether it has objects.
    pub has_objects: bool,
    /// The text. `None` if it can't be read.
    pub text: Option<&'f str>,
}

/// What each file contains.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct KustomizePlan {
    /// The context of files that no kustomization lists.
    usual: DecodeContext,
    /// The contexts of the other files.
    contexts: HashMap<PathBuf, DecodeContext>,
    /// The problems, and what was decided.
    pub diagnostics: Vec<Diagnostic>,
}

/// What was decided about the files.
pub(super) struct Decisions<'p, 'f> {
    pub files: &'p [PlannedFile<'f>],
    pub tree: &'p KustomizeTree<'f>,
    pub visits: &'p Visits,
    /// The overlays of `--overlay`, with the indices of their nodes. A path without nodes is unknown.
    pub overlays: Vec<(PathBuf, Vec<usize>)>,
    /// The number of files whose namespace each node decides.
    pub deciding: HashMap<usize, usize>,
    /// The files that are inputs.
    pub inputs: Vec<usize>,
    /// The files that belong only to overlays that weren't chosen.
    pub left_out: Vec<usize>,
    /// The files that several kustomizations list with different outcomes.
    pub disputed: HashSet<usize>,
}

impl KustomizePlan {
    /// The context of a file.
    pub(crate) fn context(&self, path: &Path) -> &DecodeContext {
        self.contexts.get(path).unwrap_or(&self.usual)
    }

    /// The plan without any file: what is known from the options.
    pub(crate) fn initial(options: &LoadOptions, roots: &[PathBuf]) -> KustomizePlan {
        KustomizePlan::of(&[], options, roots)
    }

    /// Makes a plan for files that were loaded from `roots`.
    pub(crate) fn of(
        files: &[PlannedFile<'_>],
        options: &LoadOptions,
        roots: &[PathBuf],
    ) -> KustomizePlan {
        let usual = usual_settings(files, options);
        let mut plan = KustomizePlan {
            usual: usual.clone().into(),
            ..KustomizePlan::default()
        };
        let is_kustomize = |fact: &Fact| !matches!(fact, Fact::Variables(_));
        let has_kustomize = files.iter().any(|file| file.facts.iter().any(is_kustomize));
        let unknown_overlay = !options.overlays.is_empty() && !files.is_empty();
        if !options.no_kustomize && (has_kustomize || unknown_overlay) {
            plan.read_kustomizations(files, options, roots, &usual);
        }
        for path in options.substitution_files() {
            let settings = role(FileRole::Variables);
            plan.contexts.insert(path.clone(), settings.into());
        }
        plan
    }

    fn read_kustomizations(
        &mut self,
        files: &[PlannedFile<'_>],
        options: &LoadOptions,
        roots: &[PathBuf],
        usual: &DecodeSettings,
    ) {
        let keys: Vec<PathBuf> = files.iter().map(|file| path::key(file.path)).collect();
        let tree = KustomizeTree::of(files, &keys, roots);
        let overlays = overlays(&tree, &keys, &options.overlays);
        let chosen = overlays.iter().flat_map(|(_, nodes)| nodes.iter().copied());
        let chosen: BTreeSet<usize> = chosen.collect();
        let visits = Visits::of(&tree, files.len(), &chosen);
        let mut variables = HashMap::new();
        if options.flux_substitutions {
            let found = flux_variables::of(&tree, &visits, files, usual);
            variables = found.variables;
            self.diagnostics.extend(found.diagnostics);
        }
        let mut decisions = Decisions {
            files,
            tree: &tree,
            visits: &visits,
            overlays,
            deciding: HashMap::new(),
            inputs: Vec::new(),
            left_out: Vec::new(),
            disputed: HashSet::new(),
        };
        let inputs = inputs(&tree);
        for (index, file) in files.iter().enumerate() {
            let settings = decisions.settings(index, &inputs, &variables, usual);
            if let Some(settings) = settings {
                self.contexts.insert(file.path.to_owned(), settings.into());
            }
        }
        self.diagnostics.extend(report::report(&decisions));
    }
}

impl Decisions<'_, '_> {
    /// The settings of a file. `None` if they are the usual ones.
    fn settings(
        &mut self,
        index: usize,
        inputs: &HashSet<usize>,
        variables: &HashMap<usize, Arc<Variables>>,
        usual: &DecodeSettings,
    ) -> Option<DecodeSettings> {
        let visits = self.visits;
        let ways = visits.files.get(index)?;
        if ways.is_empty() {
            if inputs.contains(&index) {
                self.inputs.push(index);
                return Some(role(FileRole::NotObjects));
            }
            return None;
        }
        let chosen = ways.iter().any(|visit| visit.chosen);
        let counts = |visit: &&Visit| visit.chosen || !(chosen || visits.is_left_out(visit));
        let mut counting = ways.iter().filter(counts).peekable();
        let Some(first) = counting.peek().copied().copied() else {
            self.left_out.push(index);
            return Some(role(FileRole::NotObjects));
        };
        let outcome = |visit: &Visit| {
            let node = visit.namespace.and_then(|node| self.tree.nodes.get(node));
            let namespace = node.and_then(|node| node.namespace());
            (namespace.map(str::to_owned), variables.get(&visit.top))
        };
        let (namespace, own_variables) = outcome(&first);
        if counting.any(|visit| outcome(visit) != (namespace.clone(), own_variables)) {
            self.disputed.insert(index);
            return None;
        }
        let has_objects = self.files.get(index).is_some_and(|file| file.has_objects);
        if let Some(node) = first.namespace.filter(|_| has_objects) {
            *self.deciding.entry(node).or_default() += 1;
        }
        let settings = DecodeSettings {
            namespace: namespace.map(Arc::from),
            variables: own_variables.cloned().or_else(|| usual.variables.clone()),
            ..usual.clone()
        };
        (settings != *usual).then_some(settings)
    }
}

/// The settings of a file that has no objects.
fn role(role: FileRole) -> DecodeSettings {
    DecodeSettings {
        role,
        ..DecodeSettings::default()
    }
}

/// The settings of files that no kustomization lists.
fn usual_settings(files: &[PlannedFile<'_>], options: &LoadOptions) -> DecodeSettings {
    DecodeSettings {
        role: FileRole::Manifests,
        namespace: None,
        default_namespace: options.namespace.as_deref().map(Arc::from),
        variables: options
            .substitutes()
            .then(|| Arc::new(given_variables(files, options))),
        stand_ins: options.stand_in_variables,
        records_variables: options.flux_substitutions && !options.no_kustomize,
    }
}

/// The variables of `--substitute`. A later one takes precedence.
fn given_variables(files: &[PlannedFile<'_>], options: &LoadOptions) -> Variables {
    let mut variables = Variables::default();
    for substitution in &options.substitutions {
        let wanted = match substitution {
            Substitution::Variable { name, value } => {
                variables.set(name, value);
                continue;
            }
            Substitution::File(path) => path,
        };
        let files = files.iter().filter(|file| file.path == wanted);
        for fact in files.flat_map(|file| file.facts) {
            if let Fact::Variables(source) = fact
                && source.name == SourceName::File
            {
                variables.extend(&source.variables);
            }
        }
    }
    variables
}

/// The nodes of each overlay: the kustomization of the folder, or the Flux Kustomizations that are defined in it.
fn overlays(
    tree: &KustomizeTree<'_>,
    keys: &[PathBuf],
    overlays: &[PathBuf],
) -> Vec<(PathBuf, Vec<usize>)> {
    let nodes = |overlay: &PathBuf| {
        let key = path::key(overlay);
        let of = |accept: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..tree.nodes.len()).filter(|it| accept(*it)).collect()
        };
        let is_flux = |index: usize| matches!(tree.nodes[index].origin, NodeOrigin::Flux(_));
        let own = of(&|index| {
            let node = &tree.nodes[index];
            !is_flux(index) && (node.folder == key || keys[node.file] == key)
        });
        if own.is_empty() {
            of(&|index| is_flux(index) && keys[tree.nodes[index].file].starts_with(&key))
        } else {
            own
        }
    };
    let all = overlays.iter();
    all.map(|overlay| (overlay.clone(), nodes(overlay)))
        .collect()
}

/// The files that kustomizations use as inputs, not as resources.
fn inputs(tree: &KustomizeTree<'_>) -> HashSet<usize> {
    let mut inputs = HashSet::new();
    for node in &tree.nodes {
        let NodeOrigin::Kustomization(kustomization) = node.origin else {
            continue;
        };
        for input in &kustomization.inputs {
            let key = path::join(&node.folder, Path::new(input));
            inputs.extend(tree.files.get(&key));
        }
    }
    // A kustomization stays one.
    for node in &tree.nodes {
        inputs.remove(&node.file);
    }
    inputs
}
