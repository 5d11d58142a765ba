//! Equivalent spellings of a path: one rule matches all of them, and the backend receives the path that was matched.

use crate::support::client::Response;
use crate::support::daemon::{Daemon, check, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, service};
use crate::support::network::own_address;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

const HOST: &str = "www.example.com";
/// A host that serves only `/public`.
const PUBLIC: &str = "public.example.com";

/// Spellings of `/admin/x`.
const SPELLINGS: [&str; 13] = [
    "/admin/x",
    "/./admin/x",
    "/a/../admin/x",
    "/%61dmin/x",
    "/a/%2e%2e/admin/x",
    "/a/.%2E/admin/x",
    "/%2e/admin/x",
    "//admin/x",
    "/admin//x",
    "/public/..//admin/./x",
    "/%61%64%6D%69%6e/%78",
    "/\\admin/x",
    "/public\\..\\admin\\x",
];

/// Paths that have no normal form.
const REFUSED: [&str; 7] = [
    "/..",
    "/../admin/x",
    "/public/%2e%2e/../admin",
    "/a%00",
    "/admin/%00/../x",
    "/%zz",
    "/100%",
];

fn http_route(name: &str, hostname: &str, rules: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [{hostname}]
  rules:
{rules}"
    )
}

/// A rule that routes a path to a Service.
fn rule(kind: &str, path: &str, backend: &str) -> String {
    format!(
        "  - matches: [{{path: {{type: {kind}, value: '{path}'}}}}]
    backendRefs: [{{name: {backend}, port: 3000}}]\n"
    )
}

/// A folder with a rule for `/admin`, one for everything else, and a host that serves only `/public`.
fn folder() -> Folder {
    let rules = rule("PathPrefix", "/admin", "admin") + &rule("PathPrefix", "/", "public");
    Folder::with([
        ("gateway.yaml", gateway()),
        ("admin.yaml", service("admin")),
        ("public.yaml", service("public")),
        ("route.yaml", http_route("route", HOST, &rules)),
        (
            "alone.yaml",
            http_route("alone", PUBLIC, &rule("PathPrefix", "/public", "public")),
        ),
    ])
}

fn daemon() -> Daemon {
    Daemon::of(&folder()).echo().start()
}

/// The backend that answered, and the path that it received.
#[track_caller]
fn backend_and_path(answer: &Response) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let path = json["path"].as_str().expect("a path").to_owned();
    (answer.backend(), path)
}

/// Sends a request over HTTP/2 with prior knowledge.
fn get_over_http2(daemon: &Daemon, host: &str, path: &str) -> Response {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(daemon.socket(80)).await;
        let stream = stream.expect("a connection");
        let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let uri = format!("http://{host}{path}");
        let request = http::Request::get(uri).body(()).expect("a request");
        let (answer, _) = sender.send_request(request, true).expect("a stream");
        let (head, mut stream) = answer.await.expect("an answer").into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            body.extend_from_slice(&data.expect("a piece of the body"));
        }
        Response {
            status: head.status.as_u16(),
            headers: Vec::new(),
            body,
        }
    };
    runtime.block_on(async {
        let exchange = tokio::time::timeout(Duration::from_secs(30), exchange);
        exchange.await.expect("an answer in time")
    })
}

#[test]
fn equivalent_paths_match_one_rule_and_the_backend_receives_the_matched_path() {
    let daemon = daemon();
    for path in SPELLINGS {
        let target = format!("{path}?q=/../%61//");
        let expected = ("admin".to_owned(), "/admin/x?q=/../%61//".to_owned());
        let answer = daemon.get(HOST, &target);
        assert_eq!(backend_and_path(&answer), expected, "{path}");
        let answer = get_over_http2(&daemon, HOST, &target);
        assert_eq!(backend_and_path(&answer), expected, "{path} over HTTP/2");
        let absolute = format!("http://{HOST}{target}");
        let answer = daemon.get(HOST, &absolute);
        assert_eq!(backend_and_path(&answer), expected, "{absolute}");
    }
}

