//! Tests of namespaces from options, kustomizations and Flux Kustomizations.

use super::{Folder, lines, names, service};
use crate::{LoadOptions, Loaded, Loader};
use gatefold_diagnostic::Code;
use std::fs;

impl Folder {
    /// Loads the folder anew with some options.
    pub(super) fn load_with(&self, options: LoadOptions) -> Loaded {
        let loader = Loader::new([self.dir.path().to_owned()]);
        loader.with_options(options).load()
    }
}

pub(super) fn count(loaded: &Loaded, code: Code) -> usize {
    loaded
        .diagnostics
        .iter()
        .filter(|found| found.code == code)
        .count()
}

/// The message of the only diagnostic with a code.
#[track_caller]
pub(super) fn message(loaded: &Loaded, code: Code) -> String {
    let mut found = loaded.diagnostics.iter().filter(|found| found.code == code);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("{code}: {:?}", lines(loaded)));
    assert!(found.next().is_none(), "only one: {:?}", lines(loaded));
    first.message.clone()
}

fn namespace_of(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

pub(super) const FLUX: &str = "\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: flux-system}
";

#[test]
fn objects_without_a_namespace_get_that_of_the_options() {
    let folder = Folder::new();
    let other = service("b", 80).replace("name: b", "name: b\n  namespace: other");
    folder.write("a.yaml", format!("{}---\n{other}", service("a", 80)));
    folder.write("n.yaml", namespace_of("team"));
    let loaded = folder.load_with(LoadOptions {
        namespace: Some("team".to_owned()),
        ..LoadOptions::default()
    });
    assert_eq!(names(&loaded), ["Service other/b", "Service team/a"]);
    assert_eq!(lines(&loaded), Vec::<String>::new());
    let loader = Loader::new([]).with_options(LoadOptions {
        namespace: Some("team".to_owned()),
        ..LoadOptions::default()
    });
    let loaded = loader.load_text("<stdin>", service("a", 80));
    assert_eq!(names(&loaded), ["Service team/a"]);
}

#[test]
fn the_namespace_of_a_kustomization_replaces_the_one_in_the_file() {
    for name in ["kustomization.yaml", "kustomization.yml", "Kustomization"] {
        let mut folder = Folder::new();
        folder.write(
            name,
            "namespace: team\nresources: [a.yaml, ./b.yaml, n.yaml]\n",
        );
        folder.write("a.yaml", service("a", 80));
        folder.write(
            "b.yaml",
            service("b", 80).replace("name: b", "name: b\n  namespace: x"),
        );
        folder.write("c.yaml", service("c", 80));
        folder.write("n.yaml", namespace_of("not-used"));
        let loaded = folder.loader.load();
        let expected = ["Service default/c", "Service team/a", "Service team/b"];
        assert_eq!(names(&loaded), expected, "{name}");
        assert!(loaded.resources.namespaces.keys().any(|it| **it == *"team"));
        let found = message(&loaded, Code::KustomizeNamespace);
        assert!(
            found.contains("3 files") && found.contains("`team`"),
            "{found}"
        );
        assert_eq!(loaded.diagnostics.len(), 1, "{:?}", lines(&loaded));
        let loaded = folder.load_with(LoadOptions {
            no_kustomize: true,
            ..LoadOptions::default()
        });
        let expected = ["Service default/a", "Service default/c", "Service x/b"];
        assert_eq!(names(&loaded), expected, "{name}");
        assert_eq!(lines(&loaded), Vec::<String>::new());
    }
}

#[test]
fn a_folder_with_several_kustomizations_uses_the_first() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    for (name, namespace) in [
        ("Kustomization", "three"),
        ("kustomization.yml", "two"),
        ("kustomization.yaml", "one"),
    ] {
        let text = format!("namespace: {namespace}\nresources: [a.yaml]\n");
        folder.write(name, text);
        assert_eq!(folder.names(), [format!("Service {namespace}/a")]);
    }
    assert_eq!(count(&folder.loader.load(), Code::RepeatedKustomization), 2);
}

