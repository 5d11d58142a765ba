//! Tests with documents that aren't manifests, or nearly are.

use super::*;
use crate::Update;
use gatefold_diagnostic::Code;
use std::time::{Duration, Instant};

/// The lines of all diagnostics of a folder, with paths relative to it.
fn relative_lines(folder: &mut Folder) -> Vec<String> {
    let path = format!("{}/", folder.dir.path().display());
    let loaded = folder.loader.load();
    let lines = lines(&loaded).into_iter();
    lines.map(|line| line.replace(&path, "")).collect()
}

#[test]
fn passes_over_what_repositories_keep_beside_manifests() {
    let mut folder = Folder::new();
    folder.write("service.yaml", service("a", 80));
    for (name, text) in [
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        (
            "overlay/kustomization.yml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\n",
        ),
        (
            "chart/Chart.yaml",
            "apiVersion: v2\nname: a\nversion: 1.0.0\ndescription: one kind of chart\n",
        ),
        ("chart/values.yaml", "kind: DaemonSet\nreplicas: 2\n"),
        ("chart/values-prod.yaml", "name: {{ .Values.x }}\n  b: [\n"),
        ("compose.yaml", "services: {web: {image: nginx}}\n"),
        ("stack.yml", "services: {web: {build: .}}\n"),
        ("package.json", "{\"name\": \"a\", \"on\": 1, \"on\": 2}"),
        ("tsconfig.json", "{\n  // comments\n  \"include\": [],\n}"),
        ("dashboards/a.json", "{\"title\": \"t\", \"panels\": []}"),
        ("ci.yaml", "on: [push]\njobs: {}\n"),
        (
            "patch.json",
            "[{\"op\": \"replace\", \"path\": \"/spec\", \"value\": 1}]",
        ),
        ("schema.json", "{\"$schema\": \"x\", \"properties\": {}}"),
        (
            "openapi.yaml",
            "openapi: 3.0.0\ninfo: {title: kind of api}\n",
        ),
        (
            "secrets.enc.yaml",
            "password: ENC[AES256_GCM,data:x]\nsops: {mac: x}\n",
        ),
        ("settings.yaml", "on: 1\non: 2\nappVersion: 3\n"),
        ("list.yaml", "- hosts: all\n"),
        ("words.yaml", "hello\n"),
    ] {
        folder.write(name, text);
    }
    let lines = relative_lines(&mut folder);
    assert_eq!(
        lines,
        [
            "base/kustomization.yaml:1:13: warning[GF0805]: `a.yaml` doesn't exist",
            "info[GF0305]: skipped 1 Helm chart, 2 Helm values files, 2 compose files, 2 JavaScript \
             project files, 1 CI workflow, 1 dashboard, 1 JSON schema, 1 API description, 1 JSON patch, 1 encrypted file, \
             3 other documents, which aren't manifests"
        ]
    );
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a"]);
    let listed: Vec<String> = loaded
        .passed_over
        .iter()
        .map(|it| summary_line(&it.diagnostic()))
        .collect();
    assert_eq!(listed.len(), 16);
    let chart = listed.iter().find(|it| it.contains("Chart.yaml"));
    let chart = chart.expect("the chart is listed");
    assert!(
        chart.ends_with("Chart.yaml: info[GF0305]: a Helm chart, not a manifest"),
        "{chart}"
    );
}

#[test]
fn lists_a_document_of_a_file_with_several_by_its_line() {
    let text = format!("{}---\nfoo: 1\n", service("a", 80));
    let loaded = Loader::from_text("f.yaml", text);
    assert_eq!(names(&loaded), ["Service default/a"]);
    let listed: Vec<String> = loaded
        .passed_over
        .iter()
        .map(|it| summary_line(&it.diagnostic()))
        .collect();
    assert_eq!(
        listed,
        ["f.yaml:9:1: info[GF0305]: not a manifest: it has neither `apiVersion` nor `kind`"]
    );
}

