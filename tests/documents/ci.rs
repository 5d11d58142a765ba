//! The commands of docs/ci.md and the pre-commit hook, run with the real binary.

use crate::support::daemon::gatefold;
use crate::support::folder::Folder;
use crate::support::repository;
use serde_json::Value;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const HOST: &str = "www.example.com";

/// A folder with clean manifests in `k8s`.
fn clean() -> Folder {
    let (folder, manifests) = (Folder::new(), Folder::with_route(HOST));
    for name in ["gateway.yaml", "route.yaml", "one.yaml"] {
        folder.write(&format!("k8s/{name}"), manifests.read(name));
    }
    folder
}

/// A folder with an error in `k8s/route.yaml`.
fn broken() -> Folder {
    let folder = clean();
    folder.replace("k8s/route.yaml", "hostnames:", "hostname:");
    folder
}

/// Runs a shell command in a folder, with the binary in the search path.
fn shell(command: &str, folder: &Path) -> Output {
    let binary = gatefold();
    let binary = Path::new(binary.get_program())
        .parent()
        .expect("its folder");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [OsString::from(binary), path].join(&OsString::from(":"));
    let mut shell = Command::new("sh");
    for (name, _) in gatefold().get_envs() {
        shell.env_remove(name);
    }
    shell
        .args(["-c", command])
        .env("PATH", path)
        .current_dir(folder)
        .output()
        .expect("the shell runs")
}

/// The code blocks of the document in a language.
fn blocks(language: &str) -> Vec<String> {
    let document = fs::read_to_string(repository("docs/ci.md")).expect("docs/ci.md");
    let begin = format!("```{language}\n");
    let blocks = document.split(&begin).skip(1);
    let text = |block: &str| block.split("```").next().unwrap_or_default().to_owned();
    blocks.map(text).collect()
}

/// Every text in a YAML document.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// All commands of the document that run gatefold.
fn commands() -> Vec<String> {
    let mut found: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned)
        .collect();
    for block in blocks("yaml") {
        texts(&serde_yaml::from_str(&block).expect("YAML"), &mut found);
    }
    // A hook has the name `gatefold check`.
    found.retain(|text| text.starts_with("gatefold check "));
    found
}

#[test]
fn every_command_of_the_document_works() {
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let (clean, broken) = (clean(), broken());
        // A part of the manifests alone has no problem either.
        let output = shell(&command, clean.path());
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
        if !command.contains("gateway.yaml") {
            let output = shell(&command, broken.path());
            assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        }
    }
}

