//! Starting a daemon.

use super::{AdminEndpoint, Daemon, Processes, gatefold};
use crate::support::folder::Folder;
use crate::support::network::{free_port, own_address};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// The settings for starting a daemon.
pub struct Start<'a> {
    folder: &'a Folder,
    address: IpAddr,
    ports: BTreeMap<u16, u16>,
    extra: Vec<String>,
    environment: Vec<(String, OsString)>,
    activation: Vec<(String, TcpListener)>,
    /// Shell commands that set limits.
    limits: String,
    output: Option<OwnedFd>,
    own_network: bool,
    upgradable: bool,
    admin: Option<AdminEndpoint>,
}

impl Daemon {
    /// Prepares a daemon for a folder on a new address, with ports 80 and 443 mapped to free ports.
    pub fn of(folder: &Folder) -> Start<'_> {
        let address = own_address();
        let start = Start {
            folder,
            address,
            ports: BTreeMap::new(),
            extra: Vec::new(),
            environment: Vec::new(),
            activation: Vec::new(),
            limits: String::new(),
            output: None,
            own_network: true,
            upgradable: false,
            admin: None,
        };
        start.port(80).port(443)
    }
}

impl Start<'_> {
    /// Maps another port of the manifests to a free port.
    pub fn port(mut self, port: u16) -> Self {
        let own = self.unused_port();
        self.ports.insert(port, own);
        self
    }

    /// Returns a free port that is not mapped yet. The system may return the same port again until it is bound.
    fn unused_port(&self) -> u16 {
        let mut port = free_port(self.address);
        while self.ports.values().any(|taken| *taken == port) {
            port = free_port(self.address);
        }
        port
    }

    /// Maps a port of the manifests to a given port.
    pub fn mapped(mut self, port: u16, to: u16) -> Self {
        self.ports.insert(port, to);
        self
    }

    /// Sets the address of the admin API.
    pub fn admin_tcp(mut self, address: SocketAddr) -> Self {
        self.admin = Some(AdminEndpoint::Tcp(address));
        self
    }

    /// Enables the built-in backend for Services without endpoints.
    pub fn echo(self) -> Self {
        self.arg("--echo")
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.extra.push(argument.into());
        self
    }

    /// Omits `--address`, for tests that set the addresses of Gateways themselves.
    pub fn without_address(mut self) -> Self {
        self.own_network = false;
        self
    }

    /// Sets an environment variable.
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Passes a listening socket with this name, like systemd's socket activation. At most two.
    pub fn activated(mut self, name: &str, socket: TcpListener) -> Self {
        self.activation.push((name.to_owned(), socket));
        self
    }

    /// Allows [`Daemon::upgrade`] to replace the process.
    pub fn upgradable(mut self) -> Self {
        self.upgradable = true;
        self
    }

    /// Limits the number of file descriptors.
    pub fn descriptors(mut self, count: usize) -> Self {
        self.limits.push_str(&format!("ulimit -n {count};"));
        self
    }

    /// Limits the size of written files, in blocks of 512 bytes.
    pub fn file_size(mut self, blocks: usize) -> Self {
        self.limits.push_str(&format!("ulimit -f {blocks};"));
        self
    }

    /// Sets standard output and standard error, like `> FILE 2>&1`. [`Daemon::log`] is then empty.
    pub fn output(mut self, output: impl Into<OwnedFd>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// Starts the daemon with the admin API on a Unix socket.
    #[track_caller]
    pub fn admin_at(mut self, path: &Path) -> Daemon {
        self.admin = Some(AdminEndpoint::Unix(path.to_owned()));
        self.start()
    }

    /// Starts the daemon and waits until the first load is in force.
    #[track_caller]
    pub fn start(mut self) -> Daemon {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let unused = self.unused_port();
        let admin = AdminEndpoint::Tcp(SocketAddr::new(self.address, unused));
        let admin = self.admin.take().unwrap_or(admin);
        let arguments = self.arguments(&admin);
        let mut command = match (self.activation.is_empty(), self.limits.is_empty()) {
            (true, true) => gatefold(),
            (true, false) => through_shell(&self.limits, ""),
            (false, _) => activated(self.activation),
        };
        match self.output {
            Some(output) => {
                command.stdout(output.try_clone().expect("a duplicate of the output"));
                command.stderr(output);
            }
            None => _ = command.stderr(log_file(scratch.path())),
        }
        let current = spawn(command, &arguments, &self.environment, scratch.path());
        let daemon = Daemon {
            processes: Mutex::new(Processes {
                current,
                former: Vec::new(),
            }),
            arguments,
            environment: self.environment,
            address: self.address,
            ports: self.ports,
            admin,
            scratch,
            may_end: false,
        };
        daemon.wait_until_ready();
        daemon
    }

    fn arguments(&self, admin: &AdminEndpoint) -> Vec<OsString> {
        let map: Vec<_> = self.ports.iter().map(|(a, b)| format!("{a}={b}")).collect();
        let mut arguments: Vec<OsString> = ["run", "--config-dir"].map(OsString::from).into();
        arguments.push(self.folder.path().into());
        let mut flag = |name: &str, value: String| {
            arguments.extend([OsString::from(name), OsString::from(value)]);
        };
        flag("--admin", admin.argument());
        flag("--port-map", map.join(","));
        if self.own_network {
            flag("--address", self.address.to_string());
        }
        if self.upgradable {
            flag("--upgrade-socket", "upgrade/socket".to_owned());
        }
        arguments.extend(self.extra.iter().map(OsString::from));
        arguments
    }
}

/// A command of the binary with sockets as systemd passes them: from descriptor 3 on. A shell moves them there, because the
/// standard library passes only the first three descriptors to a child.
fn activated(sockets: Vec<(String, TcpListener)>) -> Command {
    let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
    let variables = format!(
        "LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={}",
        names.len(),
        names.join(":")
    );
    let mut command = through_shell(&variables, "3<&0 4<&1 0</dev/null 1>&2");
    let mut sockets = sockets.into_iter().map(|(_, socket)| OwnedFd::from(socket));
    command.stdin(sockets.next().expect("one socket"));
    if let Some(second) = sockets.next() {
        command.stdout(second);
    }
    command
}

/// A command of the binary that a shell executes after some commands and with some redirections.
fn through_shell(before: &str, redirections: &str) -> Command {
    let mut command = Command::new("sh");
    let line = format!("{before} exec \"$@\" {redirections}");
    command.args(["-c", &line, "sh"]);
    command.arg(gatefold().get_program()).stdin(Stdio::null());
    for (name, _) in gatefold().get_envs() {
        command.env_remove(name);
    }
    command
}

/// Opens the file `log` in a folder for appending.
pub(super) fn log_file(scratch: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(scratch.join("log"))
        .expect("the log file")
}

/// Starts the binary in a working directory.
pub(super) fn spawn(
    mut command: Command,
    arguments: &[OsString],
    environment: &[(String, OsString)],
    scratch: &Path,
) -> Child {
    command
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(scratch);
    command.spawn().expect("the daemon starts")
}