#[test]
fn a_route_for_one_path_forwards_no_other_path() {
    let daemon = daemon();
    for path in ["/public/../admin", "/public/%2e%2e/admin", "/public/..//"] {
        assert_eq!(daemon.get(PUBLIC, path).status, 404, "{path}");
        let answer = get_over_http2(&daemon, PUBLIC, path);
        assert_eq!(answer.status, 404, "{path} over HTTP/2");
    }
    let answer = daemon.get(PUBLIC, "/x/../public/./y");
    assert_eq!(backend_and_path(&answer).1, "/public/y");
}

#[test]
fn answers_400_to_a_path_without_a_normal_form() {
    let daemon = daemon();
    for path in REFUSED {
        let answer = daemon.get(HOST, path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.header("server"), Some("gatefold"), "{path}");
        let reason = answer.text();
        assert!(reason.contains("the path"), "{path}: {reason}");
        let answer = get_over_http2(&daemon, HOST, path);
        assert_eq!(answer.status, 400, "{path} over HTTP/2");
    }
    let answer = daemon.get(HOST, "/a?/../..%00%zz");
    assert_eq!(answer.status, 200, "the query must not be checked");
}

#[test]
fn a_normal_path_reaches_the_backend_unchanged() {
    let daemon = daemon();
    for path in [
        "/a%2Fb%2fc%5C..%5cd",
        "/..;/admin",
        "/...;a=b/.x/y../z.",
        "/a%20b%25c%c3%A4/",
        "/%252e%252e/admin",
        "/!$&'()*+,;=:@-._~?a=b//c/./d&e=%zz[]",
    ] {
        let expected = ("public".to_owned(), path.to_owned());
        assert_eq!(backend_and_path(&daemon.get(HOST, path)), expected);
        let answer = get_over_http2(&daemon, HOST, path);
        assert_eq!(backend_and_path(&answer), expected, "over HTTP/2");
    }
}

#[test]
fn options_for_the_server_itself_matches_no_route() {
    let daemon = daemon();
    let mut client = daemon.connect();
    let answer = client.send("OPTIONS", HOST, "*", &[], b"");
    assert_eq!(answer.expect("an answer").status, 404);
}

#[test]
fn escapes_match_in_lower_and_upper_case() {
    let rules = rule("Exact", "/caf%C3%A9", "admin")
        + &rule("RegularExpression", "/x%2F[0-9]+", "admin")
        + &rule("PathPrefix", "/", "public");
    let folder = folder();
    folder.write("route.yaml", http_route("route", HOST, &rules));
    let daemon = Daemon::of(&folder).echo().start();
    for (path, forwarded) in [
        ("/caf%c3%a9", "/caf%c3%a9"),
        ("/caf%C3%a9", "/caf%C3%a9"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/x%2f12", "/x%2f12"),
        ("/./x%2F%31", "/x%2F1"),
    ] {
        let expected = ("admin".to_owned(), forwarded.to_owned());
        assert_eq!(
            backend_and_path(&daemon.get(HOST, path)),
            expected,
            "{path}"
        );
    }
}

#[test]
fn normalises_paths_in_routes_and_in_their_filters() {
    let rewrite = |path: &str, filter: &str, field: &str| {
        let modifier = "path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}";
        rule("PathPrefix", path, "public")
            + &format!("    filters: [{{type: {filter}, {field}: {{{modifier}}}}}]\n")
    };
    let redirect = rewrite("/m%6Fved", "RequestRedirect", "requestRedirect");
    let redirect = redirect.replace("    backendRefs: [{name: public, port: 3000}]\n", "");
    let rules = rule("Exact", "/%61dmin", "admin")
        + &rewrite("/a/%2e%2e/%6Fld", "URLRewrite", "urlRewrite")
        + &redirect;
    let folder = folder();
    folder.write("route.yaml", http_route("route", HOST, &rules));
    let daemon = Daemon::of(&folder).echo().start();
    for path in ["/admin", "/%61dmin", "/./admin"] {
        let expected = ("admin".to_owned(), "/admin".to_owned());
        assert_eq!(
            backend_and_path(&daemon.get(HOST, path)),
            expected,
            "{path}"
        );
    }
    for path in ["/old/x?y", "/./%6fld//x?y", "/old/z/../x?y"] {
        let expected = ("public".to_owned(), "/new/x?y".to_owned());
        assert_eq!(
            backend_and_path(&daemon.get(HOST, path)),
            expected,
            "{path}"
        );
    }
    let answer = daemon.get(HOST, "/%6doved//evil.example/./%78?q=//");
    let expected = format!("http://{HOST}/new/evil.example/x?q=//");
    assert_eq!(answer.header("location"), Some(&*expected));
}

/// Starts a mirror that sends the request line of each request to the receiver.
fn mirror() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((own_address(), 0)).expect("a socket");
    let address = listener.local_addr().expect("its address");
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            if reader.read_line(&mut line).is_ok() && sender.send(line).is_err() {
                return;
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = reader.get_mut().write_all(answer);
        }
    });
    (address, lines)
}

