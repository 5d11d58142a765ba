//! Connects kustomizations and Flux Kustomizations with the files and folders that they list.

use super::fact::Fact;
use super::flux::FluxKustomization;
use super::kustomization::Kustomization;
use super::path;
use super::plan::PlannedFile;
use gatefold_diagnostic::{Place, Pointer};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// All kustomizations. Nodes are only added, so the index of a node stays valid, and so do the indices of the planned files,
/// whose list doesn't change. The modules of the plan rely on that when they use an index.
#[derive(Debug, Default)]
pub(super) struct KustomizeTree<'f> {
    pub nodes: Vec<TreeNode<'f>>,
    /// The indices of files with further kustomizations of a folder, which aren't used.
    pub repeated: Vec<usize>,
    /// The indices of all files, by key.
    pub files: BTreeMap<PathBuf, usize>,
}

/// A kustomization, or a Flux Kustomization.
#[derive(Debug)]
pub(super) struct TreeNode<'f> {
    pub origin: NodeOrigin<'f>,
    /// The index of the file that defines it.
    pub file: usize,
    /// The key of its folder. For a Flux Kustomization that is the folder that it applies.
    pub folder: PathBuf,
    /// The indices of the nodes that it lists.
    pub children: Vec<usize>,
    /// The indices of the nodes that list it.
    pub parents: Vec<usize>,
    /// The indices of the files that it lists.
    pub files: Vec<usize>,
    /// The listed paths for which no file or kustomization is loaded.
    pub missing: Vec<MissingPath>,
    /// Whether it lists something that kustomize would fetch from elsewhere.
    pub remote: bool,
}

/// What a node comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum NodeOrigin<'f> {
    Kustomization(&'f Kustomization),
    Flux(&'f FluxKustomization),
}

/// A listed path for which nothing is loaded.
#[derive(Debug)]
pub(super) struct MissingPath {
    pub path: String,
    pub pointer: Pointer,
    /// The key of the path.
    pub key: PathBuf,
}

impl TreeNode<'_> {
    /// The namespace that it sets.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self.origin {
            NodeOrigin::Kustomization(it) => it.namespace.as_deref(),
            NodeOrigin::Flux(it) => it.target_namespace.as_deref(),
        }
    }

    /// Whether several kustomizations may include it at the same time.
    pub(super) fn is_component(&self) -> bool {
        matches!(self.origin, NodeOrigin::Kustomization(it) if it.component)
    }

    /// The place of the namespace.
    pub(super) fn namespace_place(&self) -> Place {
        match self.origin {
            NodeOrigin::Kustomization(it) => it.place(Pointer::root().key("namespace")),
            NodeOrigin::Flux(it) => it.place(Pointer::spec().key("targetNamespace")),
        }
    }

    /// The place of a field.
    pub(super) fn place(&self, pointer: Pointer) -> Place {
        match self.origin {
            NodeOrigin::Kustomization(it) => it.place(pointer),
            NodeOrigin::Flux(it) => it.place(pointer),
        }
    }
}

impl<'f> KustomizeTree<'f> {
    /// Connects the kustomizations of some files, which were loaded from `roots`. `keys` are the keys of the files' paths.
    pub(super) fn of(files: &[PlannedFile<'f>], keys: &[PathBuf], roots: &[PathBuf]) -> Self {
        let mut builder = KustomizeTreeBuilder {
            tree: KustomizeTree {
                files: keys.iter().cloned().zip(0..).collect(),
                ..KustomizeTree::default()
            },
            folders: HashMap::new(),
        };
        builder.add_kustomizations(files, keys);
        for index in 0..builder.tree.nodes.len() {
            builder.connect_kustomization(index);
        }
        builder.add_flux(files, roots);
        builder.tree
    }

    /// The keys of the files in a folder and in the folders below it.
    pub(super) fn files_below(&self, folder: &Path) -> impl Iterator<Item = &Path> {
        // Paths are compared part by part, so these follow each other.
        let from = self.files.range(folder.to_owned()..);
        let keys = from.map(|(key, _)| key.as_path());
        keys.take_while(move |key| key.starts_with(folder))
    }

    /// Whether a folder has files, maybe in the folders below it.
    pub(super) fn has_files_below(&self, folder: &Path) -> bool {
        self.files_below(folder).next().is_some()
    }
}

struct KustomizeTreeBuilder<'f> {
    tree: KustomizeTree<'f>,
    /// The kustomizations, by the key of their folder.
    folders: HashMap<PathBuf, usize>,
}

