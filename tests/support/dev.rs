//! `gatefold dev` in a copy of a repository, and the curl lines that it prints.

use super::daemon::{KilledOnDrop, gatefold};
use super::network::{free_port, own_address, own_pool};
use super::{client, eventually, repository};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The beginning of the line after a complete table of what can be asked.
const END_OF_TABLE: &str = "ready: ";

/// A copy of a repository of `tests/fixtures/repositories`, as `git clone` would make it.
pub struct ClonedRepository {
    root: TempDir,
}

impl ClonedRepository {
    /// Copies a repository, and marks its root with `.git`.
    #[track_caller]
    pub fn of(name: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let from = repository("tests/fixtures/repositories").join(name);
        copy_folder(&from, root.path());
        fs::create_dir(root.path().join(".git")).expect("the folder .git");
        fs::write(root.path().join(".git/HEAD"), "ref: refs/heads/main\n").expect("the file HEAD");
        ClonedRepository { root }
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Replaces text in a file, which must contain it.
    #[track_caller]
    pub fn replace(&self, name: &str, old: &str, new: &str) {
        let path = self.path().join(name);
        let text = fs::read_to_string(&path).expect("the file's text");
        assert!(text.contains(old), "{name} has no {old:?}");
        fs::write(path, text.replace(old, new)).expect("the file written");
    }

    /// Runs `gatefold check --dev .` at the root.
    pub fn check(&self, flags: &[&str]) -> Output {
        let mut command = gatefold();
        command.args(["check", "--dev", "."]).args(flags);
        command.current_dir(self.path());
        command.output().expect("gatefold check runs")
    }

    /// Starts `gatefold dev .` at the root.
    #[track_caller]
    pub fn dev(&self, flags: &[&str]) -> Dev {
        self.start(gatefold(), flags)
    }

    /// The same, in a process that may not bind privileged ports.
    #[track_caller]
    pub fn dev_without_privileges(&self, flags: &[&str]) -> Dev {
        let gatefold = gatefold();
        if !rustix::process::geteuid().is_root() {
            return self.start(gatefold, flags);
        }
        let mut command = Command::new("setpriv");
        command.stdin(Stdio::null());
        command
            .arg("--bounding-set=-net_bind_service")
            .arg(gatefold.get_program());
        for (name, value) in gatefold.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.start(command, flags)
    }

    #[track_caller]
    fn start(&self, mut command: Command, flags: &[&str]) -> Dev {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let ip = own_address();
        let admin = SocketAddr::new(ip, free_port(ip));
        let file = |name: &str| fs::File::create(scratch.path().join(name)).expect("a file");
        command.args(["dev", "."]).args(flags);
        command.args(["--admin", &admin.to_string()]);
        command.args(["--address-pool", &own_pool()]);
        command.arg("--state-dir").arg(scratch.path().join("state"));
        command.current_dir(self.path());
        command.stdout(file("output")).stderr(file("log"));
        let process = command.spawn().expect("gatefold dev starts");
        Dev {
            process: KilledOnDrop(process),
            admin,
            scratch,
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            fs::create_dir(&copy).expect("a folder");
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, &copy).expect("a copy of the file");
        }
    }
}

/// A running `gatefold dev`. It is killed when this is dropped; if the test fails, its output and log are printed.
pub struct Dev {
    process: KilledOnDrop,
    admin: SocketAddr,
    scratch: TempDir,
}

impl Dev {
    /// What it has printed on standard output.
    pub fn output(&self) -> String {
        fs::read_to_string(self.scratch.path().join("output")).unwrap_or_default()
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }

    /// Waits for a complete table, and returns the curl lines of the last one.
    #[track_caller]
    pub fn curl_lines(&mut self) -> Vec<CurlLine> {
        let table = eventually("a complete table is printed", || {
            let ended = self.process.0.try_wait().expect("its state");
            assert!(
                ended.is_none(),
                "gatefold dev ended: {ended:?}\n{}",
                self.log()
            );
            last_table(&self.output())
        });
        let lines = table.lines().filter(|line| line.starts_with("  curl "));
        lines.map(CurlLine::parse).collect()
    }

