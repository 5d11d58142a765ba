//! Each stage knows what it must, and no more (docs/architecture.md).

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file of a stage, with its code: what stands before tests and outside of comments.
fn code(stage: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(stage);
    collect(&root, &mut files);
    assert!(!files.is_empty(), "there is no stage `{stage}`");
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("the stage is a folder") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                collect(&path, files);
            }
            continue;
        }
        let is_code = path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs");
        if is_code {
            let text = fs::read_to_string(&path).expect("the file can be read");
            files.push((path, uncommented(&text)));
        }
    }
}

fn uncommented(text: &str) -> String {
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = text.lines().filter(|it| !it.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Where one of the words stands as a word of its own in a stage's code.
fn uses(stage: &str, words: &[&str]) -> Vec<String> {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let stands = |text: &str, word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).and_then(|it| it.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|it| it.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    };
    let mut found = Vec::new();
    for (path, text) in code(stage) {
        for word in words.iter().filter(|word| stands(&text, word)) {
            found.push(format!("{} names `{word}`", path.display()));
        }
    }
    found
}

#[test]
fn what_serves_requests_knows_neither_yaml_nor_api_types_nor_the_graph() {
    let words = [
        "manifest",
        "graph",
        "compile",
        "status",
        "diagnostic",
        "serde_yaml",
        "granit_parser",
        "HTTPRoute",
        "NamespacedName",
    ];
    // A response has a status too: only our own module is meant.
    let words = words.map(|it| match it {
        "status" => "crate::status",
        other => other,
    });
    for stage in ["dataplane", "proxy"] {
        assert_eq!(uses(stage, &words), Vec::<String>::new(), "{stage}");
    }
}

#[test]
fn the_data_plane_does_not_know_pingora_or_sockets() {
    let words = [
        "pingora_core",
        "pingora_proxy",
        "pingora_http",
        "tokio",
        "TcpListener",
        "std::fs",
    ];
    assert_eq!(uses("dataplane", &words), Vec::<String>::new());
}

#[test]
fn build_and_compile_have_no_io_and_no_clock() {
    let words = [
        "std::fs",
        "std::io",
        "tokio",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "pingora_core",
        "pingora_proxy",
        "Instant",
        "SystemTime",
    ];
    for stage in ["graph", "compile"] {
        assert_eq!(uses(stage, &words), Vec::<String>::new(), "{stage}");
    }
}

#[test]
fn a_word_in_a_comment_or_in_a_test_is_no_use() {
    let text = "// manifest\nlet graphic = 1;\n#[cfg(test)]\nmod tests {\n    manifest\n}\n";
    assert!(!uncommented(text).contains("manifest"));
    assert!(
        !uses("compile", &["graph"]).is_empty(),
        "the search finds nothing"
    );
    assert!(
        uses("compile", &["grap"]).is_empty(),
        "a part of a word is none"
    );
}
