//! Tests of which last good objects stay in force when a broken file is renamed or its objects are moved.

use super::*;
use crate::Update;
use std::path::Path;

const BROKEN: &str = "b: [\n";

/// A folder with the file `a.yaml`, which had Services a and b and is broken now.
fn broken() -> Folder {
    let mut folder = Folder::new();
    let good = format!("{}---\n{}", service("a", 80), service("b", 80));
    folder.write("a.yaml", good);
    folder.names();
    folder.write("a.yaml", format!("{}---\n{BROKEN}", service("a", 81)));
    assert_eq!(folder.names(), BOTH);
    folder
}

const BOTH: [&str; 2] = ["Service default/a", "Service default/b"];

fn rename(folder: &Folder, from: &str, to: &str) {
    fs::rename(folder.path(from), folder.path(to)).expect("the folder is writable");
}

#[test]
fn keeps_last_good_objects_when_a_broken_file_is_renamed() {
    let mut folder = broken();
    rename(&folder, "a.yaml", "c.yaml");
    assert_eq!(folder.names(), BOTH);
    let rendered = folder.rendered();
    assert!(rendered.contains("--> c.yaml:"), "{rendered}");
    assert!(!rendered.contains("a.yaml"), "{rendered}");
    assert!(rendered.contains("stays in force"), "{rendered}");
    rename(&folder, "c.yaml", "b.yaml");
    assert_eq!(folder.names(), BOTH, "a second time");
    folder.write("b.yaml", service("b", 82));
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/b"], "it is corrected");
    assert_eq!(lines(&loaded), Vec::<String>::new());
}

#[test]
fn keeps_last_good_objects_when_events_report_the_new_name() {
    for together in [true, false] {
        let mut folder = broken();
        let (from, to) = (folder.path("a.yaml"), folder.path("c.yaml"));
        fs::rename(&from, &to).expect("the file is renamed");
        let updates: Vec<Vec<&Path>> = if together {
            vec![vec![&from, &to]]
        } else {
            vec![vec![&from], vec![&to]]
        };
        let mut last = Vec::new();
        for paths in updates {
            let paths = paths.into_iter().map(Path::to_owned).collect();
            let Update::New(loaded) = folder.loader.update_files(&paths) else {
                panic!("the change wasn't noticed");
            };
            last = names(&loaded);
        }
        assert_eq!(last, BOTH, "in one update: {together}");
    }
}

#[test]
fn keeps_last_good_objects_when_a_broken_file_is_copied_and_removed() {
    let mut folder = broken();
    fs::copy(folder.path("a.yaml"), folder.path("c.yaml")).expect("the file is copied");
    assert_eq!(folder.names(), BOTH);
    folder.remove("a.yaml");
    assert_eq!(folder.names(), BOTH);
    folder.remove("c.yaml");
    assert_eq!(folder.names(), Vec::<String>::new(), "both are removed");
}

#[test]
fn keeps_last_good_objects_when_the_folder_of_binary_files_is_renamed() {
    let mut folder = Folder::new();
    for name in ["a", "b"] {
        let path = format!("one/{name}.yaml");
        folder.write(&path, service(name, 80));
        folder.names();
        folder.write(&path, b"\x00\x01");
    }
    assert_eq!(folder.names(), BOTH);
    rename(&folder, "one", "two");
    assert_eq!(folder.names(), BOTH);
    folder.remove("two/a.yaml");
    assert_eq!(
        folder.names(),
        ["Service default/b"],
        "each file keeps its own objects"
    );
}

#[test]
fn keeps_last_good_version_of_a_refused_object_when_its_file_is_renamed() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.names();
    folder.write("a.yaml", service("a", 0));
    assert_eq!(folder.names(), ["Service default/a"]);
    rename(&folder, "a.yaml", "c.yaml");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a"]);
    assert!(rendered(&loaded).contains("its last good version stays in force"));
}

#[test]
fn another_broken_file_does_not_receive_the_objects_of_a_removed_one() {
    let mut folder = broken();
    folder.write("c.yaml", "c: [\n");
    assert_eq!(folder.names(), BOTH);
    folder.remove("a.yaml");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn a_present_object_takes_precedence_over_one_that_another_file_keeps() {
    let mut folder = broken();
    folder.write("z.yaml", service("b", 90));
    let port = |loaded: &Loaded, name: &str| {
        let mut services = loaded.resources.services.values();
        let found = services.find(|it| &*it.meta.name == name);
        found.map(|it| it.spec.ports[0].port.get())
    };
    let loaded = folder.loader.load();
    assert_eq!(port(&loaded, "b"), Some(90), "it was moved there");
    assert_eq!(errors(&loaded), 1, "{}", rendered(&loaded));
    folder.remove("z.yaml");
    let loaded = folder.loader.load();
    assert_eq!(port(&loaded, "b"), Some(80), "it is still kept");
    assert_eq!(port(&loaded, "a"), Some(80));
}

#[test]
fn locates_a_kept_object_whose_text_is_unchanged_at_its_present_position() {
    let mut folder = Folder::new();
    folder.write(
        "a.yaml",
        format!("{}---\n{}", service("a", 80), service("b", 80)),
    );
    folder.names();
    let above = "# three\n# lines\n# more\n";
    let text = format!(
        "{above}---\n{}---\n{}---\n{BROKEN}",
        service("a", 81),
        service("b", 80)
    );
    folder.write("a.yaml", &text);
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), BOTH);
    let services: Vec<_> = loaded.resources.services.values().collect();
    let present = |index: usize| *services[index].document.source.text == text;
    assert!(present(1), "b is the same as before");
    assert!(!present(0), "a isn't");
    assert_eq!(services[0].spec.ports[0].port.get(), 80);
}
