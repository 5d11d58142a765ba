//! A measured process.

use crate::support::DEADLINE;
use crate::support::load::LoadTarget;
use crate::support::network::{free_port, own_address};
use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The number of threads that serve requests, for all servers.
pub const THREADS: usize = 2;
/// The clock rate of `/proc/PID/stat` on every Linux (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// How a server is run.
#[derive(Clone, Copy)]
pub enum Run<'a> {
    /// Like users run it.
    Plain,
    /// Under callgrind, which writes its counts to this file when the server ends.
    Callgrind(&'a Path),
}

impl Run<'_> {
    fn command(self, binary: &Path) -> Command {
        match self {
            Run::Plain => Command::new(binary),
            Run::Callgrind(output) => {
                let mut command = Command::new("valgrind");
                command
                    .args(["--tool=callgrind", "--quiet"])
                    .arg(format!("--callgrind-out-file={}", output.display()))
                    .arg(binary);
                command
            }
        }
    }
}

/// A running server. It is killed when this is dropped.
pub struct MeasuredServer {
    process: Child,
    pub target: LoadTarget,
}

impl MeasuredServer {
    /// Starts gatefold with a folder that has an HTTP listener on port 80 and an HTTPS listener on port 443.
    pub fn gatefold(
        binary: &Path,
        folder: &Path,
        mut target: LoadTarget,
        run: Run<'_>,
    ) -> anyhow::Result<Self> {
        let address = own_address();
        let port = || SocketAddr::new(address, free_port(address));
        let admin = port();
        (target.plain, target.tls) = (port(), port());
        let map = format!("80={},443={}", target.plain.port(), target.tls.port());
        let mut command = run.command(binary);
        command
            .args(["run", "--config-dir"])
            .arg(folder)
            .args(["--admin", &admin.to_string()])
            .args(["--address", &address.to_string(), "--port-map", &map])
            .args(["--threads", &THREADS.to_string()]);
        MeasuredServer::start(&mut command, target)
    }

    /// Starts one of this binary's proxies.
    pub fn own(
        kind: &str,
        folder: &Path,
        target: LoadTarget,
        run: Run<'_>,
    ) -> anyhow::Result<Self> {
        let mut command = run.command(&std::env::current_exe()?);
        command.args(["serve", kind]).arg(folder);
        MeasuredServer::start(&mut command, target)
    }

    /// Starts a server, without its output, and waits until it accepts connections without TLS.
    ///
    /// # Errors
    /// If the server ends, or does not accept in time.
    pub fn start(command: &mut Command, target: LoadTarget) -> anyhow::Result<Self> {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = quiet.spawn().context("can't start a server")?;
        let mut server = MeasuredServer { process, target };
        server.wait_for(server.target.plain)?;
        Ok(server)
    }

    /// Waits until the server accepts connections at a socket.
    ///
    /// # Errors
    /// If the server ends, or does not accept in time.
    pub fn wait_for(&mut self, socket: SocketAddr) -> anyhow::Result<()> {
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(socket).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("a server ended at once: {status}");
            }
            if Instant::now() > end {
                bail!("a server doesn't listen after {DEADLINE:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sends SIGINT and waits until the server has ended.
    ///
    /// # Errors
    /// If the server does not end in time.
    pub fn interrupt(self) -> anyhow::Result<()> {
        self.end_by("INT").map(drop)
    }

    /// Sends SIGTERM and waits until the server has ended with exit code 0.
    ///
    /// # Errors
    /// If the server does not end in time, or ends with another code.
    pub fn terminate(self) -> anyhow::Result<()> {
        let status = self.end_by("TERM")?;
        ensure!(status.success(), "a server ended with {status}");
        Ok(())
    }

    fn end_by(mut self, signal: &str) -> anyhow::Result<ExitStatus> {
        let process = self.process.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &process])
            .status()?;
        ensure!(sent.success(), "a server had ended before SIG{signal}");
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("a server doesn't end {DEADLINE:?} after SIG{signal}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The memory of the server in bytes: its proportional set size, from proc_pid_smaps(5).
    ///
    /// # Errors
    /// If the server has ended.
    pub fn memory(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let size = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes = size.and_then(|size| size.trim().strip_suffix(" kB"));
        let kilobytes: f64 = kilobytes.context("a proportional set size")?.parse()?;
        Ok(kilobytes * 1024.0)
    }

    /// The processor time that the server has used, in seconds, from proc_pid_stat(5).
    pub fn processor_time(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The second field, the command in parentheses, may contain spaces.
        let fields = text
            .rsplit_once(") ")
            .context("a command in parentheses")?
            .1;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
        let sum = ticks(11).zip(ticks(12)).context("utime and stime")?;
        Ok((sum.0 + sum.1) / TICKS_A_SECOND)
    }
}

impl Drop for MeasuredServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
