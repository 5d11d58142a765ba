//! The real binary.

use super::client::{self, Client, Response};
use super::eventually;
use super::folder::Folder;
use super::network::{free_port, own_address};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

/// A command of the binary, with nothing of this environment's `GATEFOLD_...` in force.
pub fn gatefold() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatefold"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GATEFOLD_") {
            command.env_remove(name);
        }
    }
    for name in ["RUST_LOG", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs `gatefold check` on a folder.
pub fn check(folder: &Folder) -> Output {
    gatefold()
        .arg("check")
        .arg(folder.path())
        .output()
        .expect("gatefold check runs")
}

/// How a daemon is started.
pub struct Start<'a> {
    folder: &'a Folder,
    address: IpAddr,
    ports: BTreeMap<u16, u16>,
    extra: Vec<String>,
    environment: Vec<(String, OsString)>,
    activation: Vec<(String, TcpListener)>,
    descriptors: Option<usize>,
    own_network: bool,
    upgradable: bool,
    admin: Option<Admin>,
}

/// A running daemon. It ends with the test; when the test fails, its log is shown.
pub struct Daemon {
    processes: Mutex<Processes>,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    address: IpAddr,
    ports: BTreeMap<u16, u16>,
    admin: Admin,
    scratch: TempDir,
    /// Whether a test let it end.
    may_end: bool,
}

/// The processes that a daemon has been.
struct Processes {
    /// The one that serves.
    current: Child,
    /// Those that were replaced and finish their requests.
    former: Vec<Child>,
}

/// Where the admin API is.
enum Admin {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Admin {
    fn argument(&self) -> String {
        match self {
            Admin::Tcp(address) => address.to_string(),
            Admin::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    fn send(&self, method: &str, path: &str) -> io::Result<Response> {
        match self {
            Admin::Tcp(address) => Client::connect(*address)?.send(method, "admin", path, &[], b""),
            Admin::Unix(socket) => {
                Client::over(UnixStream::connect(socket)?).send(method, "admin", path, &[], b"")
            }
        }
    }
}

impl Daemon {
    /// A daemon for a folder, on an address of its own, ports 80 and 443 mapped to free ones.
    pub fn of(folder: &Folder) -> Start<'_> {
        let address = own_address();
        let start = Start {
            folder,
            address,
            ports: BTreeMap::new(),
            extra: Vec::new(),
            environment: Vec::new(),
            activation: Vec::new(),
            descriptors: None,
            own_network: true,
            upgradable: false,
            admin: None,
        };
        start.port(80).port(443)
    }
}

impl Start<'_> {
    /// Maps one more port of the manifests to a free one.
    pub fn port(mut self, port: u16) -> Self {
        let free = || free_port(self.address);
        // The system may name a port again that nobody has bound yet.
        let mut own = free();
        while self.ports.values().any(|taken| *taken == own) {
            own = free();
        }
        self.ports.insert(port, own);
        self
    }

    /// Maps a port of the manifests to this one.
    pub fn mapped(mut self, port: u16, to: u16) -> Self {
        self.ports.insert(port, to);
        self
    }

    /// Says where the admin API is, and so what `--admin` is.
    pub fn admin_tcp(mut self, address: SocketAddr) -> Self {
        self.admin = Some(Admin::Tcp(address));
        self
    }

    /// Answers for Services without endpoints from the built-in backend.
    pub fn echo(self) -> Self {
        self.arg("--echo")
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.extra.push(argument.into());
        self
    }

    /// Gives no `--address`: the test says itself where Gateways listen.
    pub fn without_address(mut self) -> Self {
        self.own_network = false;
        self
    }

    /// An environment variable.
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Hands a listening socket over, with this name, as systemd's socket activation does. Two at most.
    pub fn activated(mut self, name: &str, socket: TcpListener) -> Self {
        self.activation.push((name.to_owned(), socket));
        self
    }

    /// Lets [`Daemon::upgrade`] replace the process.
    pub fn upgradable(mut self) -> Self {
        self.upgradable = true;
        self
    }

    /// Gives it so many file descriptors at most.
    pub fn descriptors(mut self, count: usize) -> Self {
        self.descriptors = Some(count);
        self
    }

    /// Puts the admin API at a Unix socket, and starts it.
    #[track_caller]
    pub fn admin_at(mut self, path: &Path) -> Daemon {
        self.admin = Some(Admin::Unix(path.to_owned()));
        self.start()
    }

