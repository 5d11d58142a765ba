//! The daemon: the real binary in a temporary folder.

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

/// A command of the binary without the environment variables of this process that affect it.
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

/// The value of a sample in the text of `/metrics`, which must exist. `name` includes the labels.
#[track_caller]
pub fn sample(metrics: &str, name: &str) -> f64 {
    let mut samples = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let sample = samples.find(|(found, _)| *found == name);
    let value = sample.and_then(|(_, value)| value.parse().ok());
    value.unwrap_or_else(|| panic!("no sample {name} in\n{metrics}"))
}

/// Runs `gatefold check` on a folder.
pub fn check(folder: &Folder) -> Output {
    check_with(folder, &[])
}

/// Runs `gatefold check` on a folder with further arguments.
pub fn check_with(folder: &Folder, arguments: &[&str]) -> Output {
    gatefold()
        .arg("check")
        .arg(folder.path())
        .args(arguments)
        .output()
        .expect("gatefold check runs")
}

/// A running daemon. It is killed when this is dropped; if the test fails, its log is printed.
pub struct Daemon {
    processes: Mutex<Processes>,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    address: IpAddr,
    ports: BTreeMap<u16, u16>,
    admin: AdminEndpoint,
    scratch: TempDir,
    /// Whether the test expects the daemon to end.
    may_end: bool,
}

/// The current and the former processes of a daemon.
struct Processes {
    /// The process that serves.
    current: Child,
    /// The replaced processes, which finish their requests.
    former: Vec<Child>,
}

/// The address of the admin API.
enum AdminEndpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl AdminEndpoint {
    fn argument(&self) -> String {
        match self {
            AdminEndpoint::Tcp(address) => address.to_string(),
            AdminEndpoint::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    fn send(&self, method: &str, path: &str) -> io::Result<Response> {
        match self {
            AdminEndpoint::Tcp(address) => {
                Client::connect(*address)?.send(method, "admin", path, &[], b"")
            }
            AdminEndpoint::Unix(socket) => {
                Client::over(UnixStream::connect(socket)?).send(method, "admin", path, &[], b"")
            }
        }
    }
}

/// A process that is killed when this is dropped.
pub struct KilledOnDrop(pub Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal to a process, such as `TERM` or `HUP`.
#[track_caller]
pub fn signal(process: &str, name: &str) {
    let mut kill = Command::new("sh");
    kill.args(["-c", &format!("kill -{name} {process}")]);
    assert!(
        kill.status().is_ok_and(|status| status.success()),
        "can't send SIG{name}"
    );
}

impl Daemon {
    /// Waits until the current process answers at the admin API and is ready.
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

    /// The exit status, if the current process has ended.
    fn state(&self) -> Option<ExitStatus> {
        let ended = self.processes().current.try_wait();
        ended.expect("the daemon's state")
    }

    fn spawn(&self, arguments: &[OsString]) -> Child {
        let mut command = gatefold();
        command.stderr(start::log_file(self.scratch.path()));
        start::spawn(command, arguments, &self.environment, self.scratch.path())
    }

    /// The address of its Gateways.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The socket to which a port of the manifests is bound.
    #[track_caller]
    pub fn socket(&self, port: u16) -> SocketAddr {
        let mapped = self.ports.get(&port).copied().expect("a mapped port");
        SocketAddr::new(self.address, mapped)
    }

    /// Sends a request to port 80 on a new connection.
    #[track_caller]
    pub fn get(&self, host: &str, path: &str) -> Response {
        client::get(self.socket(80), host, path)
    }

    /// The same, for requests that may fail, for example while listeners change.
    pub fn try_get(&self, host: &str, path: &str) -> std::io::Result<Response> {
        client::try_get(self.socket(80), host, path)
    }

    /// Opens a persistent connection to port 80.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.socket(80)).expect("a connection")
    }

    /// Waits until a request to port 80 is answered with this status.
    #[track_caller]
    pub fn wait_for_status(&self, host: &str, path: &str, status: u16) -> Response {
        eventually(&format!("{host}{path} answers {status}"), || {
            self.try_get(host, path)
                .ok()
                .filter(|answer| answer.status == status)
        })
    }

    /// The address of the admin API in the format of `--admin`.
    pub fn admin_address(&self) -> String {
        self.admin.argument()
    }

    /// Sends a `GET` to the admin API.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Response {
        self.admin_send("GET", path)
    }

    /// Sends a request to the admin API.
    #[track_caller]
    pub fn admin_send(&self, method: &str, path: &str) -> Response {
        let answer = self.admin.send(method, path);
        answer.unwrap_or_else(|error| panic!("{method} {path} of the admin API: {error}"))
    }

    /// Sends a `GET` to the admin API, which must answer 200 with JSON.
    #[track_caller]
    pub fn admin_json(&self, path: &str) -> Value {
        let response = self.admin(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// The value of a sample in `/metrics`, which must exist. `name` includes the labels.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        sample(&self.admin("/metrics").text(), name)
    }

    /// Returns an object of the Gateway API with its status.
    #[track_caller]
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Value {
        let object = self.try_object(resource, namespace, name);
        object.unwrap_or_else(|| panic!("there is no {namespace}/{name} among {resource}"))
    }

    /// The same; `None` if the object does not exist.
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

    /// Waits until `found` returns a value for `/status`.
    #[track_caller]
    pub fn wait_for_summary<T>(&self, what: &str, found: impl Fn(&Value) -> Option<T>) -> T {
        eventually(what, || found(&self.admin_json("/status")))
    }

    /// Waits for a diagnostic with this code in `/status`.
    #[track_caller]
    pub fn wait_for_diagnostic(&self, code: &str) -> Value {
        self.wait_for_summary(&format!("a diagnostic {code}"), |status| {
            let all = status["diagnostics"].as_array()?;
            all.iter().find(|one| one["code"] == code).cloned()
        })
    }

    /// Sends a signal to the daemon, such as `TERM` or `HUP`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        signal(&self.process().to_string(), name);
    }

    /// The working directory of the daemon.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Waits until the daemon has ended by itself, for example after a signal.
    #[track_caller]
    pub fn ended(mut self) -> ExitStatus {
        let status = eventually("the daemon has ended", || self.state());
        self.may_end = true;
        status
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The resident memory in MiB.
    pub fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.process());
        let text = fs::read_to_string(path).expect("the process's figures");
        let line = text.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse::<usize>().ok())
            .expect("VmRSS in kB")
            / 1024
    }

    /// The processor time that the daemon has used.
    pub fn processor_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.process());
        let text = fs::read_to_string(path).expect("the process's figures");
        // The fields from the third one on (proc(5)). The name before them may contain spaces.
        let (_, fields) = text.rsplit_once(')').expect("the name's end");
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<u64>().expect("a number");
        // In hundredths of a second on every Linux.
        Duration::from_millis((ticks(14) + ticks(15)) * 10)
    }

    fn log_path(&self) -> PathBuf {
        Path::join(self.scratch.path(), "log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Poisoned only if a test has failed.
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
