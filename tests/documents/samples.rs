//! Every folder under `config/` is loaded and served, and answers requests.

use crate::support::backend::TestBackend;
use crate::support::client::{Client, Response};
use crate::support::daemon::{Daemon, check};
use crate::support::folder::Folder;
use crate::support::grpc::GrpcClient;
use crate::support::openid_provider::OpenIdProvider;
use crate::support::tls::Authority;
use crate::support::{eventually, repository};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const SAMPLES: [&str; 10] = [
    "auth",
    "behind-a-proxy",
    "canary",
    "compose",
    "cross-namespace",
    "ext-auth",
    "grpc",
    "oidc",
    "quickstart",
    "tls",
];

fn generate_certificates(folder: &Folder) {
    let status = Command::new(repository("certs/generate.sh"))
        .arg(folder.path())
        .args(["www.example.com=www-cert", "api.example.com=api-cert"])
        .status()
        .expect("the script runs");
    assert!(status.success(), "certs/generate.sh: {status}");
}

/// Makes the keys of the sample's tokens, and a token with a scope.
fn generate_token(folder: &Folder, scope: &str) -> String {
    let made = Command::new(repository("config/auth/token.sh"))
        .arg(folder.path())
        .arg(scope)
        .output()
        .expect("the script runs");
    assert!(made.status.success(), "config/auth/token.sh: {made:?}");
    String::from_utf8(made.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[test]
fn every_sample_has_a_test_and_a_readme_with_curl_commands() {
    let folders = fs::read_dir(repository("config")).expect("config/");
    let found: BTreeSet<_> = folders
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    assert_eq!(
        found,
        SAMPLES.map(str::to_owned).into(),
        "SAMPLES must list every folder"
    );
    for name in SAMPLES {
        let readme = repository("config").join(name).join("README.md");
        let text = fs::read_to_string(&readme)
            .unwrap_or_else(|error| panic!("{}: {error}", readme.display()));
        assert!(
            text.contains("curl "),
            "{}: no curl command",
            readme.display()
        );
    }
}

#[test]
fn check_finds_no_problem_in_the_samples() {
    for name in SAMPLES {
        let folder = Folder::sample(name);
        match name {
            "tls" | "oidc" => generate_certificates(&folder),
            "auth" => _ = generate_token(&folder, "orders"),
            _ => {}
        }
        let output = check(&folder);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{name}:\n{text}");
    }
}

#[test]
fn behind_a_proxy_the_client_is_known_in_both_ways() {
    let folder = Folder::sample("behind-a-proxy");
    let daemon = Daemon::of(&folder).port(8000).echo().start();
    let request = |path: &str, field: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: shop.example.com\r\n{field}\r\n")
    };
    let status = |port: u16, bytes: &str| {
        let mut client = Client::connect(daemon.socket(port)).expect("a connection");
        client.begin(bytes.as_bytes()).expect("sent");
        client.answer().map_or(0, |answer| answer.status)
    };
    let header = |client: &str, path: &str| {
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4242 80\r\n");
        status(80, &(header + &request(path, "")))
    };
    assert_eq!(header("198.51.100.7", "/admin"), 200);
    assert_eq!(header("203.0.113.1", "/admin"), 403);
    assert_eq!(header("203.0.113.1", "/"), 200);
    assert_eq!(status(80, &request("/", "")), 0, "no header, no answer");
    let list = |client: &str| {
        let field = format!("X-Forwarded-For: {client}, 10.1.2.3\r\n");
        status(8000, &request("/admin", &field))
    };
    assert_eq!(list("198.51.100.7"), 200);
    assert_eq!(list("198.51.100.7, 203.0.113.1"), 403, "a forged beginning");
}

#[test]
fn ext_auth_lets_requests_with_a_session_pass() {
    let server = Folder::new();
    server.copy(
        repository("config/ext-auth/server/server.yaml"),
        "server.yaml",
    );
    let server = Daemon::of(&server).port(9091).echo().start();
    let shop = Folder::sample("ext-auth");
    let socket = server.socket(9091);
    shop.replace("policy.yaml", "127.0.0.1", &socket.ip().to_string());
    // The port of the EndpointSlice, not that of the Service.
    let endpoint = format!("\nports:\n  - port: {}", socket.port());
    shop.replace("policy.yaml", "\nports:\n  - port: 9091", &endpoint);
    let daemon = Daemon::of(&shop).echo().start();
    let ask = |headers: &[(&str, &str)]| {
        let answer = daemon.connect().get("shop.example.com", "/cart", headers);
        answer.expect("an answer")
    };
    let denied = ask(&[]);
    assert_eq!(denied.status, 302);
    let location = Some("https://auth.example.com/login");
    assert_eq!(denied.header("location"), location);
    let session = ("Cookie", "theme=dark; session=example");
    let allowed = ask(&[session, ("Remote-User", "root")]);
    let user = &allowed.json()["headers"]["Remote-User"];
    assert_eq!(*user, serde_json::json!(["alice"]));
    drop(server);
    daemon.wait_for_status("shop.example.com", "/cart", 403);
}

#[test]
fn canary_routes_by_header_and_otherwise_by_weight() {
    let daemon = Daemon::of(&Folder::sample("canary")).echo().start();
    let mut client = daemon.connect();
    let mut ask = |headers: &[(&str, &str)]| {
        client
            .get("shop.example.com", "/", headers)
            .expect("an answer")
    };
    for _ in 0..5 {
        assert_eq!(ask(&[("x-version", "next")]).backend(), "shop-next");
    }
    let answers: Vec<_> = (0..100).map(|_| ask(&[])).collect();
    let next: Vec<_> = answers
        .iter()
        .filter(|answer| answer.backend() == "shop-next")
        .collect();
    assert_eq!(next.len(), 10, "of 100 requests");
    for answer in &answers {
        let marked = answer.header("x-served-by") == Some("next");
        assert_eq!(
            marked,
            answer.backend() == "shop-next",
            "the backend's own filter"
        );
    }
}

#[test]
fn cross_namespace_reaches_the_other_namespace_while_the_grant_exists() {
    let folder = Folder::sample("cross-namespace");
    let daemon = Daemon::of(&folder).echo().start();
    let host = "shop.example.com";
    assert_eq!(daemon.get(host, "/").json()["namespace"], "shop");
    assert_eq!(daemon.get(host, "/pay").json()["namespace"], "payments");
    folder.remove("grant.yaml");
    daemon.wait_for_status(host, "/pay", 500);
    assert_eq!(daemon.get(host, "/").status, 200, "the rest is served");
    folder.copy("config/cross-namespace/manifests/grant.yaml", "grant.yaml");
    daemon.wait_for_status(host, "/pay", 200);
}

#[test]
fn oidc_redirects_browsers_and_denies_scripts() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = Folder::sample("oidc");
    generate_certificates(&folder);
    folder.replace(
        "login.yaml",
        "https://accounts.example.com",
        provider.issuer(),
    );
    let trusted = folder.path().join(".authorities.pem");
    fs::write(&trusted, authority.pem()).expect("the authority's file");
    let start = Daemon::of(&folder).echo();
    let daemon = start.environment("SSL_CERT_FILE", trusted).start();
    let socket = daemon.socket(443);
    let ask = |header: &str| {
        let output = Command::new("curl")
            .args(["-sS", "--cacert", "example.com.crt", "-H", header])
            .args(["-o", ".body", "-w", "%{http_code} %{redirect_url}"])
            .arg("--resolve")
            .arg(format!("www.example.com:{}:{}", socket.port(), socket.ip()))
            .arg(format!("https://www.example.com:{}/", socket.port()))
            .current_dir(folder.path())
            .output()
            .expect("curl runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let login = format!("302 {}/authorize?", provider.issuer());
    eventually("a browser is redirected", || {
        ask("Accept: text/html").starts_with(&login).then_some(())
    });
    assert_eq!(ask("X-Requested-With: XMLHttpRequest"), "401 ");
}

#[test]
fn tls_serves_each_name_with_its_certificate() {
    let folder = Folder::sample("tls");
    generate_certificates(&folder);
    let daemon = Daemon::of(&folder).echo().start();
    for (host, backend) in [("www.example.com", "web"), ("api.example.com", "api")] {
        let socket = daemon.socket(443);
        let answer = eventually("curl trusts the certificate", || {
            let output = Command::new("curl")
                .args(["-sS", "--cacert", "example.com.crt", "--resolve"])
                .arg(format!("{host}:{}:{}", socket.port(), socket.ip()))
                .arg(format!("https://{host}:{}/", socket.port()))
                .current_dir(folder.path())
                .output()
                .expect("curl runs");
            output.status.success().then_some(output.stdout)
        });
        let json: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        let pod = json["pod"].as_str().expect("a pod's name");
        assert!(
            pod.starts_with(&format!("{backend}-")),
            "{host} was answered by {pod}"
        );
    }
}

#[test]
fn auth_requires_a_password_a_key_or_a_token() {
    let folder = Folder::sample("auth");
    let token = generate_token(&folder, "orders");
    let other_scope = generate_token(&folder, "invoices");
    let daemon = Daemon::of(&folder).echo().start();
    let ask = |method: &str, host: &str, headers: &[(&str, &str)]| {
        let answer = daemon.connect().send(method, host, "/", headers, b"");
        let answer = answer.expect("an answer");
        let identity = (answer.status == 200).then(|| {
            let json = answer.json();
            let headers = &json["headers"];
            let found = headers.get("X-User").or_else(|| headers.get("X-Client"));
            found.map(ToString::to_string).unwrap_or_default()
        });
        (answer.status, identity.unwrap_or_default())
    };
    let denied = |status: u16| (status, String::new());
    let password = "password.example.com";
    assert_eq!(ask("GET", password, &[]), denied(401));
    let alice = [("Authorization", "Basic YWxpY2U6c2VjcmV0")];
    let as_alice = (200, r#"["alice"]"#.to_owned());
    assert_eq!(ask("GET", password, &alice), as_alice);
    let key = "key.example.com";
    let partner = [("X-Api-Key", "example-key-1")];
    let as_partner = (200, r#"["partner"]"#.to_owned());
    assert_eq!(ask("GET", key, &partner), as_partner);
    assert_eq!(ask("POST", key, &partner), denied(403));
    assert_eq!(
        ask("GET", key, &[("X-Api-Key", "example-key-2")]),
        denied(403)
    );
    let bearer = |token: &str| format!("Bearer {token}");
    let (token, other_scope) = (bearer(&token), bearer(&other_scope));
    let forged = [("Authorization", token.as_str()), ("X-User", "admin")];
    assert_eq!(ask("GET", "token.example.com", &forged), as_alice);
    let other = [("Authorization", other_scope.as_str())];
    assert_eq!(ask("GET", "token.example.com", &other), denied(403));
    assert_eq!(ask("GET", "token.example.com", &[]), denied(401));
}

#[test]
fn grpc_routes_calls_by_service_method_and_header() {
    let daemon = Daemon::of(&Folder::sample("grpc")).echo().start();
    let host = "shop.example.com";
    let mut client = GrpcClient::connect(daemon.socket(80));
    let mut call = |path, headers: &[_]| Response::from(client.call_with(host, path, headers));
    for (path, headers, backend) in [
        ("/shop.v1.Orders/Get", &[][..], "orders"),
        (
            "/shop.v1.Orders/Get",
            &[("x-version", "next")],
            "orders-next",
        ),
        ("/shop.v1.Catalog/Search", &[], "search"),
    ] {
        let answer = call(path, headers);
        let pod = answer.header("echo-pod").expect("the pod's name");
        let service = pod.rsplitn(3, '-').nth(2);
        assert_eq!(service, Some(backend), "{path} {headers:?}");
    }
    let unmatched = call("/shop.v1.Catalog/Delete", &[]);
    assert_eq!(unmatched.status, 200);
    assert_eq!(unmatched.header("grpc-status"), Some("12"));
    let page = daemon.get(host, "/");
    assert_eq!(page.backend(), "website", "the HTTPRoute");
}

/// `./x test-image` tests this with containers and DNS. Here, `--backend` takes the place of DNS.
#[test]
fn compose_reaches_the_service_of_compose_yaml() {
    let backend = TestBackend::start("a container");
    let backend_flag = format!("default/backend={}", backend.address());
    let daemon = Daemon::of(&Folder::sample("compose"))
        .arg("--backend")
        .arg(backend_flag)
        .start();
    let host = "app.example.com";
    assert_eq!(daemon.get(host, "/app").text(), "a container");
    assert_eq!(daemon.get(host, "/").status, 404, "another path");
    let compose = repository("packaging/compose.yaml");
    let compose = fs::read_to_string(compose).expect("packaging/compose.yaml");
    for line in [
        "  backend:",
        r#"    command: ["echo", "--listen", "0.0.0.0:3000"]"#,
        "      - ../config/compose/manifests:/etc/gatefold/manifests:ro",
    ] {
        assert!(
            compose.lines().any(|found| found == line),
            "`{line}` isn't in compose.yaml"
        );
    }
}

#[test]
fn the_image_is_built_from_every_package() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).expect("Cargo.toml");
    let ignored = fs::read_to_string(repository(".dockerignore")).expect(".dockerignore");
    let members = manifest
        .lines()
        .find_map(|it| it.strip_prefix("members = "));
    let members = members.expect("the members of the workspace");
    let members = members.split('"').skip(1).step_by(2);
    let folders = members.map(|it| it.split('/').next().expect("a folder"));
    for folder in folders.chain(["src"]) {
        let line = format!("!{folder}");
        assert!(
            ignored.lines().any(|it| it == line),
            ".dockerignore must contain {line}"
        );
    }
}