#[test]
fn the_outermost_namespace_wins() {
    let mut folder = Folder::new();
    folder.write(
        "top/kustomization.yaml",
        "namespace: top\nresources: [../middle]\n",
    );
    folder.write(
        "middle/kustomization.yaml",
        "namespace: middle\nbases: [../base]\ncomponents: [../part]\n",
    );
    folder.write(
        "base/kustomization.yaml",
        "namespace: base\nresources: [a.yaml]\n",
    );
    folder.write("base/a.yaml", service("a", 80));
    folder.write(
        "part/kustomization.yaml",
        "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nresources: [b.yaml]\n",
    );
    folder.write("part/b.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service top/a", "Service top/b"]);
}

#[test]
fn patches_and_other_inputs_are_not_objects() {
    let mut folder = Folder::new();
    folder.write(
        "kustomization.yaml",
        "resources: [a.yaml]\npatches:\n- path: patch.yaml\n- {path: op.yaml, target: {kind: Deployment}}\n\
         patchesStrategicMerge: [merge.yaml]\nconfigMapGenerator:\n- {name: c, files: [x=values.yaml]}\n",
    );
    folder.write("a.yaml", service("a", 80));
    folder.write(
        "patch.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
    );
    folder.write(
        "merge.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
    );
    folder.write("op.yaml", "- {op: add, path: /a, value: b}\n");
    folder.write("values.yaml", "a: b\n");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a"]);
    let found = message(&loaded, Code::KustomizeInput);
    assert!(found.starts_with("4 files are inputs"), "{found}");
    let unsupported = message(&loaded, Code::UnsupportedKustomization);
    assert!(unsupported.contains("patches"), "{unsupported}");
    assert_eq!(super::errors(&loaded), 0, "{:?}", lines(&loaded));
    let severity = loaded.diagnostics.iter().map(|found| found.severity).min();
    assert_eq!(
        severity,
        Some(gatefold_diagnostic::Severity::Info),
        "{:?}",
        lines(&loaded)
    );
    folder.write(
        "patch.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
    );
    let loaded = folder.loader.load();
    let severity = loaded.diagnostics.iter().map(|found| found.severity).min();
    assert_eq!(
        severity,
        Some(gatefold_diagnostic::Severity::Warning),
        "a Service is patched"
    );
}

#[test]
fn what_kustomize_does_besides_is_named_once() {
    let mut folder = Folder::new();
    folder.write(
        "k/kustomization.yaml",
        "namePrefix: dev-\nresources: [a.yaml, https://example.com/base]\nimages: [{name: x}]\nhelmCharts: [{name: y}]\n",
    );
    folder.write("k/a.yaml", service("a", 80));
    let rendered = folder.rendered();
    for part in [
        "`namePrefix`, `helmCharts` and remote resources of this kustomization",
        "--render 'kubectl kustomize",
    ] {
        assert!(rendered.contains(part), "{rendered}");
    }
    assert!(!rendered.contains("images`"), "{rendered}");
}

#[test]
fn listed_paths_that_lead_nowhere_are_reported() {
    let folder = Folder::new();
    folder.write(
        "k/kustomization.yaml",
        "resources:\n- none.yaml\n- ../outside\n- sub\n- a.yml\n",
    );
    folder.write("k/sub/a.yaml", service("a", 80));
    folder.write("k/a.yml", service("b", 80));
    folder.write("outside/kustomization.yaml", "namespace: x\n");
    let loaded = Loader::new([folder.path("k")]).load();
    let all = lines(&loaded).join("\n");
    for part in [
        "`none.yaml` doesn't exist",
        "`../outside` isn't in the folders",
        "`sub` is a folder without",
    ] {
        assert!(all.contains(part), "{all}");
    }
    assert_eq!(loaded.diagnostics.len(), 3, "{all}");
}

#[test]
fn a_broken_kustomization_keeps_its_last_good_content() {
    let mut folder = Folder::new();
    folder.write(
        "kustomization.yaml",
        "namespace: team\nresources: [a.yaml]\n",
    );
    folder.write("a.yaml", service("a", 80));
    assert_eq!(folder.names(), ["Service team/a"]);
    for broken in ["namespace: [broken", "namespace: Not Valid\n", "- a list\n"] {
        folder.write("kustomization.yaml", broken);
        let loaded = folder.loader.load();
        assert_eq!(names(&loaded), ["Service team/a"], "{broken}");
        assert_eq!(super::errors(&loaded), 1, "{:?}", lines(&loaded));
        let rendered = super::rendered(&loaded);
        assert!(rendered.contains("the last good content"), "{rendered}");
    }
    folder.write("kustomization.yaml", "resources: [a.yaml]\n");
    assert_eq!(folder.names(), ["Service default/a"]);
    folder.remove("kustomization.yaml");
    assert_eq!(folder.names(), ["Service default/a"]);
}

