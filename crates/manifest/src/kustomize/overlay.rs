//! Finds which kustomizations reach each file, and in which trees.

use super::tree::{KustomizeTree, NodeOrigin};
use std::collections::{BTreeSet, HashSet};

/// One way from a kustomization that no other lists to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visit {
    /// The kustomization where the way begins.
    pub top: usize,
    /// The outermost kustomization on the way that sets a namespace.
    pub namespace: Option<usize>,
    /// Whether the way leads through a chosen overlay.
    pub chosen: bool,
    /// The first kustomization on the way that contains no chosen overlay. `None` if none is chosen, or on the way through
    /// one.
    branch: Option<usize>,
}

/// All ways to all files.
#[derive(Debug)]
pub(super) struct Visits {
    /// The ways to each file.
    pub files: Vec<Vec<Visit>>,
    /// The kustomizations that a chosen overlay reaches.
    chosen_nodes: HashSet<usize>,
    /// The other overlays of the bases that a chosen overlay reaches.
    competitors: HashSet<usize>,
}

/// The state of a walk at one kustomization.
type Step = (usize, Visit);

impl Visits {
    /// Follows all ways. `chosen` are the indices of the chosen overlays.
    pub(super) fn of(
        tree: &KustomizeTree<'_>,
        file_count: usize,
        chosen: &BTreeSet<usize>,
    ) -> Self {
        let containing = ancestors(tree, chosen);
        let mut visits = Visits {
            files: vec![Vec::new(); file_count],
            chosen_nodes: HashSet::new(),
            competitors: HashSet::new(),
        };
        let mut others = Vec::new();
        for (index, visit) in steps(tree, chosen, &containing) {
            if visit.chosen {
                visits.chosen_nodes.insert(index);
            } else {
                others.push((index, visit.branch));
            }
            for file in &tree.nodes[index].files {
                if let Some(ways) = visits.files.get_mut(*file) {
                    ways.push(visit);
                }
            }
        }
        for (index, branch) in others {
            let shared = visits.chosen_nodes.contains(&index);
            if shared && !tree.nodes[index].is_component() {
                visits.competitors.extend(branch);
            }
        }
        visits
    }

    /// Whether a way belongs to an overlay that wasn't chosen, while another overlay of its base was.
    pub(super) fn is_left_out(&self, visit: &Visit) -> bool {
        let branch = visit.branch;
        !visit.chosen && branch.is_some_and(|branch| self.competitors.contains(&branch))
    }

    /// Whether a chosen overlay reaches a kustomization.
    pub(super) fn is_chosen(&self, node: usize) -> bool {
        self.chosen_nodes.contains(&node)
    }

    /// Whether a kustomization is an overlay that wasn't chosen.
    pub(super) fn is_competitor(&self, node: usize) -> bool {
        self.competitors.contains(&node)
    }

    /// The Flux Kustomizations in whose folders a file is.
    pub(super) fn flux_around<'v>(
        &'v self,
        tree: &'v KustomizeTree<'_>,
        file: usize,
    ) -> impl Iterator<Item = usize> + 'v {
        let ways = self.files.get(file).into_iter().flatten();
        let is_flux = |top: &usize| matches!(tree.nodes[*top].origin, NodeOrigin::Flux(_));
        ways.map(|visit| visit.top).filter(is_flux)
    }
}

/// Follows all ways from the kustomizations that no other lists. `containing` are those that contain a chosen one.
fn steps(
    tree: &KustomizeTree<'_>,
    chosen: &BTreeSet<usize>,
    containing: &HashSet<usize>,
) -> BTreeSet<Step> {
    let tops = (0..tree.nodes.len()).filter(|index| tree.nodes[*index].parents.is_empty());
    let start = |top| Visit {
        top,
        namespace: None,
        chosen: false,
        branch: None,
    };
    let mut waiting: Vec<Step> = tops.map(|top| (top, start(top))).collect();
    // The same state is reached on several ways, or in a loop.
    let mut known = BTreeSet::new();
    while let Some((index, mut visit)) = waiting.pop() {
        let node = &tree.nodes[index];
        visit.chosen |= chosen.contains(&index);
        let sets_namespace = node.namespace().is_some();
        visit.namespace = visit.namespace.or(sets_namespace.then_some(index));
        if visit.chosen {
            visit.branch = None;
        } else if !chosen.is_empty() && !containing.contains(&index) {
            visit.branch = visit.branch.or(Some(index));
        }
        if known.insert((index, visit)) {
            waiting.extend(node.children.iter().map(|child| (*child, visit)));
        }
    }
    known
}

/// The kustomizations that contain some others, without these.
fn ancestors(tree: &KustomizeTree<'_>, nodes: &BTreeSet<usize>) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut waiting: Vec<usize> = nodes.iter().copied().collect();
    while let Some(index) = waiting.pop() {
        for parent in &tree.nodes[index].parents {
            if found.insert(*parent) {
                waiting.push(*parent);
            }
        }
    }
    found
}