#[test]
fn every_flag_of_the_document_exists() {
    let document = fs::read_to_string(repository("docs/ci.md")).expect("docs/ci.md");
    let help = gatefold()
        .args(["check", "--help"])
        .output()
        .expect("gatefold runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let flags = document.split(['`', ' ', ',', '[', ']', '\n']);
    let flags: Vec<&str> = flags.filter(|word| word.starts_with("--")).collect();
    assert!(flags.len() > 10, "{flags:?}");
    for flag in flags {
        assert!(help.contains(flag), "gatefold check has no {flag}");
    }
}

#[test]
fn the_pre_commit_hook_checks_a_repository() {
    let text = fs::read_to_string(repository(".pre-commit-hooks.yaml")).expect("the hooks");
    let hooks: Value = serde_yaml::from_str(&text).expect("YAML");
    let hook = &hooks[0];
    assert_eq!(hook["id"], "gatefold-check");
    assert_eq!(hook["language"], "system", "nothing is downloaded");
    assert_eq!(hook["pass_filenames"], false);
    let arguments = hook["args"].as_array().expect("a list").iter();
    let arguments: Vec<&str> = arguments.filter_map(Value::as_str).collect();
    let entry = hook["entry"].as_str().expect("a command");
    let command = format!("{entry} {}", arguments.join(" "));
    let files = hook["files"].as_str().expect("an expression");
    let files = regex_lite(files);
    for name in ["k8s/a.yaml", "a.yml", "a.json"] {
        assert!(files(name), "{name} starts the hook");
    }
    assert!(!files("README.md"));
    for (folder, code) in [(clean(), 0), (broken(), 1)] {
        let output = shell(&command, folder.path());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let documented = blocks("yaml").join("\n");
    assert!(documented.contains("id: gatefold-check"), "{documented}");
}

/// Matches names as pre-commit does, with the same expression in grep's syntax.
fn regex_lite(expression: &str) -> impl Fn(&str) -> bool {
    let expression = expression.to_owned();
    move |name| {
        let command = format!("printf %s '{name}' | grep -Eq '{expression}'");
        shell(&command, Path::new("/")).status.success()
    }
}

fn checked(folder: &Folder, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = gatefold();
    command.current_dir(folder.path()).args(["check", "k8s"]);
    let output = command.args(flags).output().expect("gatefold runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), text)
}

#[test]
fn sarif_has_a_rule_and_a_place_for_each_result() {
    let folder = broken();
    let path = "k8s/späte route.yaml";
    folder.write(
        path,
        folder
            .read("k8s/route.yaml")
            .replace("name: one", "name: ö"),
    );
    folder.write("k8s/values.yaml", "a: 1\n");
    let (code, text) = checked(&folder, &["--output", "sarif"]);
    assert_eq!(code, Some(1));
    let log: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert!(results.len() >= 3, "{text}");
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index");
        let rule = &rules[usize::try_from(index).expect("a small number")];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(
            rule["fullDescription"]["text"]
                .as_str()
                .is_some_and(|it| it.len() > 20)
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].is_string(), "{result}");
        assert!(
            place["region"]["startLine"]
                .as_u64()
                .is_some_and(|it| it > 0)
        );
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
    }
    let unknown = |uri: &str| {
        let mut results = results.iter();
        results.find(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            result["ruleId"] == "GF0201" && place["artifactLocation"]["uri"] == uri
        })
    };
    let found = unknown("k8s/route.yaml").expect("the unknown field");
    let region = &found["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        (
            &region["startLine"],
            &region["startColumn"],
            &region["endColumn"]
        ),
        (&8.into(), &3.into(), &11.into())
    );
    assert!(unknown("k8s/sp%C3%A4te%20route.yaml").is_some(), "{text}");
}

#[test]
fn junit_has_a_test_case_for_each_file() {
    let folder = broken();
    let (code, xml) = checked(&folder, &["--output", "junit"]);
    assert_eq!(code, Some(1));
    for expected in [
        "<testcase classname=\"gatefold check\" name=\"k8s/gateway.yaml\" file=\"k8s/gateway.yaml\"/>",
        "<failure type=\"GF0201\" message=\"k8s/route.yaml:8:3: error[GF0201]",
        "failures=\"1\"",
    ] {
        assert!(xml.contains(expected), "{expected} isn't in\n{xml}");
    }
    let (code, xml) = checked(&clean(), &["--output", "junit"]);
    assert_eq!(code, Some(0));
    assert!(xml.contains("failures=\"0\""), "{xml}");
    let folder = clean();
    folder.write(
        "k8s/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'ENC[x]'}\nsops: {mac: x}\n",
    );
    for (flag, code) in [("--verbose", 0), ("--deny-warnings", 1)] {
        let (found, xml) = checked(&folder, &["--output", "junit", flag]);
        assert_eq!(found, Some(code), "{xml}");
        let failures = xml.matches("<failure type=\"GF0306\"").count();
        assert_eq!(failures, usize::from(code == 1), "{xml}");
    }
}

#[test]
fn the_text_ends_with_the_problems_of_each_file() {
    let folder = broken();
    let (_, text) = checked(&folder, &[]);
    assert!(
        !text.contains("k8s/route.yaml: 1 error"),
        "one file: {text}"
    );
    folder.replace("k8s/one.yaml", "port: 3000", "port: x");
    let (_, text) = checked(&folder, &[]);
    assert!(
        text.contains("\nk8s/one.yaml: 1 error\nk8s/route.yaml: 1 error\n\n3 files read"),
        "{text}"
    );
}
