//! What the documents say is so.

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::gateway;
use crate::support::repository;
use gatefold_diagnostic::Code;
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// The table of docs/diagnostics.md, from the code.
fn diagnostics() -> String {
    let mut text = String::from(
        "# Diagnostics\n\nEvery finding has a code that never changes its meaning. Errors aren't served as written, \
         warnings are served, infos are worth knowing.\nThis file is made from `src/diagnostic/code.rs`; a test holds it true.\n",
    );
    for code in Code::ALL {
        let explanation = code
            .explanation()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        write!(text, "\n## {code} ({})\n\n{explanation}\n", code.severity())
            .expect("a string takes it all");
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
        "bring it up to date: UPDATE=1 ./x test every_diagnostic_is_documented"
    );
}

/// The table of README.md on conformance, from the official report.
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
        .expect("a string takes it all");
    }
    table
}

#[test]
fn the_support_table_says_what_the_conformance_report_says() {
    let path = repository("README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let begin = "<!-- made from docs/conformance/report.yaml -->\n";
    let (before, rest) = readme.split_once(begin).expect("the mark before the table");
    let (written, after) = rest.split_once("\n\n").expect("an end of the table");
    let wanted = conformance();
    if written != wanted.trim_end() && std::env::var_os("UPDATE").is_some() {
        let readme = format!("{before}{begin}{wanted}\n{after}");
        fs::write(&path, readme).expect("README.md written");
        return;
    }
    assert_eq!(
        written,
        wanted.trim_end(),
        "bring it up to date: UPDATE=1 ./x test the_support_table_says"
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
            "docs/metrics.md doesn't have the {kind} {name}"
        );
    }
    for line in documented.lines().filter(|line| line.starts_with("| `")) {
        let name = line.trim_start_matches("| `").split(['`', '{']).next();
        let exists = all.iter().any(|(known, _)| Some(known.as_str()) == name);
        assert!(exists, "there is no such metric: {line}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
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
