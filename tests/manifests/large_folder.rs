//! The largest folder that one Gateway allows: 64 listeners, 1,000 HTTPRoutes, 512 certificates.

use crate::support::daemon::{Daemon, check};
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_with, route, service};
use crate::support::tls::{Authority, secret};
use std::time::{Duration, Instant};

const LISTENERS: usize = 64;
const CERTIFICATES: usize = 8;
const ROUTES: usize = 1_000;

fn host(listener: usize) -> String {
    format!("h{listener}.example.com")
}

fn folder(authority: &Authority) -> Folder {
    let mut listeners = String::new();
    let folder = Folder::new();
    for listener in 0..LISTENERS {
        let host = host(listener);
        let mut names = Vec::new();
        for certificate in 0..CERTIFICATES {
            let name = format!("cert-{listener}-{certificate}");
            let pair = authority.issue(&host);
            let text = secret(&name, &pair.certificate, &pair.key);
            folder.write(&format!("certificates/{name}.yaml"), text);
            names.push(format!("{{name: {name}}}"));
        }
        listeners.push_str(&format!(
            "    - {{name: l{listener}, protocol: HTTPS, port: 443, hostname: {host}, tls: {{certificateRefs: [{}]}}}}\n",
            names.join(", ")
        ));
    }
    for number in 0..ROUTES {
        let text = route("one", &host(number % LISTENERS))
            .replacen("name: one", &format!("name: r{number}"), 1)
            .replacen(
                "    - backendRefs:",
                &format!("    - matches: [{{path: {{value: /r{number}}}}}]\n      backendRefs:"),
                1,
            );
        folder.write(&format!("routes/r{number}.yaml"), text);
    }
    folder.write("one.yaml", service("one"));
    folder.write("gateway.yaml", gateway_with(&listeners));
    folder
}

/// A field is located by parsing its document, which is the whole list.
#[test]
fn check_reports_a_thousand_problems_of_one_list() {
    let item = |number: usize| {
        serde_json::json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": format!("r{number}")},
            "spec": {
                "parentRefs": [{"name": "missing"}],
                "rules": [{"backendRefs": [{"name": "missing", "port": 80}]}],
            },
        })
    };
    let items: Vec<_> = (0..ROUTES).map(item).collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    let folder = Folder::with([("all.json", format!("{list:#}"))]);
    let began = Instant::now();
    let output = check(&folder);
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("2000 errors"), "{}", text.len());
    // Without a common tree for the list it takes five minutes.
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn serves_64_listeners_with_1000_routes_and_512_certificates() {
    let authority = Authority::new();
    let folder = folder(&authority);
    let daemon = Daemon::of(&folder).echo().start();
    let gateway = daemon.object("gateways", "default", "edge");
    let listeners = gateway["status"]["listeners"].as_array().expect("a list");
    assert_eq!(listeners.len(), LISTENERS);
    let mut attached = 0;
    for listener in listeners {
        let programmed = condition(listener, "Programmed");
        assert_eq!(programmed["status"], "True", "{listener:#}");
        attached += listener["attachedRoutes"].as_u64().expect("a number");
    }
    assert_eq!(attached, ROUTES as u64);
    // The last route of each listener, and a route of another listener, which must not be served there.
    for number in ROUTES - LISTENERS..ROUTES {
        let host = host(number % LISTENERS);
        let connected = authority.connect(daemon.socket(443), &host);
        let (mut client, _) = connected.unwrap_or_else(|error| panic!("{host}: {error}"));
        let mut ask = |path: &str| client.get(&host, path, &[]).expect("an answer").status;
        assert_eq!(ask(&format!("/r{number}")), 200, "{host}");
        assert_eq!(ask(&format!("/r{}", number - 1)), 404, "{host}");
    }
}
