//! The daemon under a simulated systemd: sockets, notifications, and the unit file.

use crate::support::client;
use crate::support::daemon::{Daemon, Start};
use crate::support::folder::Folder;
use crate::support::manifests::{gateway_named, route, route_to, route_with_rules, service};
use crate::support::{DEADLINE, eventually, repository};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const HOST: &str = "www.example.com";

/// A socket that receives notifications as systemd does.
struct Systemd {
    socket: UnixDatagram,
    scratch: TempDir,
}

impl Systemd {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let socket = UnixDatagram::bind(scratch.path().join("notify")).expect("bound");
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        Systemd { socket, scratch }
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().join("notify")
    }

    fn start<'f>(&self, folder: &'f Folder) -> Start<'f> {
        let start = Daemon::of(folder).echo();
        start.environment("NOTIFY_SOCKET", self.path())
    }

    /// Returns the lines of the next message.
    #[track_caller]
    fn receive(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).expect("a message in time");
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a message that contains this line.
    #[track_caller]
    fn wait_for(&self, line: &str) -> Vec<String> {
        loop {
            let message = self.receive();
            if message.iter().any(|one| one == line) {
                return message;
            }
        }
    }
}

#[test]
fn notifies_systemd_of_start_reloads_and_end() {
    let (systemd, folder) = (Systemd::new(), Folder::with_route(HOST));
    let daemon = systemd.start(&folder).start();
    let ready = ["READY=1", "STATUS=1 route, 1 listener"];
    assert_eq!(systemd.receive(), ready, "the message after the start");
    daemon.signal("HUP");
    let reloading = systemd.receive();
    assert_eq!(reloading[0], "RELOADING=1");
    assert!(
        reloading[1].starts_with("MONOTONIC_USEC="),
        "the time must be in the same message: {reloading:?}"
    );
    assert_eq!(
        systemd.wait_for("READY=1"),
        ready,
        "the message after the reload"
    );
    // The Service doesn't have the port.
    let backend = "        - {name: one, port: 1}\n";
    folder.write("two.yaml", route_to("two", "two.example.com", backend));
    systemd.wait_for("STATUS=2 routes, 1 listener, 1 error");
    daemon.signal("TERM");
    systemd.wait_for("STOPPING=1");
    assert!(daemon.ended().success());
}

#[test]
fn an_upgrade_makes_the_successor_the_main_process() {
    let (systemd, folder) = (Systemd::new(), Folder::with_route(HOST));
    let daemon = systemd.start(&folder).upgradable().start();
    systemd.wait_for("READY=1");
    daemon.upgrade();
    let successor = format!("MAINPID={}", daemon.process());
    assert_eq!(
        systemd.receive(),
        [successor],
        "the first message of the successor"
    );
    systemd.wait_for("READY=1");
    daemon.wait_for_former();
}

#[test]
fn notifies_the_watchdog_as_long_as_the_daemon_runs() {
    let (systemd, folder) = (Systemd::new(), Folder::with_route(HOST));
    let daemon = systemd
        .start(&folder)
        .environment("WATCHDOG_USEC", "60000")
        .start();
    for _ in 0..3 {
        systemd.wait_for("WATCHDOG=1");
    }
    daemon.signal("STOP");
    systemd.socket.set_nonblocking(true).expect("set");
    eventually("a stopped daemon sends no notification", || {
        systemd.socket.recv(&mut [0; 64]).is_err().then_some(())
    });
    systemd.socket.set_nonblocking(false).expect("set");
    daemon.signal("CONT");
    systemd.wait_for("WATCHDOG=1");
}

#[test]
fn serves_manifests_from_credentials() {
    let (credentials, folder) = (Folder::new(), Folder::with_route(HOST));
    let daemon = Daemon::of(&folder)
        .echo()
        .environment("CREDENTIALS_DIRECTORY", credentials.path())
        .start();
    assert_eq!(daemon.get("two.example.com", "/").status, 404);
    credentials.write("gatefold.two.yaml", service("two"));
    credentials.write("gatefold.route.yaml", route("two", "two.example.com"));
    daemon.wait_for_status("two.example.com", "/", 200);
}

/// Upper bound of the exposure level of `systemd-analyze security`; 10 is the worst.
const EXPOSURE: f32 = 2.0;

/// A socket as systemd would bind it, on a port chosen by the system.
fn bound(address: &str) -> TcpListener {
    TcpListener::bind(address).expect("a free port")
}

fn address_of(socket: &TcpListener) -> SocketAddr {
    socket.local_addr().expect("its address")
}

#[test]
fn a_socket_with_the_name_of_a_listener_serves_it_at_any_address() {
    for name in ["http", "edge.http", "default.edge.http"] {
        let folder = Folder::with_route(HOST);
        let socket = bound("127.0.0.1:0");
        let address = address_of(&socket);
        let daemon = Daemon::of(&folder).echo().activated(name, socket).start();
        assert_eq!(client::get(address, HOST, "/").status, 200, "{name}");
        let listening = &daemon.admin_json("/status")["listeners"][0]["listening"];
        assert_eq!(listening, &serde_json::json!([address]), "{name}");
    }
}

