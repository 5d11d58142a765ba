//! Tests of variables.

use super::{Folder, GATEWAY, lines, names, rendered, route, service};
use crate::{LoadOptions, Loaded, Loader, Substitution};
use gatefold_diagnostic::{Code, Severity};

fn options(substitutions: &[&str]) -> LoadOptions {
    let parse = |text: &&str| text.parse::<Substitution>().expect("it never fails");
    LoadOptions {
        substitutions: substitutions.iter().map(parse).collect(),
        ..LoadOptions::default()
    }
}

fn load(text: &str, options: LoadOptions) -> Loaded {
    Loader::new([])
        .with_options(options)
        .load_text("f.yaml", text)
}

/// The hostnames of the first route.
fn hostnames(loaded: &Loaded) -> Vec<String> {
    let route = loaded.resources.http_routes.values().next();
    let route = route.unwrap_or_else(|| panic!("a route: {}", rendered(loaded)));
    route
        .spec
        .hostnames
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_undefined_variable_is_named_and_not_called_a_bad_hostname() {
    let text = route("a", "  hostnames: [\"app.${SECRET_DOMAIN}\"]\n");
    let found = rendered(&Loader::from_text("f.yaml", text));
    for part in [
        "GF0810",
        "`spec.hostnames[0]` contains the variable `${SECRET_DOMAIN}`, which isn't defined",
        "--substitute SECRET_DOMAIN=VALUE",
        "f.yaml:6:15",
    ] {
        assert!(found.contains(part), "{part} in\n{found}");
    }
    let text = route("a", "  hostnames: [\"${APP}.${DOMAIN}\"]\n");
    let found = rendered(&Loader::from_text("f.yaml", text));
    for part in [
        "variables `${APP}` and `${DOMAIN}`, which aren't",
        "--substitute APP=VALUE --substitute DOMAIN=VALUE",
    ] {
        assert!(found.contains(part), "{part} in\n{found}");
    }
    let text = GATEWAY
        .replace("port: 80", "port: ${PORT}")
        .replace("HTTP\n", "${PROTOCOL}\n");
    let found = lines(&Loader::from_text("f.yaml", text)).join("\n");
    for part in [
        "listeners[0].port` contains the variable `${PORT}`",
        "`${PROTOCOL}`",
    ] {
        assert!(found.contains(part), "{part} in\n{found}");
    }
}

#[test]
fn variables_have_the_values_of_the_command_line() {
    let text = route(
        "a",
        "  hostnames: [\"${APP:=app}.${DOMAIN}\", '*.${DOMAIN}']\n",
    );
    let loaded = load(&text, options(&["DOMAIN=example.com"]));
    assert_eq!(hostnames(&loaded), ["app.example.com", "*.example.com"]);
    assert_eq!(lines(&loaded), Vec::<String>::new());
    let text = GATEWAY.replace("port: 80", "port: \"${PORT}\"");
    let loaded = load(&text, options(&["PORT=8080"]));
    let gateway = loaded
        .resources
        .gateways
        .values()
        .next()
        .expect("a Gateway");
    assert_eq!(gateway.spec.listeners[0].port.get(), 8080);
}

#[test]
fn positions_stay_those_of_the_file() {
    let text = route("a", "  hostnames:\n  - ${A}\n  - ${B}\n");
    let found = lines(&load(&text, options(&["A=a.example.com", "B=Not Valid"])));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("f.yaml:8:5") && found[0].contains("`Not Valid`"),
        "{found:?}"
    );
}

#[test]
fn an_object_can_turn_the_substitution_off() {
    for field in ["labels", "annotations"] {
        let text = service("${NAME}", 80).replace(
            "metadata:",
            &format!("metadata:\n  {field}: {{kustomize.toolkit.fluxcd.io/substitute: disabled}}"),
        );
        let loaded = load(&text, options(&["NAME=a"]));
        assert_eq!(names(&loaded), Vec::<String>::new(), "{field}");
    }
    let loaded = load(&service("${NAME}", 80), options(&["NAME=a"]));
    assert_eq!(names(&loaded), ["Service default/a"]);
}

#[test]
fn an_undefined_variable_that_the_field_allows_is_a_warning() {
    let rules = "  rules:\n  - filters:\n    - type: RequestHeaderModifier\n      requestHeaderModifier: {set: [{name: a, value: \"${X}\"}]}\n";
    let loaded = load(&route("a", rules), options(&["Y=a"]));
    let found = &loaded.diagnostics;
    assert_eq!(found.len(), 1, "{:?}", lines(&loaded));
    assert_eq!(
        (found[0].code, found[0].severity),
        (Code::UndefinedVariable, Severity::Warning)
    );
    let loaded = load(&route("a", "  hostnames: [\"${X}\"]\n"), options(&["Y=a"]));
    let errors = loaded
        .diagnostics
        .iter()
        .filter(|it| it.severity == Severity::Error)
        .count();
    assert_eq!(
        (loaded.diagnostics.len(), errors),
        (1, 1),
        "{:?}",
        lines(&loaded)
    );
    let loaded = load(
        &route("a", "  hostnames: [\"${X[@]}\"]\n"),
        options(&["Y=a"]),
    );
    assert!(
        lines(&loaded)
            .join("")
            .contains("`${X[@]}` isn't a variable"),
        "{:?}",
        lines(&loaded)
    );
}

