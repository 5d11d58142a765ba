//! Tests with texts that are invalid or incomplete YAML.

use super::*;

#[test]
fn reports_every_syntax_error_of_a_file() {
    let broken = [
        "a: [1, 2\n",
        "b: {\n",
        "c: \"x\n",
        "d: - x\n",
        "e:\n\tf: 1\n",
        "f: a: b\n",
        "g:\n  h: 1\n i: 2\n",
        "j\nk: 1\n",
        "l: @x\n",
        "o:x\np: 1\n",
        "- a\nb: 1\n",
        "q: }\n",
        "r: 'it's'\n",
        "s: \"\\d\"\n",
        "t: [1}\n",
    ];
    let text = broken.join("---\n") + "---\n" + GATEWAY;
    let loaded = Loader::from_text("f.yaml", text);
    insta::assert_snapshot!(rendered(&loaded));
    assert_eq!(errors(&loaded), broken.len(), "one error per document");
    assert_eq!(
        names(&loaded),
        ["Gateway default/gw"],
        "the valid document is loaded"
    );
}

#[test]
fn reports_undefined_aliases_and_invalid_keys() {
    let documents = [
        "m: *x",
        "n: &a [*a]",
        "? [a]\n: b",
        "~: a",
        "<<: 1",
        "on: 1\ny: 2",
        "a: !!int x",
    ];
    let text = documents.join("\nkind: T\n---\n") + "\nkind: T\n";
    insta::assert_snapshot!(rendered_of(&text));
}

#[test]
fn shows_both_places_of_a_duplicate_key() {
    let text = GATEWAY.replace("    port: 80\n", "    port: 80\n    port: 81\n");
    insta::assert_snapshot!(rendered_of(&text));
    assert!(
        Loader::from_text("f.yaml", text)
            .resources
            .gateways
            .is_empty()
    );
}

#[test]
fn a_duplicate_key_among_many_refuses_only_its_item() {
    let item = |name: &str, labels: &str| {
        format!(
            "- apiVersion: v1\n  kind: Service\n  metadata:\n    name: {name}\n    labels:\n{labels}"
        )
    };
    let labels: String = (0..40).map(|i| format!("      l{i}: x\n")).collect();
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}{}",
        item("a", &format!("{labels}      l33: again\n")),
        item("b", &labels)
    );
    let loaded = Loader::from_text("f.yaml", text);
    assert_eq!(
        lines(&loaded),
        ["f.yaml:49:7: error[GF0105]: the key `l33` appears twice in one mapping"]
    );
    assert_eq!(names(&loaded), ["Service default/b"]);
}

#[test]
fn reports_documents_that_are_no_objects() {
    let text = "foo: 1\n---\n- x\n---\nhello\n---\napiVersion: v1\n---\nkind: Service\n---\napiVersion: v1\nkind: Service\n---\nkind: Service\napiVersion: v1\nmetadata: {generateName: a-}\n---\nkind: [Service]\napiVersion: 1\n";
    insta::assert_snapshot!(rendered_of(text));
}

#[test]
fn reports_bytes_that_are_no_text() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"a: 1\nb: caf\xe9!\n",
            "f.yaml:2:7: error[GF0102]: byte 0xe9 isn't UTF-8",
        ),
        (
            b"\x7fELF\x02\x00\x01",
            "f.yaml: error[GF0102]: not a text file: there is a zero byte at offset 5",
        ),
        (
            b"\xff\xfea\0",
            "f.yaml: error[GF0102]: the file is UTF-16; Kubernetes manifests are UTF-8",
        ),
        (
            b"\xc3\x28",
            "f.yaml:1:1: error[GF0102]: byte 0xc3 isn't UTF-8",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(lines_of(bytes), [expected]);
    }
}

#[test]
fn loads_a_file_truncated_at_any_byte() {
    let text = format!(
        "{GATEWAY}---\n{}",
        route("r", "  rules:\n  - backendRefs: [{name: \"a\", port: 1}]\n")
    );
    for end in 0..text.len() {
        let loaded = Loader::from_text("f.yaml", &text[..end]);
        rendered(&loaded);
    }
}