#[test]
fn what_is_nearly_a_manifest_stays_an_error() {
    for (text, expected) in [
        ("apiVersion: v1\nmetadata: {name: a}\n", "no `kind`"),
        ("kind: Service\nmetadata: {name: a}\n", "no `apiVersion`"),
        ("metadata: {name: a}\nports: []\n", "neither"),
        ("metadata: {}\nspec: {}\n", "neither"),
        ("spec: {ports: []}\n", "neither"),
        (
            "apiversion: v1\nx: 1\n",
            "write `apiVersion` instead of `apiversion`",
        ),
        ("api_version: v1\n", "write `apiVersion`"),
        ("Kind: Service\n", "write `kind` instead of `Kind`"),
        ("- kind: Service\n", "document of its own"),
        ("apiVersion:v1 kind:Service\n", "but this is a string"),
    ] {
        let loaded = Loader::from_text("f.yaml", text);
        let rendered = rendered(&loaded);
        assert_eq!(errors(&loaded), 1, "{text}: {rendered}");
        assert!(rendered.contains("error[GF0301]"), "{text}: {rendered}");
        assert!(rendered.contains(expected), "{text}: {rendered}");
        assert!(loaded.passed_over.is_empty(), "{text}");
    }
    let broken = Loader::from_text(
        "values.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: [\n",
    );
    assert_eq!(errors(&broken), 1, "a manifest with an odd name");
}

#[test]
fn a_file_that_loses_its_kind_keeps_its_objects() {
    for text in [
        "foo: 1\n",
        "hello\n",
        "- a\n",
        "services: {a: {image: b}}\n",
    ] {
        let mut folder = Folder::new();
        folder.write("values.yaml", service("a", 80));
        folder.write("z.yaml", service("z", 80));
        folder.write("package.json", "{}");
        folder.names();
        for name in ["values.yaml", "z.yaml"] {
            folder.write(name, text);
        }
        let loaded = folder.loader.load();
        let rendered = rendered(&loaded);
        assert_eq!(
            names(&loaded),
            ["Service default/a", "Service default/z"],
            "{text}"
        );
        assert_eq!(errors(&loaded), 2, "{text}: {rendered}");
        assert_eq!(rendered.matches("stays in force").count(), 2, "{rendered}");
        assert_eq!(loaded.passed_over.len(), 1, "only package.json: {text}");
        folder.write("z.yaml", service("x", 80));
        folder.remove("values.yaml");
        let loaded = folder.loader.load();
        assert_eq!(
            names(&loaded),
            ["Service default/x"],
            "{text}: {:?} {}",
            lines(&loaded),
            loaded.files_read
        );
        assert_eq!(errors(&loaded), 0, "{text}");
    }
}

#[test]
fn a_known_file_that_breaks_keeps_its_objects() {
    let mut folder = Folder::new();
    folder.write("values.yaml", service("a", 80));
    folder.names();
    folder.write("values.yaml", "a: {{ .Values.x }}\nb: [\n");
    let loaded = folder.loader.load();
    assert_eq!((names(&loaded).len(), errors(&loaded)), (1, 1));
}

#[test]
fn a_template_outside_of_a_chart_is_an_error_that_mentions_templates() {
    for text in [
        "{{- if .Values.x }}\napiVersion: v1\n{{- end }}\n".to_owned(),
        service("a", 80).replace("name: a", "name: {{ .Release.Name }}"),
        service("a", 80).replace("name: a", "name: '{{ .Release.Name }}'"),
    ] {
        let rendered = rendered_of(&text);
        assert!(rendered.contains("error["), "{text}: {rendered}");
        assert!(rendered.contains("helm template DIR"), "{text}: {rendered}");
    }
    let other = service("0", 80) + "  x: 1\n# {{ not a template }}\n";
    assert!(!rendered_of(&other).contains("helm template"));
}

const TEMPLATE: &str = "{{- if .Values.x }}\napiVersion: v1\nkind: Service\n{{- end }}\n";