    /// The objects of a resource of the Gateway API, such as `httproutes`, as `NAMESPACE/NAME`, in order.
    #[track_caller]
    pub fn names(&self, resource: &str) -> Vec<String> {
        let path = format!("/apis/gateway.networking.k8s.io/v1/{resource}");
        let list = client::get(self.admin, "admin", &path).json();
        let items = list["items"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let name = |it: &Value| {
            let meta = &it["metadata"];
            format!("{}/{}", text(&meta["namespace"]), text(&meta["name"]))
        };
        let mut names: Vec<_> = items.map(name).collect();
        names.sort();
        names
    }

    /// Runs a curl line in a shell, as printed, in a folder that isn't the repository. Returns curl's message if it fails.
    #[track_caller]
    pub fn run(&self, line: &CurlLine) -> Result<CurlAnswer, String> {
        let folder = tempfile::tempdir_in(self.scratch.path()).expect("a temporary folder");
        let settings = "silent\nshow-error\nmax-time = 20\noutput = body\ndump-header = headers\n\
                        write-out = \"%{http_code}\"\n";
        fs::write(folder.path().join(".curlrc"), settings).expect("the file .curlrc");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line.text]).stdin(Stdio::null());
        shell.current_dir(folder.path());
        shell.env("CURL_HOME", folder.path());
        for name in [
            "http_proxy",
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            shell.env_remove(name);
        }
        let output = shell.output().expect("sh runs");
        let error = String::from_utf8_lossy(&output.stderr);
        let found = output.status.code() != Some(127);
        assert!(found, "the tests need curl, see README.md: {error}");
        if !output.status.success() {
            return Err(format!("{}: {error}", output.status));
        }
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap_or_default();
        let printed = String::from_utf8_lossy(&output.stdout);
        let status = printed.parse();
        Ok(CurlAnswer {
            status: status.map_err(|_| format!("curl printed {printed:?}"))?,
            headers: String::from_utf8_lossy(&read("headers")).to_lowercase(),
            body: read("body"),
        })
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- output:\n{}\n--- log:\n{}", self.output(), self.log());
        }
    }
}

/// The text of the last complete table: the lines between two ends of tables, or from the beginning.
fn last_table(output: &str) -> Option<String> {
    let lines: Vec<_> = output.lines().collect();
    let ends: Vec<_> = (0..lines.len())
        .filter(|at| lines[*at].starts_with(END_OF_TABLE))
        .collect();
    let (end, before) = ends.split_last()?;
    let begin = before.last().map_or(0, |at| at + 1);
    Some(lines[begin..*end].join("\n"))
}

/// A curl command that `gatefold dev` printed.
#[derive(Clone, Debug)]
pub struct CurlLine {
    /// The command, without the spaces before it.
    pub text: String,
    /// Its URL, without the port if that is the scheme's own.
    pub url: String,
}

impl CurlLine {
    #[track_caller]
    fn parse(line: &str) -> Self {
        let words = line.split_whitespace();
        let mut urls = words
            .map(|word| word.trim_matches(['\'', '"']))
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"));
        let url = urls.next().unwrap_or_else(|| panic!("no URL in {line}"));
        assert_eq!(urls.next(), None, "one URL in {line}");
        let (scheme, rest) = url.split_once("://").expect("a scheme");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let own = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.strip_suffix(own).unwrap_or(authority);
        CurlLine {
            text: line.trim_start().to_owned(),
            url: format!("{scheme}://{authority}/{path}"),
        }
    }
}

/// The answer to a curl command.
#[derive(Debug)]
pub struct CurlAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields and trailers, in lower case.
    headers: String,
    body: Vec<u8>,
}

impl CurlAnswer {
    /// The value of a header field or a trailer, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.lines().filter_map(|it| it.split_once(':'));
        let field = fields.find(|(found, _)| *found == name);
        field.map(|(_, value)| value.trim())
    }

    /// The Service that answered, as `NAMESPACE/NAME`. `None` if no echo backend answered. It is in the JSON of the answer, or in the
    /// metadata of a call's.
    pub fn service(&self) -> Option<String> {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let identity = |key: &str| {
            json[key]
                .as_str()
                .or_else(|| self.header(&format!("echo-{key}")))
        };
        // The name of a Pod is that of the Service with two suffixes.
        let service = identity("pod")?.rsplitn(3, '-').nth(2)?;
        Some(format!("{}/{service}", identity("namespace")?))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
