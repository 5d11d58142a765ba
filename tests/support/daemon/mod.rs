//! The real binary.

mod start;
mod upgrade;

pub use start::Start;

use super::client::{self, Client, Response};
use super::eventually;
use super::folder::Folder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
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
        let mut command = gatefold();
        command.stderr(start::log_file(self.scratch.path()));
        start::spawn(command, arguments, &self.environment, self.scratch.path())
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
        let object = self.try_object(resource, namespace, name);
        object.unwrap_or_else(|| panic!("there is no {namespace}/{name} among {resource}"))
    }

    /// The same; nothing while it isn't there.
    #[track_caller]
    pub fn try_object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let answer = self.admin(&format!(
            "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/{resource}/{name}"
        ));
        match answer.status {
            404 => None,
            status => {
                assert_eq!(status, 200, "{}", answer.text());
                Some(answer.json())
            }
        }
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