#[test]
fn mirrors_and_the_access_log_use_the_matched_path() {
    let (address, lines) = mirror();
    let filter = "    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 3000}}}]\n";
    let rules = rule("PathPrefix", "/admin", "admin") + filter;
    let folder = folder();
    folder.write("mirror.yaml", service("mirror"));
    folder.write("slice.yaml", endpoint_slice("mirror", address));
    folder.write("route.yaml", http_route("route", HOST, &rules));
    let daemon = Daemon::of(&folder).echo().arg("--access-log").start();
    assert_eq!(daemon.get(HOST, "/a/../%61dmin//x?y").status, 200);
    let line = lines.recv_timeout(Duration::from_secs(30));
    assert_eq!(line.as_deref(), Ok("GET /admin/x?y HTTP/1.1\r\n"));
    eventually("the request is logged", || {
        let log = daemon.log();
        assert!(!log.contains("%61dmin"), "{log}");
        log.contains("/admin/x").then_some(())
    });
}

#[test]
fn matches_and_forwards_paths_as_sent_if_normalisation_is_off() {
    let folder = folder();
    let start = || Daemon::of(&folder).echo();
    for daemon in [
        start().arg("--path-normalization").arg("off").start(),
        start()
            .environment("GATEFOLD_PATH_NORMALIZATION", "off")
            .start(),
    ] {
        for path in SPELLINGS.iter().skip(1).chain(&REFUSED) {
            let (backend, forwarded) = backend_and_path(&daemon.get(HOST, path));
            assert_eq!(forwarded, **path);
            let is_prefix = path.starts_with("/admin/");
            assert_eq!(backend == "admin", is_prefix, "{path} went to {backend}");
            let answer = get_over_http2(&daemon, HOST, path);
            assert_eq!(backend_and_path(&answer).1, **path, "over HTTP/2");
        }
    }
    let rules = rule("Exact", "/%61dmin%2e", "admin");
    folder.write("route.yaml", http_route("route", HOST, &rules));
    let daemon = start().arg("--path-normalization").arg("off").start();
    assert_eq!(daemon.get(HOST, "/%61dmin%2e").backend(), "admin");
    for path in ["/admin.", "/%61dmin%2E"] {
        assert_eq!(daemon.get(HOST, path).status, 404, "{path}");
    }
}

#[test]
fn check_reports_how_paths_are_matched() {
    let rules = rule("PathPrefix", "/%61dmin", "admin")
        + &rule("Exact", "/%2e%2e/x", "admin")
        + &rule("RegularExpression", "/a%2fb", "admin")
        + &rule("PathPrefix", "/", "public");
    let folder = folder();
    folder.write("route.yaml", http_route("route", HOST, &rules));
    let output = check(&folder);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "`/%61dmin` is matched as `/admin`",
        "no request has the path `/%2e%2e/x`: its `..` segments lead out of the root",
        "`%2f` in `/a%2fb` matches nothing",
        "GF0527",
        "GF0510",
        "GF0528",
    ] {
        assert!(text.contains(part), "{part} isn't in\n{text}");
    }
    let mut command = gatefold();
    command.args(["check", "--path-normalization", "off"]);
    let output = command.arg(folder.path()).output().expect("check runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("is matched as"), "{text}");
}