    /// Starts it and waits until the first load is applied.
    #[track_caller]
    pub fn start(self) -> Daemon {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let admin = self
            .admin
            .unwrap_or_else(|| Admin::Tcp(SocketAddr::new(self.address, free_port(self.address))));
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
        arguments.extend(self.extra.into_iter().map(OsString::from));
        let command = match (self.activation.is_empty(), self.descriptors) {
            (true, None) => gatefold(),
            (true, Some(count)) => through_shell(&format!("ulimit -n {count};"), ""),
            (false, _) => activated(self.activation),
        };
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
}

/// A command of the binary that finds sockets as systemd passes them: from number 3 on. A shell puts them
/// there, since the standard library gives a child no other descriptors than the first three.
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

/// A command of the binary that a shell becomes, after some commands and with some redirections.
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

/// Sends a process a signal: `TERM`, `HUP`.
#[track_caller]
pub fn signal(process: &str, name: &str) {
    let mut kill = Command::new("sh");
    kill.args(["-c", &format!("kill -{name} {process}")]);
    assert!(
        kill.status().is_ok_and(|status| status.success()),
        "SIG{name} isn't sent"
    );
}

/// Starts the binary; what it writes goes to the end of `log` in the folder.
fn spawn(
    mut command: Command,
    arguments: &[OsString],
    environment: &[(String, OsString)],
    scratch: &Path,
) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(scratch.join("log"))
        .expect("the log file");
    command
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(scratch)
        .stderr(log);
    command.spawn().expect("the daemon starts")
}

impl Daemon {
    /// Waits until the process that serves is ready: the admin API tells which one answers.
    #[track_caller]
    fn wait_until_ready(&self) {
        let process = self.process();
        eventually("the daemon is ready", || {
            if let Some(status) = self.state() {
                panic!("the daemon ended at once: {status}\n{}", self.log());
            }
            let status = self.admin.send("GET", "/status").ok()?;
            let answers = status.status == 200 && status.json()["pid"] == process;
            let ready = self.admin.send("GET", "/readyz").ok()?;
            (answers && ready.status == 200).then_some(())
        });
    }

    /// The id of the process that serves.
    pub fn process(&self) -> u32 {
        self.processes().current.id()
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().expect("no test panicked with it")
    }

    /// How it has ended, if it has.
    fn state(&self) -> Option<ExitStatus> {
        let ended = self.processes().current.try_wait();
        ended.expect("the daemon's state")
    }

    fn spawn(&self, arguments: &[OsString]) -> Child {
        spawn(
            gatefold(),
            arguments,
            &self.environment,
            self.scratch.path(),
        )
    }

    /// Starts another process that takes the sockets over, and waits until it answers alone. The former one
    /// may still finish its requests.
    #[track_caller]
    pub fn upgrade(&self) {
        self.replace_by(self.start_successor());
        self.wait_until_ready();
    }

    /// Starts another process that tries to take over.
    pub fn start_successor(&self) -> Child {
        self.spawn(&self.arguments)
    }

    /// Waits until one of two processes has ended, and takes the other for the daemon from then on.
    #[track_caller]
    pub fn wait_for_one_to_fail(&self, [mut one, mut other]: [Child; 2]) -> ExitStatus {
        let (failed, new) = eventually("one of two successors has ended", || {
            if let Some(status) = one.try_wait().expect("its state") {
                return Some((status, true));
            }
            let status = other.try_wait().expect("its state")?;
            Some((status, false))
        });
        let new = if new { other } else { one };
        self.replace_by(new);
        self.wait_until_ready();
        failed
    }

    fn replace_by(&self, new: Child) {
        let mut processes = self.processes();
        let old = std::mem::replace(&mut processes.current, new);
        processes.former.push(old);
    }

    /// Waits until a process that was killed is gone, and starts another one.
    #[track_caller]
    pub fn restart(&self) {
        eventually("the daemon is dead", || self.state());
        self.processes().current = self.spawn(&self.arguments);
        self.wait_until_ready();
    }

    /// Starts another process with another value of a flag, which must end by itself, and waits for that.
    #[track_caller]
    pub fn upgrade_in_vain(&self, [flag, value]: [&str; 2]) -> ExitStatus {
        let mut arguments = self.arguments.clone();
        match arguments.iter().position(|argument| argument == flag) {
            Some(at) => arguments[at + 1] = value.into(),
            None => arguments.extend([flag.into(), value.into()]),
        }
        let mut new = self.spawn(&arguments);
        eventually("the new process has ended", || {
            new.try_wait().expect("the new process's state")
        })
    }

