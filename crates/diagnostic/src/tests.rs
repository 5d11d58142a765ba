//! Tests of how diagnostics are located and rendered.

use super::*;
use std::path::PathBuf;
use std::sync::Arc;

const TEXT: &str = "\
# a comment
apiVersion: v1
kind: List
items:
- {}
- metadata:
    name: grün
  spec:
    rules:
    - backendRefs:
      - name: a
        port: 80
    empty:
";

/// The second item of the list.
fn document() -> Document {
    let source = Source {
        path: PathBuf::from("dir/f.yaml"),
        text: TEXT.into(),
    };
    Document {
        source: Arc::new(source),
        bytes: 0..TEXT.len(),
        line: 1,
        item: Some(1),
    }
}

fn field(pointer: Pointer) -> Place {
    Place::Field {
        document: document(),
        pointer,
    }
}

#[track_caller]
fn assert_at(pointer: Pointer, line: usize, column: usize, text: &str) {
    let at = field(pointer.clone())
        .locate()
        .expect("every field has a place");
    let found = (at.line, at.column, &TEXT[at.bytes]);
    assert_eq!(found, (line, column, text), "place of `{pointer}`");
}

#[test]
fn locates_a_scalar_at_its_value_and_a_list_at_its_key() {
    let backends = Pointer::spec().key("rules").index(0).key("backendRefs");
    assert_at(backends.index(0).key("port"), 12, 15, "80");
    assert_at(backends.clone(), 10, 7, "backendRefs");
    assert_at(backends.index(0), 11, 9, "name: a");
}

#[test]
fn locates_a_missing_field_at_the_nearest_enclosing_field() {
    assert_at(Pointer::spec().key("hostnames").index(3), 8, 3, "spec");
    assert_at(
        Pointer::spec().key("rules").index(7).key("name"),
        9,
        5,
        "rules",
    );
    assert_at(Pointer::spec().key("empty"), 13, 5, "empty");
    assert_at(
        Pointer::root().key("metadata").key("labels"),
        6,
        3,
        "metadata",
    );
}

#[test]
fn locates_an_object_at_its_name() {
    assert_at(Pointer::root(), 7, 11, "grün");
}

#[test]
fn clamps_a_place_outside_of_the_text() {
    let source = document().source;
    for bytes in [
        0..usize::MAX,
        usize::MAX..usize::MAX,
        TEXT.find('ü').map_or(0, |at| at + 1)..5,
    ] {
        let place = Place::Bytes {
            source: source.clone(),
            bytes,
        };
        let found = Diagnostic::new(Code::Syntax, place, "x");
        assert!(!render(&found, Style::Plain).is_empty());
    }
}

fn example() -> Diagnostic {
    let place = field(Pointer::root());
    let resource = ResourceId {
        kind: "Service".into(),
        namespace: "default".into(),
        name: "a".into(),
    };
    Diagnostic::new(Code::InvalidValue, place, "100% wrong,\nor: so")
        .about(resource)
        .label(field(Pointer::spec()), "see, here")
        .note("noted")
        .help("do it")
}

#[test]
fn serializes_a_diagnostic_as_json() {
    let expected = serde_json::json!({
        "code": "GF0204", "severity": "error", "message": "100% wrong,\nor: so",
        "resource": {"kind": "Service", "namespace": "default", "name": "a"},
        "file": "dir/f.yaml", "line": 7, "column": 11,
        "labels": [{"file": "dir/f.yaml", "line": 8, "column": 3, "text": "see, here"}],
        "notes": ["noted"], "help": "do it",
    });
    assert_eq!(
        serde_json::to_value(example()).expect("it has no odd keys"),
        expected
    );
    let bare = Diagnostic::new(Code::IgnoredKind, Place::Nowhere, "m");
    let expected = serde_json::json!({"code": "GF0303", "severity": "info", "message": "m"});
    assert_eq!(
        serde_json::to_value(bare).expect("it has no odd keys"),
        expected
    );
}

#[test]
fn renders_a_diagnostic_as_a_workflow_annotation() {
    let expected = "::error file=dir/f.yaml,line=7,col=11,title=GF0204::100%25 wrong,\\nor: so%0Anoted%0Ado it";
    assert_eq!(github_annotation(&example()), expected);
    let place = Place::File(PathBuf::from("a,b:c.yaml"));
    let bare = Diagnostic::new(Code::IgnoredKind, place, "m");
    assert_eq!(
        github_annotation(&bare),
        "::notice file=a%2Cb%3Ac.yaml,title=GF0303::m"
    );
}

#[test]
fn renders_a_diagnostic_with_all_its_parts() {
    insta::assert_snapshot!(render(&example(), Style::Plain));
    assert!(render(&example(), Style::Colour).contains("\u{1b}["));
}

#[test]
fn sorts_diagnostics_by_place() {
    let at = |place: Place| Diagnostic::new(Code::Syntax, place, "m");
    let mut list = vec![
        at(field(Pointer::spec())),
        at(Place::File(PathBuf::from("z.yaml"))),
        at(field(Pointer::root())),
        at(Place::Nowhere),
        at(Place::File(PathBuf::from("a.yaml"))),
    ];
    sort(&mut list);
    let lines: Vec<String> = list.iter().map(summary_line).collect();
    let expected = [
        "error[GF0104]: m",
        "a.yaml: error[GF0104]: m",
        "dir/f.yaml:7:11: error[GF0104]: m",
        "dir/f.yaml:8:3: error[GF0104]: m",
        "z.yaml: error[GF0104]: m",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn codes_are_unique_and_explained() {
    let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Code::ALL.len(), "a code is used twice");
    for code in Code::ALL {
        assert!(
            code.explanation().trim().len() > 20,
            "{code} isn't explained"
        );
    }
}
