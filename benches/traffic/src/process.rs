//! A measured process.

use crate::support::DEADLINE;
use crate::support::load::LoadTarget;
use crate::support::network::{free_port, own_address};
use crate::usage::{self, ProcessorTime};
use anyhow::{Context as _, bail, ensure};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The number of threads that serve requests, for all servers that aren't limited to one core.
pub const THREADS: usize = 2;
/// Time limit of the start of a server. It includes the load of tens of thousands of routes.
const START: Duration = Duration::from_secs(300);
/// Time limit of the end of a server with worker processes.
const STOP: Duration = Duration::from_secs(2);

/// How a server is run.
#[derive(Clone, Copy)]
pub enum Run<'a> {
    /// Like users run it.
    Plain,
    /// Under callgrind, which writes its counts to this file when the server ends.
    Callgrind(&'a Path),
    /// With one thread, on this core only.
    OneCore(usize),
}

impl Run<'_> {
    /// The number of threads that serve requests.
    pub fn threads(self) -> usize {
        match self {
            Run::Plain | Run::Callgrind(_) => THREADS,
            Run::OneCore(_) => 1,
        }
    }

    /// The command that runs a binary in this way.
    pub fn command(self, binary: &Path) -> Command {
        match self {
            Run::Plain => Command::new(binary),
            Run::OneCore(core) => {
                // taskset is replaced by the binary, so that the process stays the same.
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(binary);
                command
            }
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
    /// Where the server accepts HTTP/2 without TLS; most servers detect it on the plain port.
    pub http2: SocketAddr,
    pub admin: Option<SocketAddr>,
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
            .args(["--threads", &run.threads().to_string()]);
        let mut server = MeasuredServer::spawn(&mut command, target)?;
        server.admin = Some(admin);
        server.wait_for(server.target.plain)?;
        Ok(server)
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
        let mut server = MeasuredServer::spawn(&mut command, target)?;
        server.wait_for(server.target.plain)?;
        Ok(server)
    }

    /// Starts a server with a command. Its output is discarded.
    ///
    /// # Errors
    /// If the command can't be started.
    pub fn spawn(command: &mut Command, target: LoadTarget) -> anyhow::Result<Self> {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = quiet.spawn().context("can't start a server")?;
        Ok(MeasuredServer {
            process,
            http2: target.plain,
            target,
            admin: None,
        })
    }

    /// Waits until the server accepts connections at a socket.
    ///
    /// # Errors
    /// If the server ends, or does not accept in time.
    pub fn wait_for(&mut self, socket: SocketAddr) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        while TcpStream::connect(socket).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("a server ended at once: {status}");
            }
            if Instant::now() > end {
                bail!("a server doesn't listen after {START:?}");
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

    /// The processor time that the server and its child processes have used so far.
    pub fn processor_time(&self) -> anyhow::Result<ProcessorTime> {
        ProcessorTime::of(self.process.id())
    }

    /// The processor time of the server since its start, in seconds, including threads that have ended.
    pub fn processor_seconds(&self) -> anyhow::Result<f64> {
        usage::seconds(self.process.id())
    }

    /// The memory of the server and its child processes, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        usage::memory(self.process.id())
    }
}

impl Drop for MeasuredServer {
    fn drop(&mut self) {
        let process = self.process.id();
        let workers = usage::tree(process).into_iter().skip(1);
        let workers: Vec<_> = workers.map(|worker| worker.to_string()).collect();
        // Workers outlive a main process that is killed, but a main process that is asked to end stops them.
        if !workers.is_empty() {
            let _ = Command::new("kill").arg(process.to_string()).status();
            let end = Instant::now() + STOP;
            while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if let Ok(None) = self.process.try_wait() {
            let _ = self.process.kill();
            let _ = self.process.wait();
            if !workers.is_empty() {
                let _ = Command::new("kill").arg("-KILL").args(workers).status();
            }
        }
    }
}