#[test]
fn variables_come_from_files_and_follow_their_changes() {
    let mut folder = Folder::new();
    folder.write(
        "k8s/a.yaml",
        route("a", "  hostnames: [\"app.${DOMAIN}\"]\n"),
    );
    let config = |domain: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{DOMAIN: {domain}}}\n"
        )
    };
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\ndata: {DOMAIN: ZnJvbS5zZWNyZXQ=}\n";
    for (name, text, changed) in [
        (
            "vars.env",
            "# a comment\nexport DOMAIN=\"from.env\"\n".to_owned(),
            "DOMAIN=new\n".to_owned(),
        ),
        (
            "vars.yaml",
            "DOMAIN: from.mapping\n".to_owned(),
            "DOMAIN: new\n".to_owned(),
        ),
        ("k8s/settings.yaml", config("from.map"), config("new")),
        ("k8s/secret.yaml", secret.to_owned(), config("new")),
    ] {
        folder.write(name, &text);
        let file = Substitution::File(folder.path(name));
        let loader = Loader::new([folder.path("k8s")]);
        folder.loader = loader.with_options(LoadOptions {
            substitutions: vec![file],
            ..LoadOptions::default()
        });
        let loaded = folder.loader.load();
        let found = hostnames(&loaded);
        assert!(found[0].starts_with("app.from."), "{name}: {found:?}");
        assert_eq!(lines(&loaded), Vec::<String>::new(), "{name}");
        folder.write(name, &changed);
        let crate::Update::New(loaded) = folder.loader.update_files(&[folder.path(name)].into())
        else {
            panic!("{name}: the change is noticed");
        };
        assert_eq!(hostnames(&loaded), ["app.new"], "{name}");
        folder.write(name, "[broken: \"\n");
        let loaded = folder.loader.load();
        assert_eq!(
            hostnames(&loaded),
            ["app.new"],
            "{name}: the last good values"
        );
        assert_eq!(super::errors(&loaded), 1, "{name}: {:?}", lines(&loaded));
        folder.remove(name);
    }
}

#[test]
fn encrypted_values_are_named() {
    let folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.write("x/vars.env", "A=ENC[AES256_GCM,data:x]\nB=b\n");
    let loaded = Loader::new([folder.path("a.yaml")]).with_options(LoadOptions {
        substitutions: vec![Substitution::File(folder.path("x/vars.env"))],
        ..LoadOptions::default()
    });
    let loaded = { loaded }.load();
    assert_eq!(loaded.diagnostics.len(), 1, "{:?}", lines(&loaded));
    assert_eq!(loaded.diagnostics[0].code, Code::VariablesNotAvailable);
}

#[test]
fn stand_ins_take_the_place_of_undefined_variables_in_hostnames() {
    let text = route(
        "a",
        "  hostnames: [\"${APP}.${SECRET_DOMAIN}\", \"b.${KNOWN}\"]\n",
    );
    let loaded = load(
        &text,
        LoadOptions {
            stand_in_variables: true,
            ..options(&["KNOWN=example.com"])
        },
    );
    assert_eq!(
        hostnames(&loaded),
        ["app.secret-domain.test", "b.example.com"]
    );
    let found: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|it| (it.code, it.severity))
        .collect();
    assert_eq!(found, [(Code::StandInVariable, Severity::Info); 2]);
    let text = GATEWAY.replace("port: 80", "port: 80\n    hostname: \"*.${DOMAIN}\"");
    let options = LoadOptions {
        stand_in_variables: true,
        ..LoadOptions::default()
    };
    let loaded = load(&text, options);
    let gateway = loaded
        .resources
        .gateways
        .values()
        .next()
        .expect("a Gateway");
    let hostname = gateway.spec.listeners[0].hostname.as_ref();
    assert_eq!(
        hostname.map(ToString::to_string).as_deref(),
        Some("*.domain.test")
    );
}

#[test]
fn flux_kustomizations_define_variables() {
    let folder = Folder::new();
    let flux = |name: &str, spec: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux}}\nspec:\n{spec}"
        )
    };
    let outer = "  path: ./apps\n  postBuild: {substituteFrom: [{kind: ConfigMap, name: settings}, {kind: Secret, name: gone}]}\n";
    folder.write("cluster/outer.yaml", flux("outer", outer));
    folder.write(
        "cluster/settings.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: flux}\ndata: {DOMAIN: example.com, APP: outer}\n",
    );
    folder.write(
        "apps/web/ks.yaml",
        flux(
            "web",
            "  path: ./web\n  postBuild: {substitute: {APP: web}}\n",
        ),
    );
    folder.write(
        "web/a.yaml",
        route("a", "  hostnames: [\"${APP}.${DOMAIN}\"]\n"),
    );
    let load = |substitutions: &[&str], flux_substitutions| {
        let loader = Loader::new([folder.dir.path().to_owned()]);
        loader
            .with_options(LoadOptions {
                flux_substitutions,
                ..options(substitutions)
            })
            .load()
    };
    let loaded = load(&[], true);
    assert_eq!(hostnames(&loaded), ["web.example.com"]);
    let missing = loaded
        .diagnostics
        .iter()
        .filter(|it| it.code == Code::VariablesNotAvailable);
    assert_eq!(missing.count(), 1, "{:?}", lines(&loaded));
    assert_eq!(
        hostnames(&load(&["APP=given"], true)),
        ["given.example.com"]
    );
    let loaded = load(&[], false);
    assert!(loaded.resources.http_routes.is_empty(), "only if asked for");
}
