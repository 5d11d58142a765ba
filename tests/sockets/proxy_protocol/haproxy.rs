//! HAProxy in front of gatefold.

use super::{HOST, forwarded_for, site};
use crate::support::client::Client;
use crate::support::daemon::{Daemon, KilledOnDrop};
use crate::support::eventually;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn haproxy_names_its_clients() {
    let Some(haproxy) = haproxy() else {
        return;
    };
    let (folder, daemon) = site("proxyProtocol: {}");
    let ports = [free(&daemon), free(&daemon)];
    let backend = daemon.socket(80);
    let configuration = format!(
        "defaults
  mode tcp
  timeout connect 10s
  timeout client 30s
  timeout server 30s
listen one
  bind {one}
  server gatefold {backend} send-proxy
listen two
  bind {two}
  server gatefold {backend} send-proxy-v2
",
        one = ports[0],
        two = ports[1],
    );
    folder.write("haproxy.cfg", configuration);
    let _haproxy = start_haproxy(haproxy, folder.path());
    for port in ports {
        let mut client = eventually("HAProxy accepts", || Client::connect(port).ok());
        let own = client.stream().local_addr().expect("an address").ip();
        let answer = client.get(HOST, "/", &[]).expect("an answer");
        assert_eq!(forwarded_for(&answer), own.to_string());
    }
}

fn free(daemon: &Daemon) -> SocketAddr {
    let ip = daemon.address();
    SocketAddr::new(ip, crate::support::network::free_port(ip))
}

/// The program, if it is installed.
fn haproxy() -> Option<&'static str> {
    let found = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];
    let found = found.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        eprintln!("HAProxy isn't installed, so this test does nothing");
    }
    found
}

fn start_haproxy(program: &str, folder: &Path) -> KilledOnDrop {
    let mut command = Command::new(program);
    command
        .args(["-db", "-f", "haproxy.cfg"])
        .current_dir(folder);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    KilledOnDrop(child.expect("HAProxy runs"))
}