#[test]
fn a_broken_file_keeps_its_last_good_objects_when_its_namespace_changes() {
    let mut folder = Folder::new();
    folder.write(
        "kustomization.yaml",
        "namespace: one\nresources: [a.yaml]\n",
    );
    folder.write(
        "a.yaml",
        format!("{}---\n{}", service("a", 80), service("b", 80)),
    );
    assert_eq!(folder.names(), ["Service one/a", "Service one/b"]);
    folder.write(
        "a.yaml",
        format!("{}---\n{}", service("a", 80), service("b", 0)),
    );
    assert_eq!(folder.names(), ["Service one/a", "Service one/b"]);
    folder.write(
        "kustomization.yaml",
        "namespace: two\nresources: [a.yaml]\n",
    );
    assert_eq!(folder.names(), ["Service two/a", "Service two/b"]);
    folder.write("a.yaml", "spec: [broken");
    assert_eq!(folder.names(), ["Service two/a", "Service two/b"]);
    folder.write(
        "kustomization.yaml",
        "namespace: three\nresources: [a.yaml]\n",
    );
    assert_eq!(folder.names(), ["Service three/a", "Service three/b"]);
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service three/b"]);
}

#[test]
fn a_flux_kustomization_sets_the_namespace_of_its_folder() {
    let mut folder = Folder::new();
    fs::create_dir(folder.path(".git")).expect("a folder");
    let flux = |path: &str| format!("{FLUX}spec: {{path: {path}, targetNamespace: apps}}\n");
    folder.write("flux/app.yaml", flux("./apps/web"));
    folder.write(
        "apps/web/kustomization.yaml",
        "namespace: own\nresources: [a.yaml]\n",
    );
    folder.write("apps/web/a.yaml", service("a", 80));
    folder.write("apps/plain/b.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service apps/a", "Service default/b"]);
    // Without a kustomization Flux applies all files, and the folders with a kustomization.
    folder.write("flux/app.yaml", flux("apps"));
    assert_eq!(folder.names(), ["Service apps/a", "Service apps/b"]);
    let inside = Loader::new([folder.path("flux"), folder.path("apps")]).load();
    assert_eq!(
        names(&inside),
        ["Service apps/a", "Service apps/b"],
        "the path begins at .git"
    );
    let copy = Loader::new([folder.path("copy")]);
    folder.write("copy/flux/app.yaml", flux("./nested"));
    folder.write("copy/nested/c.yaml", service("c", 80));
    let loaded = { copy }.load();
    assert_eq!(
        names(&loaded),
        ["Service apps/c"],
        "a repository inside of another one"
    );
    fs::remove_dir_all(folder.path("copy")).expect("removed");
    folder.remove("flux/app.yaml");
    assert_eq!(folder.names(), ["Service default/b", "Service own/a"]);
}

#[test]
fn kustomizations_that_contain_each_other_are_no_trap() {
    let mut folder = Folder::new();
    folder.write(
        "a/kustomization.yaml",
        "namespace: a\nresources: [../b, s.yaml]\n",
    );
    folder.write("b/kustomization.yaml", "namespace: b\nresources: [../a]\n");
    folder.write("a/s.yaml", service("s", 80));
    assert_eq!(folder.names(), ["Service default/s"]);
}

#[test]
fn a_flux_kustomization_of_another_repository_is_a_note() {
    let folder = Folder::new();
    folder.write("ks.yaml", format!("{FLUX}spec: {{path: ./elsewhere}}\n"));
    let loaded = folder.load_with(LoadOptions::default());
    let found = message(&loaded, Code::KustomizeResourceMissing);
    assert!(found.contains("no files in `./elsewhere`"), "{found}");
    assert_eq!(super::errors(&loaded), 0);
}