/// All Gateways have port 80, and each is bound to another port.
#[test]
fn a_redirect_contains_the_port_that_its_own_gateway_binds() {
    let redirect = |name: &str, host: &str| {
        let rule = "    - filters: [{type: RequestRedirect, requestRedirect: {hostname: other.example}}]\n";
        route_with_rules(name, host, rule).replace("name: edge", &format!("name: {name}"))
    };
    let names = ["one", "two", "three"];
    let folder = Folder::new();
    for name in names {
        let host = format!("{name}.example");
        let listener =
            format!("    - {{name: http, protocol: HTTP, port: 80, hostname: {host}}}\n");
        folder.write(&format!("{name}.yaml"), gateway_named(name, &listener));
        folder.write(&format!("{name}-route.yaml"), redirect(name, &host));
    }
    let (one, two) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let mut sockets = vec![address_of(&one), address_of(&two)];
    let daemon = Daemon::of(&folder)
        .activated("one.http", one)
        .activated("two.http", two)
        .start();
    sockets.push(daemon.socket(80));
    for (name, socket) in names.into_iter().zip(sockets) {
        let host = format!("{name}.example:{}", socket.port());
        let answer = client::get(socket, &host, "/");
        let expected = format!("http://other.example:{}/", socket.port());
        assert_eq!(answer.header("location"), Some(&*expected), "{name}");
    }
}

#[test]
fn a_socket_with_the_name_admin_serves_the_admin_api() {
    let folder = Folder::with_route(HOST);
    let socket = bound("127.0.0.1:0");
    let address = address_of(&socket);
    let _daemon = Daemon::of(&folder)
        .echo()
        .activated("admin", socket)
        .admin_tcp(address)
        .arg("--admin-allow-remote")
        .start();
    assert_eq!(client::get(address, "localhost", "/readyz").status, 200);
}

#[test]
fn a_socket_for_both_address_families_serves_every_interface() {
    let folder = Folder::with_route(HOST);
    // Like a socket of `ListenStream=80`.
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.set_only_v6(false).expect("both families");
    let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    socket.bind(&everywhere.into()).expect("bound");
    socket.listen(16).expect("listening");
    let socket = TcpListener::from(socket);
    let port = address_of(&socket).port();
    let daemon = Daemon::of(&folder)
        .echo()
        .without_address()
        .mapped(80, port)
        .activated("gatefold.socket", socket)
        .upgradable()
        .start();
    let answers = || {
        for ip in [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ] {
            let address = SocketAddr::new(ip, port);
            assert_eq!(client::get(address, HOST, "/").status, 200, "{ip}");
        }
        let listener = &daemon.admin_json("/status")["listeners"][0];
        assert_eq!(listener["failed"], serde_json::json!([]), "{listener:#}");
    };
    answers();
    daemon.upgrade();
    daemon.wait_for_former();
    answers();
}

#[test]
fn an_unused_socket_stays_open_and_is_logged() {
    let folder = Folder::with_route(HOST);
    let socket = bound("127.0.0.1:0");
    let address = address_of(&socket);
    let daemon = Daemon::of(&folder)
        .echo()
        .activated("spare", socket)
        .start();
    eventually("the socket is in the log", || {
        let log = daemon.log();
        let line = log.lines().find(|line| line.contains("no listener uses"))?;
        (line.contains("spare") && line.contains(&address.to_string())).then_some(())
    });
    TcpStream::connect(address).expect("the socket is open");
    // A listener with its name appears.
    folder.replace("gateway.yaml", "name: http,", "name: spare,");
    eventually("the listener uses the socket", || {
        let answer = client::try_get(address, HOST, "/").ok()?;
        (answer.status == 200).then_some(())
    });
}

#[test]
fn the_unit_is_hardened() {
    let unit = repository("packaging/systemd/gatefold.service");
    let analyze = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output();
    let Ok(output) = analyze else {
        eprintln!("skipped: systemd-analyze isn't installed here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains("exposure level"));
    let exposure: f32 = line
        .and_then(|line| line.split(": ").nth(1)?.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("no figure in {output:?}"));
    assert!(exposure <= EXPOSURE, "{exposure} is too much:\n{text}");
}

#[test]
fn the_unit_has_no_errors() {
    let unit = repository("packaging/systemd/gatefold.service");
    let Ok(output) = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&unit)
        .output()
    else {
        eprintln!("skipped: systemd-analyze isn't installed here");
        return;
    };
    // Settings that an older systemd does not know, and files that are not installed on the test machine.
    let known = [
        "notify-reload",
        "ImportCredential",
        "/usr/bin/gatefold",
        "man gatefold",
    ];
    let text = String::from_utf8_lossy(&output.stderr);
    let about_it = text.lines().filter(|line| line.contains("gatefold"));
    let errors: Vec<&str> = about_it
        .filter(|line| !known.iter().any(|known| line.contains(known)))
        .collect();
    assert_eq!(errors, Vec::<&str>::new());
}