impl<'f> KustomizeTreeBuilder<'f> {
    fn add_kustomizations(&mut self, files: &[PlannedFile<'f>], keys: &[PathBuf]) {
        for (index, file) in files.iter().enumerate() {
            let found = file.facts.iter().find_map(|fact| match fact {
                Fact::Kustomization(it) => Some(&**it),
                Fact::Flux(_) | Fact::Variables(_) => None,
            });
            let (Some(found), Some(folder)) = (found, keys[index].parent()) else {
                continue;
            };
            // Paths are sorted, so `Kustomization` comes first; kustomize prefers it last.
            if let Some(other) = self.folders.get(folder).copied() {
                let former = self.tree.nodes[other].file;
                let is_last = keys[former].file_name() == Some("Kustomization".as_ref());
                self.tree
                    .repeated
                    .push(if is_last { former } else { index });
                if is_last {
                    self.tree.nodes[other].origin = NodeOrigin::Kustomization(found);
                    self.tree.nodes[other].file = index;
                }
                continue;
            }
            let node = self.add(NodeOrigin::Kustomization(found), index, folder.to_owned());
            self.folders.insert(folder.to_owned(), node);
        }
    }

    fn add(&mut self, origin: NodeOrigin<'f>, file: usize, folder: PathBuf) -> usize {
        self.tree.nodes.push(TreeNode {
            origin,
            file,
            folder,
            children: Vec::new(),
            parents: Vec::new(),
            files: Vec::new(),
            missing: Vec::new(),
            remote: false,
        });
        self.tree.nodes.len() - 1
    }

    fn connect_kustomization(&mut self, index: usize) {
        let node = &self.tree.nodes[index];
        let NodeOrigin::Kustomization(kustomization) = node.origin else {
            return;
        };
        let folder = node.folder.clone();
        for listed in &kustomization.resources {
            if path::is_remote(&listed.path) {
                self.tree.nodes[index].remote = true;
                continue;
            }
            let key = path::join(&folder, Path::new(&listed.path));
            if !self.connect(index, &key) {
                self.tree.nodes[index].missing.push(MissingPath {
                    path: listed.path.clone(),
                    pointer: listed.pointer.clone(),
                    key,
                });
            }
        }
    }

    /// Connects a node with a kustomization or a file. Returns false if there is none.
    fn connect(&mut self, index: usize, key: &Path) -> bool {
        if let Some(child) = self.folders.get(key).copied() {
            // All children of a node are connected before the next node, so a repeated one shows at the end of the list.
            if self.tree.nodes[child].parents.last() != Some(&index) {
                self.tree.nodes[index].children.push(child);
                self.tree.nodes[child].parents.push(index);
            }
            return true;
        }
        let file = self.tree.files.get(key).copied();
        self.tree.nodes[index].files.extend(file);
        file.is_some()
    }

    fn add_flux(&mut self, files: &[PlannedFile<'f>], roots: &[PathBuf]) {
        let mut repositories = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            for fact in file.facts {
                let Fact::Flux(flux) = fact else {
                    continue;
                };
                let mut roots = roots.iter();
                let root = roots.find(|root| file.path.starts_with(root));
                let Some(root) = root else {
                    continue;
                };
                let bases = repositories.entry(root).or_insert_with(|| {
                    let folder = root_folder(root);
                    [path::repository(&folder), folder]
                });
                let folder = self.flux_folder(flux, bases);
                let node = self.add(NodeOrigin::Flux(flux), index, folder);
                self.connect_flux(node, flux);
            }
        }
    }

    /// The folder that a Flux Kustomization applies: in the repository, or else in the root, which may be a copy of a
    /// repository inside of another one.
    fn flux_folder(&self, flux: &FluxKustomization, bases: &[PathBuf; 2]) -> PathBuf {
        // `/` at the beginning means the root of the repository as well.
        let inside = Path::new(flux.path.trim_start_matches('/'));
        let [repository, root] = bases.each_ref().map(|base| path::join(base, inside));
        if !self.tree.has_files_below(&repository) && self.tree.has_files_below(&root) {
            root
        } else {
            repository
        }
    }

    fn connect_flux(&mut self, index: usize, flux: &FluxKustomization) {
        let folder = self.tree.nodes[index].folder.clone();
        for component in &flux.components {
            let key = path::join(&folder, Path::new(component));
            self.connect(index, &key);
        }
        if self.folders.contains_key(&folder) {
            self.connect(index, &folder);
            return;
        }
        // Without a kustomization Flux generates one, which lists all files and the folders with kustomizations.
        let mut found: Vec<PathBuf> = Vec::new();
        for key in self.tree.files_below(&folder) {
            let folders = key.ancestors().skip(1);
            let folders = folders.take_while(|it| it.starts_with(&folder));
            let outermost = folders.filter(|it| self.folders.contains_key(*it)).last();
            found.push(outermost.unwrap_or(key).to_owned());
        }
        found.dedup();
        for key in found {
            self.connect(index, &key);
        }
    }
}

/// The key of a root that is a folder, or of the folder of a root that is a file.
fn root_folder(root: &Path) -> PathBuf {
    let key = path::key(root);
    if key.is_file() {
        key.parent().map_or(key.clone(), Path::to_owned)
    } else {
        key
    }
}