    /// Waits until all former processes have ended, which they must without a failure.
    #[track_caller]
    pub fn wait_for_former(&self) {
        eventually("former processes have ended", || {
            let mut processes = self.processes();
            processes.former.retain_mut(|former| {
                let ended = former.try_wait().expect("its state");
                assert!(
                    ended.is_none_or(|status| status.success()),
                    "a former process failed: {ended:?}"
                );
                ended.is_none()
            });
            processes.former.is_empty().then_some(())
        });
    }

    /// The address its Gateways listen on.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Where a port of the manifests is bound.
    #[track_caller]
    pub fn socket(&self, port: u16) -> SocketAddr {
        let mapped = self.ports.get(&port).copied().expect("a mapped port");
        SocketAddr::new(self.address, mapped)
    }

    /// A request to port 80 on a connection of its own.
    #[track_caller]
    pub fn get(&self, host: &str, path: &str) -> Response {
        client::get(self.socket(80), host, path)
    }

    /// A request to port 80 that may fail, as it may while listeners come and go.
    pub fn try_get(&self, host: &str, path: &str) -> std::io::Result<Response> {
        client::try_get(self.socket(80), host, path)
    }

    /// A connection to port 80 that is kept alive.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.socket(80)).expect("a connection")
    }

    /// Waits until a request to port 80 gives this status.
    #[track_caller]
    pub fn wait_for_status(&self, host: &str, path: &str, status: u16) -> Response {
        eventually(&format!("{host}{path} answers {status}"), || {
            self.try_get(host, path)
                .ok()
                .filter(|answer| answer.status == status)
        })
    }

    /// Where the admin API is, as `--admin` takes it.
    pub fn admin_address(&self) -> String {
        self.admin.argument()
    }

    /// A `GET` of the admin API.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Response {
        self.admin_send("GET", path)
    }

    /// Any request to the admin API.
    #[track_caller]
    pub fn admin_send(&self, method: &str, path: &str) -> Response {
        let answer = self.admin.send(method, path);
        answer.unwrap_or_else(|error| panic!("{method} {path} of the admin API: {error}"))
    }

    /// A `GET` of the admin API that must answer 200 with JSON.
    #[track_caller]
    pub fn admin_json(&self, path: &str) -> Value {
        let response = self.admin(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// An object of the Gateway API with its status.
    #[track_caller]
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Value {
        self.admin_json(&format!(
            "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/{resource}/{name}"
        ))
    }

    /// Waits until the summary at `/status` has something.
    #[track_caller]
    pub fn wait_for_summary<T>(&self, what: &str, found: impl Fn(&Value) -> Option<T>) -> T {
        eventually(what, || found(&self.admin_json("/status")))
    }

    /// Waits for a diagnostic of this code in `/status`.
    #[track_caller]
    pub fn wait_for_diagnostic(&self, code: &str) -> Value {
        self.wait_for_summary(&format!("a diagnostic {code}"), |status| {
            let all = status["diagnostics"].as_array()?;
            all.iter().find(|one| one["code"] == code).cloned()
        })
    }

    /// Sends it a signal: `TERM`, `HUP`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        signal(&self.process().to_string(), name);
    }

    /// The folder that it runs in.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Waits until it has ended by itself, as after a signal.
    #[track_caller]
    pub fn ended(mut self) -> ExitStatus {
        let status = eventually("the daemon has ended", || self.state());
        self.may_end = true;
        status
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its resident memory in MiB.
    pub fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.process());
        let text = fs::read_to_string(path).expect("the process's figures");
        let line = text.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse::<usize>().ok())
            .expect("VmRSS in kB")
            / 1024
    }

    /// How much time processors have spent on it.
    pub fn processor_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.process());
        let text = fs::read_to_string(path).expect("the process's figures");
        // After the name, which may have spaces: the fields from the third one on (proc(5)).
        let (_, fields) = text.rsplit_once(')').expect("the name's end");
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<u64>().expect("a number");
        // In hundredths of a second on every Linux that there is.
        Duration::from_millis((ticks(14) + ticks(15)) * 10)
    }

    fn log_path(&self) -> PathBuf {
        Path::join(self.scratch.path(), "log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Poisoned only when a test has failed.
        let processes = self
            .processes
            .get_mut()
            .unwrap_or_else(|it| it.into_inner());
        let ended = processes.current.try_wait().ok().flatten();
        for process in processes.former.iter_mut().chain([&mut processes.current]) {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log:\n{}", self.log());
        }
        if let Some(status) = ended
            && !self.may_end
            && !std::thread::panicking()
        {
            panic!("the daemon ended by itself: {status}\n{}", self.log());
        }
    }
}
