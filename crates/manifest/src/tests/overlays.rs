//! Tests of bases that several overlays use.

use super::kustomize::{FLUX, count, message};
use super::{Folder, lines, names, service};
use crate::LoadOptions;
use gatefold_diagnostic::Code;
use std::fs;

/// A base with two overlays.
fn overlays() -> Folder {
    let folder = Folder::new();
    folder.write("base/kustomization.yaml", "resources: [a.yaml]\n");
    folder.write("base/a.yaml", service("a", 80));
    for overlay in ["dev", "prod"] {
        let text = format!("namespace: {overlay}\nresources: [../../base, own.yaml]\n");
        folder.write(&format!("overlays/{overlay}/kustomization.yaml"), text);
        folder.write(&format!("overlays/{overlay}/own.yaml"), service("own", 80));
    }
    folder.write(
        "other/kustomization.yaml",
        "namespace: other\nresources: [o.yaml]\n",
    );
    folder.write("other/o.yaml", service("o", 80));
    folder
}

#[test]
fn several_overlays_of_a_base_ask_for_a_choice() {
    let mut folder = overlays();
    let loaded = folder.loader.load();
    let expected = [
        "Service default/a",
        "Service dev/own",
        "Service other/o",
        "Service prod/own",
    ];
    assert_eq!(names(&loaded), expected);
    let rendered = folder.rendered();
    for part in ["2 overlays use the base", "overlays/dev and", "--overlay "] {
        assert!(rendered.contains(part), "{rendered}");
    }
    assert_eq!(count(&loaded, Code::SeveralOverlays), 1);
}

#[test]
fn a_chosen_overlay_leaves_out_the_others() {
    let folder = overlays();
    folder.write(
        "all/kustomization.yaml",
        "resources: [../overlays/dev, ../overlays/prod, ../other]\n",
    );
    for with_parent in [true, false] {
        if !with_parent {
            folder.remove("all/kustomization.yaml");
        }
        let loaded = folder.load_with(LoadOptions {
            overlays: vec![folder.path("overlays/./prod")],
            ..LoadOptions::default()
        });
        let expected = ["Service other/o", "Service prod/a", "Service prod/own"];
        assert_eq!(names(&loaded), expected, "{:?}", lines(&loaded));
        let found = message(&loaded, Code::SeveralOverlays);
        assert!(
            found.starts_with("1 file is left out, because it belongs only to overlays"),
            "{found}"
        );
    }
    let loaded = folder.load_with(LoadOptions {
        overlays: vec![folder.path("overlays")],
        ..LoadOptions::default()
    });
    assert_eq!(count(&loaded, Code::UnknownOverlay), 1);
}

#[test]
fn a_component_of_several_kustomizations_is_served_once() {
    let mut folder = Folder::new();
    for namespace in ["one", "two"] {
        folder.write(
            &format!("{namespace}/kustomization.yaml"),
            format!("namespace: {namespace}\ncomponents: [../part]\nresources: [own.yaml]\n"),
        );
        folder.write(&format!("{namespace}/own.yaml"), service("own", 80));
    }
    let component =
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [s.yaml]\n";
    folder.write("part/kustomization.yaml", component);
    folder.write("part/s.yaml", service("s", 80));
    let expected = ["Service default/s", "Service one/own", "Service two/own"];
    assert_eq!(folder.names(), expected);
    let found = message(&folder.loader.load(), Code::SeveralOverlays);
    assert!(
        found.contains("2 kustomizations use the component"),
        "{found}"
    );
}

#[test]
fn overlays_are_chosen_by_their_flux_kustomizations() {
    let folder = overlays();
    fs::create_dir(folder.path(".git")).expect("a folder");
    for cluster in ["dev", "prod"] {
        folder.write(
            &format!("clusters/{cluster}/apps.yaml"),
            format!("{FLUX}spec: {{path: ./overlays/{cluster}}}\n"),
        );
    }
    let loaded = folder.load_with(LoadOptions {
        overlays: vec![folder.path("clusters/prod")],
        ..LoadOptions::default()
    });
    let expected = ["Service other/o", "Service prod/a", "Service prod/own"];
    assert_eq!(names(&loaded), expected, "{:?}", lines(&loaded));
}
