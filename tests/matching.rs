//! Which rule of the running daemon gets a request, and what becomes of requests for rules that are broken.

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway_with, route, service};

#[test]
fn precedence_goes_by_the_hostnames_that_routes_are_written_with() {
    for (listener, older, newer, host) in [
        (
            "*.foo.example",
            "*.example",
            "*.foo.example",
            "a.foo.example",
        ),
        (
            "abc.example.com",
            "*.example.com",
            "abc.example.com",
            "abc.example.com",
        ),
        ("*.example.com", "*.com", "*.example.com", "abc.example.com"),
        (
            "abc.example.com",
            "*.com",
            "*.example.com",
            "abc.example.com",
        ),
    ] {
        let listeners =
            format!("    - {{name: http, protocol: HTTP, port: 80, hostname: '{listener}'}}\n");
        let aged = |name: &str, hostname: &str, year: u32| {
            let text = route(name, &format!("'{hostname}'"));
            let age = format!("  name: {name}\n  creationTimestamp: {year}-01-01T00:00:00Z\n");
            text.replacen(&format!("  name: {name}\n"), &age, 1)
        };
        // A more specific path doesn't outweigh the hostname.
        let matches = "      matches: [{path: {value: /path/prefix}}]\n";
        let folder = Folder::with([
            ("gateway.yaml", gateway_with(&listeners)),
            ("older.yaml", aged("older", older, 2020) + matches),
            ("newer.yaml", aged("newer", newer, 2024)),
            (
                "services.yaml",
                service("older") + "---\n" + &service("newer"),
            ),
        ]);
        let daemon = Daemon::of(&folder).echo().start();
        let answer = daemon.get(host, "/path/prefix/longer");
        assert_eq!(answer.backend(), "newer", "{listener}: {older}, {newer}");
        folder.write(
            "newer.yaml",
            aged("newer", newer, 2024) + "      matches: [{path: {value: /other}}]\n",
        );
        crate::support::eventually("the older route gets what the newer one leaves", || {
            let answer = daemon.get(host, "/path/prefix/longer");
            (answer.backend() == "older").then_some(())
        });
    }
}