#[test]
fn reports_the_templates_of_a_chart_once() {
    let mut folder = Folder::new();
    folder.write(
        "app/Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    );
    folder.write("app/templates/a.yaml", TEMPLATE);
    folder.write(
        "app/templates/deep/b.yaml",
        service("b", 80).replace("name: b", "name: '{{ .Values.name }}'"),
    );
    folder.write("app/templates/plain.yaml", service("plain", 80));
    folder.write("app/charts/sub/Chart.yaml", "name: sub\n");
    folder.write("app/charts/sub/templates/c.yaml", TEMPLATE);
    let chart = folder.path("app").display().to_string();
    let rendered = folder.rendered();
    assert!(
        rendered.contains(&format!("--render 'helm template {chart}'"))
            || rendered.contains("--render 'helm template app'"),
        "{rendered}"
    );
    assert_eq!(
        relative_lines(&mut folder),
        [
            "app/Chart.yaml: info[GF0307]: 2 templates of this Helm chart aren't loaded, because they aren't rendered",
            "app/charts/sub/Chart.yaml: info[GF0307]: 1 template of this Helm chart isn't loaded, because it isn't rendered",
            "info[GF0305]: skipped 2 Helm charts, which aren't manifests",
        ]
    );
    assert_eq!(folder.names(), ["Service default/plain"]);
}

#[test]
fn a_manifest_that_becomes_a_template_keeps_its_objects() {
    let mut folder = Folder::new();
    folder.write("app/Chart.yaml", "name: app\n");
    folder.write("app/templates/a.yaml", service("a", 80));
    folder.names();
    folder.write("app/templates/a.yaml", TEMPLATE);
    let loaded = folder.loader.load();
    assert_eq!(
        (names(&loaded).len(), errors(&loaded)),
        (1, 1),
        "{}",
        rendered(&loaded)
    );
}

#[test]
fn a_chart_that_appears_after_its_templates_is_recognised() {
    let mut folder = Folder::new();
    folder.write("app/templates/a.yaml", TEMPLATE);
    assert_eq!(errors(&folder.loader.load()), 1);
    folder.write("app/Chart.yaml", "name: app\n");
    wait_for_templates(&mut folder);
}

#[test]
fn a_file_that_was_decoded_again_is_recognised_as_a_template() {
    let mut folder = Folder::new();
    folder.write("app/templates/a.yaml", TEMPLATE);
    folder.loader.load();
    let kustomization = "namespace: team\nresources: [app/templates/a.yaml]\n";
    folder.write("kustomization.yaml", kustomization);
    assert_eq!(errors(&folder.loader.load()), 1);
    folder.write("app/Chart.yaml", "name: app\n");
    wait_for_templates(&mut folder);
}

/// Waits until a scan has found that files are templates of a chart, not manifests with errors.
fn wait_for_templates(folder: &mut Folder) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let scan = crate::scan(&[folder.dir.path().to_owned()]);
        if let Update::New(loaded) = folder.loader.update_from_scan(&scan)
            && errors(&loaded) == 0
        {
            let mut found = loaded.diagnostics.iter();
            assert!(found.any(|it| it.code == Code::HelmTemplates));
            break;
        }
        assert!(Instant::now() < deadline, "the template is still an error");
    }
}

const ENCRYPTED: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: tls}\ntype: kubernetes.io/tls\n\
                         data:\n  tls.crt: ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\nsops: {mac: x}\n";

#[test]
fn an_encrypted_secret_is_refused_with_its_reason() {
    let loaded = Loader::from_text("f.yaml", ENCRYPTED);
    assert_eq!(
        lines(&loaded),
        [
            "f.yaml:7:1: warning[GF0306]: Secret default/tls is encrypted with SOPS, so its values can't be used"
        ]
    );
    assert_eq!(loaded.resources.refused_objects.len(), 1);
    assert!(loaded.resources.secrets.is_empty());
    let mut folder = Folder::new();
    let plain = ENCRYPTED
        .replace(
            "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]",
            "eA==",
        )
        .replace("sops: {mac: x}\n", "");
    folder.write("a.yaml", plain);
    assert_eq!(folder.loader.load().resources.secrets.len(), 1);
    folder.write("a.yaml", ENCRYPTED);
    let loaded = folder.loader.load();
    assert_eq!(loaded.resources.secrets.len(), 1, "the last good version");
    assert!(rendered(&loaded).contains("last good version stays in force"));
}
