//! Tests that the documents match the code.

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::gateway;
use crate::support::repository;
use gatefold_diagnostic::Code;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The contents of docs/diagnostics.md, generated from the code.
fn diagnostics() -> String {
    let mut text = String::from(
        "# Diagnostics\n\nEvery finding has a code whose meaning never changes. An error is not served as written, a \
         warning is served, an info is for information only.\nWhere an explanation says that something answers 500 or 503, \
         gRPC requests get `UNAVAILABLE` ([table](grpc.md#answers-of-gatefold)).\nThis file is generated from `crates/diagnostic/src/code.rs`; a \
         test keeps it up to date.\n",
    );
    for code in Code::ALL {
        let explanation = code
            .explanation()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        write!(text, "\n## {code} ({})\n\n{explanation}\n", code.severity())
            .expect("writing to a string succeeds");
    }
    text
}

#[test]
fn every_diagnostic_is_documented() {
    let path = repository("docs/diagnostics.md");
    let written = fs::read_to_string(&path).unwrap_or_default();
    if written != diagnostics() && std::env::var_os("UPDATE").is_some() {
        fs::write(&path, diagnostics()).expect("docs/diagnostics.md written");
        return;
    }
    assert_eq!(
        written,
        diagnostics(),
        "update the file with: UPDATE=1 ./x test every_diagnostic_is_documented"
    );
}

/// The conformance table of README.md, generated from the official report.
fn conformance() -> String {
    let report =
        fs::read_to_string(repository("docs/conformance/report.yaml")).expect("the report");
    let report: Value = serde_yaml::from_str(&report).expect("YAML");
    let mut table =
        String::from("| profile | core | extended | extended features |\n|---|---|---|---|\n");
    for profile in report["profiles"].as_array().expect("profiles") {
        let passed = |part: &str| {
            let statistics = &profile[part]["statistics"];
            let count = |name: &str| statistics[name].as_u64().expect("a count");
            let passed = count("Passed");
            format!(
                "{passed} of {}",
                passed + count("Failed") + count("Skipped")
            )
        };
        let features = profile["extended"]["supportedFeatures"].as_array();
        let features = features.into_iter().flatten().filter_map(Value::as_str);
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            profile["name"].as_str().expect("a name"),
            passed("core"),
            passed("extended"),
            features.collect::<Vec<_>>().join(", ")
        )
        .expect("writing to a string succeeds");
    }
    table
}

#[test]
fn support_table_matches_the_conformance_report() {
    let path = repository("README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let begin = "<!-- made from docs/conformance/report.yaml -->\n";
    let (before, rest) = readme
        .split_once(begin)
        .expect("the marker before the table");
    let (written, after) = rest.split_once("\n\n").expect("the end of the table");
    let wanted = conformance();
    if written != wanted.trim_end() && std::env::var_os("UPDATE").is_some() {
        let readme = format!("{before}{begin}{wanted}\n{after}");
        fs::write(&path, readme).expect("README.md written");
        return;
    }
    assert_eq!(
        written,
        wanted.trim_end(),
        "update the table with: UPDATE=1 ./x test support_table_matches"
    );
}

#[test]
fn every_metric_is_documented() {
    let folder = Folder::with([("gateway.yaml", gateway())]);
    let metrics = Daemon::of(&folder).start().admin("/metrics").text();
    let documented = fs::read_to_string(repository("docs/metrics.md")).expect("docs/metrics.md");
    let of_line = |line: &str| {
        let mut words = line.strip_prefix("# TYPE ")?.split(' ');
        let (name, kind) = (words.next()?, words.next()?);
        let name = match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        };
        let kind = if kind == "info" { "gauge" } else { kind };
        Some((name, kind.to_owned()))
    };
    let all: Vec<_> = metrics.lines().filter_map(of_line).collect();
    assert!(all.len() > 10, "{metrics}");
    for (name, kind) in &all {
        let row = |line: &str| {
            let label = line.strip_prefix(&format!("| `{name}"));
            label.is_some_and(|rest| {
                (rest.starts_with('`') || rest.starts_with('{'))
                    && rest.contains(&format!("| {kind} |"))
            })
        };
        assert!(
            documented.lines().any(row),
            "docs/metrics.md does not list the {kind} {name}"
        );
    }
    for line in documented.lines().filter(|line| line.starts_with("| `")) {
        let name = line.trim_start_matches("| `").split(['`', '{']).next();
        let exists = all.iter().any(|(known, _)| Some(known.as_str()) == name);
        assert!(
            exists,
            "docs/metrics.md lists a metric that does not exist: {line}"
        );
    }
}

