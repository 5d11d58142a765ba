//! Redirects and rewrites: encoded characters, queries and ports.

use crate::support::client;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway_with, route, route_with_rules, service};

const HOST: &str = "www.example.com";

const LISTENERS: &str = "    - {name: http, protocol: HTTP, port: 80}
    - {name: second, protocol: HTTP, port: 8080}\n";

/// Starts a daemon with one rule for the prefix `/old` with these filters, and optionally a backend.
fn daemon(filters: &str, backend: bool) -> (Folder, Daemon) {
    let rule = format!("      matches: [{{path: {{value: /old}}}}]\n      filters:\n{filters}");
    let text = if backend {
        route("one", HOST) + &rule
    } else {
        let rule = format!("    - {}", rule.trim_start());
        route_with_rules("one", HOST, &rule)
    };
    let folder = Folder::with([
        ("gateway.yaml", gateway_with(LISTENERS)),
        ("route.yaml", text),
        ("one.yaml", service("one")),
    ]);
    let daemon = Daemon::of(&folder).port(8080).echo().start();
    (folder, daemon)
}

fn redirect(fields: &str) -> String {
    format!("        - {{type: RequestRedirect, requestRedirect: {{{fields}}}}}\n")
}

fn rewrite(fields: &str) -> String {
    format!("        - {{type: URLRewrite, urlRewrite: {{{fields}}}}}\n")
}

#[track_caller]
fn location(daemon: &Daemon, host: &str, path: &str) -> (u16, String) {
    let answer = client::get(daemon.socket(80), host, path);
    let location = answer.header("location").expect("a Location").to_owned();
    (answer.status, location)
}

#[test]
fn a_redirect_keeps_encoded_characters_and_the_query() {
    let filters = redirect(
        "scheme: https, statusCode: 301, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}",
    );
    let (_folder, daemon) = daemon(&filters, false);
    assert_eq!(
        location(&daemon, HOST, "/old/a%2Fb%20c/?d=%26&e=/old"),
        (301, format!("https://{HOST}/new/a%2Fb%20c/?d=%26&e=/old"))
    );
    assert_eq!(daemon.get(HOST, "/older").status, 404, "another path");
}

#[test]
fn a_redirect_contains_the_port_of_the_listener_or_of_the_host_header() {
    let (_folder, daemon) = daemon(&redirect("hostname: new.example.com"), false);
    // As behind another port mapping: a client that names no port means port 80.
    let (status, without) = location(&daemon, HOST, "/old");
    assert_eq!(
        (status, &*without),
        (302, "http://new.example.com/old"),
        "the default port must be omitted"
    );
    let second = daemon.socket(8080);
    let answer = client::get(second, HOST, "/old");
    assert_eq!(
        answer.header("location"),
        Some("http://new.example.com:8080/old"),
        "the redirect must contain the listener's port, not the bound one"
    );
    // A client on the same machine names the bound port, and can only connect to that.
    let named = format!("{HOST}:{}", second.port());
    let answer = client::get(second, &named, "/old");
    let expected = format!("http://new.example.com:{}/old", second.port());
    assert_eq!(answer.header("location"), Some(&*expected));
}

#[test]
fn response_filters_of_the_rule_apply_to_its_redirect() {
    let filters = redirect("scheme: https")
        + "        - type: ResponseHeaderModifier
          responseHeaderModifier: {set: [{name: cache-control, value: no-store}]}\n";
    let (_folder, daemon) = daemon(&filters, false);
    let answer = daemon.get(HOST, "/old");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_rewrite_changes_only_host_and_path() {
    let filters = rewrite(
        "hostname: api.internal, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}",
    );
    let (_folder, daemon) = daemon(&filters, true);
    let answer = daemon.get(HOST, "/old/a%2Fb?c=%26/old").json();
    assert_eq!(answer["path"], "/new/a%2Fb?c=%26/old", "{answer:#}");
    assert_eq!(answer["host"], "api.internal", "{answer:#}");
    let forwarded = &answer["headers"]["X-Forwarded-Host"][0];
    assert_eq!(
        forwarded, HOST,
        "X-Forwarded-Host must be the original host: {answer:#}"
    );
}

#[test]
fn a_rewrite_replaces_the_whole_path() {
    let filters = rewrite("path: {type: ReplaceFullPath, replaceFullPath: /one}");
    let (_folder, daemon) = daemon(&filters, true);
    let answer = daemon.get(HOST, "/old/a?b=c").json();
    assert_eq!(answer["path"], "/one?b=c", "{answer:#}");
    assert_eq!(answer["host"], HOST, "{answer:#}");
}
