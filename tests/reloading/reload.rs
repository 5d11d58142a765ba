//! Edits under traffic: no request fails, and no connection is cut.

use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, gateway_with, route, route_to, service};
use crate::support::tls::{Authority, secret};
use crate::support::{SetOnDrop, eventually};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const HOST: &str = "www.example.com";
const RELOADS: usize = 20;

/// Runs edits during traffic on persistent and on new connections. Returns the number of answered requests.
fn under_traffic(daemon: &Daemon, edits: impl FnOnce()) -> usize {
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut persistent = daemon.connect();
            while !stop.load(Ordering::Relaxed) {
                let answer = persistent
                    .get(HOST, "/", &[])
                    .expect("a persistent connection must not be cut");
                assert_eq!(answer.status, 200, "{}", answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let answer = daemon
                    .try_get(HOST, "/")
                    .expect("a new connection must be answered");
                assert_eq!(answer.status, 200, "{}", answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _stop = SetOnDrop(&stop);
        edits();
    });
    answered.into_inner()
}

fn two_backends() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
    ])
}

fn wait_for_backend(daemon: &Daemon, name: &str) {
    eventually(&format!("{name} answers"), || {
        (daemon.get(HOST, "/").backend() == name).then_some(())
    });
}

#[test]
fn a_route_changes_its_backend_many_times_without_a_failed_request() {
    let folder = two_backends();
    let daemon = Daemon::of(&folder).echo().start();
    let answered = under_traffic(&daemon, || {
        for turn in 0..RELOADS {
            let name = if turn % 2 == 0 { "two" } else { "one" };
            let refs = format!("        - {{name: {name}, port: 3000}}\n");
            let text = route_to("one", HOST, &refs);
            // By a rename as well as in place, as editors may do.
            if turn % 4 < 2 {
                folder.write("route.yaml", text);
            } else {
                folder.overwrite("route.yaml", text);
            }
            wait_for_backend(&daemon, name);
        }
    });
    assert!(
        answered > RELOADS,
        "only {answered} requests were made meanwhile"
    );
}

#[test]
fn endpoints_change_many_times_without_a_failed_request() {
    let folder = two_backends();
    let backends = ["first", "second"].map(|name| (name, TestBackend::start(name)));
    folder.write("slice.yaml", endpoint_slice("one", backends[0].1.address()));
    let daemon = Daemon::of(&folder).start();
    let answered = under_traffic(&daemon, || {
        for turn in 1..=RELOADS {
            let (name, backend) = &backends[turn % 2];
            folder.write("slice.yaml", endpoint_slice("one", backend.address()));
            eventually(&format!("{name} answers"), || {
                (daemon.get(HOST, "/").text() == *name).then_some(())
            });
        }
    });
    assert!(
        answered > RELOADS,
        "only {answered} requests were made meanwhile"
    );
}

#[test]
fn a_certificate_is_replaced_without_a_failed_handshake() {
    let authority = Authority::new();
    let pairs = [authority.issue(HOST), authority.issue(HOST)];
    let listeners = "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
    let folder = two_backends();
    folder.write("gateway.yaml", gateway_with(listeners));
    folder.write(
        "cert.yaml",
        secret("cert", &pairs[0].certificate, &pairs[0].key),
    );
    let daemon = Daemon::of(&folder).echo().start();
    let socket = daemon.socket(443);
    under_traffic(&daemon, || {
        let (mut kept, served) = authority.connect(socket, HOST).expect("TLS is served");
        assert_eq!(served, pairs[0].der);
        for turn in 1..=RELOADS / 2 {
            let pair = &pairs[turn % 2];
            folder.write("cert.yaml", secret("cert", &pair.certificate, &pair.key));
            eventually("the new certificate is served", || {
                let (mut client, served) = authority.connect(socket, HOST).expect("a handshake");
                let answer = client.get(HOST, "/", &[]).expect("an answer in TLS");
                assert_eq!(answer.status, 200);
                (served == pair.der).then_some(())
            });
            let answer = kept
                .get(HOST, "/", &[])
                .expect("the persistent connection must stay open");
            assert_eq!(answer.status, 200);
        }
    });
}

#[test]
fn objects_appear_and_disappear_with_their_files() {
    let folder = two_backends();
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get("two.example.com", "/").status, 404);
    folder.write("team/two/route.yaml", route("two", "two.example.com"));
    daemon.wait_for_status("two.example.com", "/", 200);
    folder.remove("team/two/route.yaml");
    daemon.wait_for_status("two.example.com", "/", 404);
    assert_eq!(daemon.get(HOST, "/").status, 200);
}

#[test]
fn a_broken_file_keeps_its_last_good_objects_and_is_reported_with_its_position() {
    let folder = two_backends();
    let daemon = Daemon::of(&folder).echo().start();
    let good = folder.read("route.yaml");
    under_traffic(&daemon, || {
        folder.write("route.yaml", good.replace("rules:", "rules: [broken"));
        let found = daemon.wait_for_diagnostic("GF0104");
        let file = found["file"].as_str().expect("a file");
        assert!(file.ends_with("route.yaml"), "{found:#}");
        assert!(
            found["line"].as_u64().is_some_and(|line| line >= 9),
            "{found:#}"
        );
        assert!(
            found["column"].as_u64().is_some_and(|column| column >= 1),
            "{found:#}"
        );
        assert_eq!(
            daemon.get(HOST, "/").backend(),
            "one",
            "the last good route"
        );
        folder.write(
            "route.yaml",
            good.replace("name: one, port", "name: two, port"),
        );
        wait_for_backend(&daemon, "two");
        daemon.wait_for_summary("no diagnostic is left", |status| {
            let all = status["diagnostics"].as_array()?;
            all.iter()
                .all(|one| one["severity"] == "info")
                .then_some(())
        });
    });
}

#[test]
fn loads_a_folder_that_is_swapped_by_a_symbolic_link() {
    let folder = Folder::new();
    for (name, text) in [
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
    ] {
        folder.write(&format!("..v1/{name}"), &text);
        folder.write(
            &format!("..v2/{name}"),
            text.replace("name: one, port", "name: two, port"),
        );
        std::os::unix::fs::symlink(format!("..data/{name}"), folder.path().join(name))
            .expect("a link");
    }
    let point = |to: &str| {
        let hidden = folder.path().join("..data_tmp");
        std::os::unix::fs::symlink(to, &hidden).expect("a link");
        std::fs::rename(&hidden, folder.path().join("..data")).expect("the link swapped");
    };
    point("..v1");
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").backend(), "one");
    point("..v2");
    wait_for_backend(&daemon, "two");
}