#[test]
fn every_dependency_has_a_reason() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).expect("Cargo.toml");
    let reasons =
        fs::read_to_string(repository("docs/decisions/dependencies.md")).expect("the reasons");
    let table = manifest.split_once("[workspace.dependencies]");
    let (_, table) = table.expect("the table of dependencies");
    let end = table.find("\n[").unwrap_or(table.len());
    let lines = table[..end].lines();
    for line in lines.filter(|line| line.contains('=') && !line.contains("path = ")) {
        let name = line.split(['=', ' ']).next().expect("a name");
        let named = format!("`{name}`");
        let reason = |row: &str| row.starts_with('|') && row.contains(&named);
        assert!(
            reasons.lines().any(reason),
            "docs/decisions/dependencies.md has no reason for {name}"
        );
    }
}

#[test]
fn the_index_of_decisions_lists_each_page_once() {
    let folder = repository("docs/decisions");
    let index = fs::read_to_string(folder.join("README.md")).expect("the index");
    let mut listed: Vec<_> = links(&index).collect();
    listed.sort_unstable();
    let mut pages: Vec<_> = fs::read_dir(folder)
        .expect("the decisions")
        .map(|entry| entry.expect("a page").file_name())
        .map(|name| name.into_string().expect("a name"))
        .filter(|name| name != "README.md")
        .collect();
    pages.sort_unstable();
    assert_eq!(listed, pages);
}

/// All files with this extension in a folder of the repository, or below it.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

/// The source files and documents that a text names. Names that begin with a crate or a module are included, since they
/// must be paths from the root of the repository. Files of other projects are not.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    let is_separator = |it: char| !it.is_ascii_alphanumeric() && !"_-./".contains(it);
    let words = text.split(is_separator).map(|it| it.trim_end_matches('.'));
    let files = words.filter(|it| it.ends_with(".rs") || it.ends_with(".md"));
    files.filter(|it| {
        let folder = it.split_once('/').map(|(folder, _)| folder);
        let folder = folder.filter(|it| !it.is_empty() && !it.starts_with('.'));
        let is_known = |root: &str| folder.is_some_and(|it| repository(root).join(it).is_dir());
        ["", "crates", "src"].into_iter().any(is_known)
    })
}

/// The targets of links to other files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|it| it.split([')', '#']).next());
    targets.filter(|it| !it.is_empty() && !it.contains("://"))
}

#[test]
fn every_file_named_in_documents_and_comments_exists() {
    let mut missing = BTreeSet::new();
    let mut documents = Vec::new();
    files(&repository(""), "md", &mut documents);
    assert!(documents.len() > 30, "{documents:?}");
    for document in &documents {
        let text = fs::read_to_string(document).expect("a document");
        let folder = document.parent().expect("a folder");
        let linked = links(&text).map(|it| (it, folder.join(it)));
        let named = named_files(&text).map(|it| (it, repository(it)));
        for (name, _) in linked.chain(named).filter(|(_, path)| !path.exists()) {
            missing.insert(format!("{}: {name}", document.display()));
        }
    }
    let mut sources = Vec::new();
    for folder in ["benches", "crates", "src", "tests"] {
        files(&repository(folder), "rs", &mut sources);
    }
    for source in &sources {
        let text = fs::read_to_string(source).expect("a source file");
        for comment in text.lines().filter_map(|line| line.split_once("// ")) {
            for name in named_files(comment.1).filter(|it| !repository(it).exists()) {
                missing.insert(format!("{}: {name}", source.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such files: {missing:#?}");
}
