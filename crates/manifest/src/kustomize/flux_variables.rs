//! The variables of Flux Kustomizations.
//!
//! In: the Flux Kustomizations, and the ConfigMaps and Secrets of the folders. Out: the variables of each. A Flux
//! Kustomization also has those of the Flux Kustomizations that apply it, because these often pass them on with patches,
//! which gatefold doesn't apply.

use super::context::DecodeSettings;
use super::fact::Fact;
use super::flux::{FluxKustomization, SourceReference};
use super::overlay::Visits;
use super::plan::PlannedFile;
use super::tree::{KustomizeTree, NodeOrigin};
use crate::substitution::{SourceName, VariableSource, Variables};
use gatefold_diagnostic::{Code, Diagnostic, Pointer, Severity};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The variables of all Flux Kustomizations.
pub(super) struct FluxVariables {
    /// By the index of the node.
    pub variables: HashMap<usize, Arc<Variables>>,
    /// Sources that can't be used.
    pub diagnostics: Vec<Diagnostic>,
}

/// Finds the variables. Those of the usual settings, which come from the command line, take precedence.
pub(super) fn of(
    tree: &KustomizeTree<'_>,
    visits: &Visits,
    files: &[PlannedFile<'_>],
    usual: &DecodeSettings,
) -> FluxVariables {
    let sources: Vec<&VariableSource> = files
        .iter()
        .flat_map(|file| file.facts)
        .filter_map(|fact| match fact {
            Fact::Variables(source) => Some(&**source),
            Fact::Kustomization(_) | Fact::Flux(_) => None,
        })
        .collect();
    let mut found = FluxVariables {
        variables: HashMap::new(),
        diagnostics: Vec::new(),
    };
    for (index, node) in tree.nodes.iter().enumerate() {
        let NodeOrigin::Flux(flux) = node.origin else {
            continue;
        };
        found.report(flux, &sources, usual.stand_ins);
        let mut variables = Variables::default();
        // The variables of the inner ones take precedence.
        for outer in inner_to_outer(tree, visits, index).into_iter().rev() {
            if let NodeOrigin::Flux(flux) = tree.nodes[outer].origin {
                add(flux, &sources, &mut variables);
            }
        }
        if let Some(given) = &usual.variables {
            variables.merge(given);
        }
        found.variables.insert(index, Arc::new(variables));
    }
    found
}

/// A Flux Kustomization, and those that apply it, directly or by another one. The inner ones come first.
fn inner_to_outer(tree: &KustomizeTree<'_>, visits: &Visits, index: usize) -> Vec<usize> {
    let mut chain = vec![index];
    let mut known: HashSet<usize> = chain.iter().copied().collect();
    let mut at = 0;
    while let Some(current) = chain.get(at).copied() {
        let file = tree.nodes[current].file;
        let around = visits.flux_around(tree, file);
        chain.extend(around.filter(|outer| known.insert(*outer)));
        at += 1;
    }
    chain
}

fn add(flux: &FluxKustomization, sources: &[&VariableSource], variables: &mut Variables) {
    for reference in &flux.sources {
        if let Some(source) = find(flux, reference, sources) {
            variables.extend(&source.variables);
        }
    }
    variables.extend(&flux.variables);
}

/// The ConfigMap or Secret that a Flux Kustomization names. An object without a namespace in its file matches any namespace.
fn find<'s>(
    flux: &FluxKustomization,
    reference: &SourceReference,
    sources: &[&'s VariableSource],
) -> Option<&'s VariableSource> {
    let with_namespace = |exact: bool| {
        sources.iter().copied().find(|source| {
            let SourceName::Object {
                kind,
                namespace,
                name,
            } = &source.name
            else {
                return false;
            };
            let same = namespace.is_some() && *namespace == flux.namespace;
            let open = namespace.is_none() || flux.namespace.is_none();
            *kind == reference.kind && *name == reference.name && (same || (!exact && open))
        })
    };
    with_namespace(true).or_else(|| with_namespace(false))
}

impl FluxVariables {
    /// Reports sources that can't be used. If stand-ins take their place, that is only a note.
    fn report(
        &mut self,
        flux: &FluxKustomization,
        sources: &[&VariableSource],
        has_stand_ins: bool,
    ) {
        for (index, reference) in flux.sources.iter().enumerate() {
            let SourceReference {
                kind,
                name,
                optional,
            } = reference;
            let problem = match find(flux, reference, sources) {
                Some(source) if source.encrypted => "is encrypted",
                None if !optional => "isn't in the folders",
                Some(_) | None => continue,
            };
            let list = Pointer::spec().key("postBuild").key("substituteFrom");
            let place = flux.place(list.index(index).key("name"));
            let message = format!("the {kind} {name}, which defines variables, {problem}");
            let mut found = Diagnostic::new(Code::VariablesNotAvailable, place, message)
                .help("define the variables with --substitute NAME=VALUE or --substitute FILE");
            if has_stand_ins {
                found.severity = Severity::Info;
            }
            self.diagnostics.push(found);
        }
    }
}
