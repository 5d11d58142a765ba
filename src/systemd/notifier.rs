use rustix::time::{ClockId, clock_gettime};
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::warn;

/// How long systemd may take for what it must be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// The service manager, if it wants to be told how the process does (`Type=notify`, `Type=notify-reload`).
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// Another process is the service: systemd would complain of what this one says.
    replaced: AtomicBool,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`. The latter is for the process that systemd has started
    /// (`WATCHDOG_PID`), and for a `successor` that takes its place.
    pub fn from_environment(successor: bool) -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else {
            return Notifier::default();
        };
        let socket = address(&name).and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            // Telling how one does must never be why one does badly.
            socket.set_nonblocking(true)?;
            Ok((socket, address))
        });
        match socket {
            Ok(socket) => Notifier {
                socket: Some(socket),
                watchdog: watchdog(successor),
                replaced: AtomicBool::new(false),
            },
            Err(error) => {
                let socket = name.display();
                warn!(%socket, %error, "systemd can't be told anything");
                Notifier::default()
            }
        }
    }

    /// Whether anybody wants to be told.
    pub fn is_wanted(&self) -> bool {
        self.socket.is_some()
    }

    /// How often [`alive`](Self::alive) must be said at least, or the process is ended; never when absent.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The configuration is in force: after the start, and after each [`reloading`](Self::reloading).
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// A reload begins that was asked for by SIGHUP. With `Type=notify-reload` systemd tells by the time which
    /// request it answers, so both go in one message.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// What `systemctl status` shows.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", line(status)));
    }

    /// No new connections are accepted; requests that are under way may finish.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Finishing requests");
    }

    /// Another process is the service from now on. Only the one that was before may say so, and it is the last
    /// that it says. Blocks while systemd is busy, for 5 seconds at most.
    ///
    /// # Errors
    ///
    /// When systemd can't be told. It would take the end of this process for that of the service then.
    pub fn main_process(&self, process: i32) -> io::Result<()> {
        let Some((_, address)) = &self.socket else {
            return Ok(());
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.send_to_addr(format!("MAINPID={process}").as_bytes(), address)?;
        self.replaced.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The process isn't stuck.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        if self.replaced.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            warn!(%error, "systemd couldn't be told: {}", message.replace('\n', " "));
        }
    }
}

/// A path, or a name in the abstract namespace after `@`.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

fn watchdog(successor: bool) -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let process = number("WATCHDOG_PID");
    let ours = process.is_none_or(|process| process == u64::from(std::process::id()));
    let period = number("WATCHDOG_USEC").filter(|period| *period > 0)?;
    (ours || successor).then(|| Duration::from_micros(period))
}

/// A line end would begin another assignment.
fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(address: SocketAddr) -> Notifier {
        Notifier {
            socket: Some((UnixDatagram::unbound().expect("a socket"), address)),
            watchdog: None,
            replaced: AtomicBool::new(false),
        }
    }

    #[test]
    fn a_socket_in_the_abstract_namespace_is_told_in_one_message() {
        let name = format!("@gatefold-{}", std::process::id());
        let address = address(OsStr::new(&name)).expect("an address");
        let systemd = UnixDatagram::bind_addr(&address).expect("bound");
        notifier(address).ready("1 route\n2 listeners");
        let mut message = [0; 128];
        let length = systemd.recv(&mut message).expect("a message");
        let text = String::from_utf8_lossy(&message[..length]);
        assert_eq!(text, "READY=1\nSTATUS=1 route 2 listeners");
    }

    #[test]
    fn a_busy_systemd_is_waited_for_when_it_must_be_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        let address = SocketAddr::from_pathname(&path).expect("an address");
        let other = UnixDatagram::unbound().expect("a socket");
        other.set_nonblocking(true).expect("nonblocking");
        let mut waiting = 0;
        while other.send_to_addr(b"busy", &address).is_ok() {
            waiting += 1;
        }
        let notifier = notifier(address);
        std::thread::scope(|scope| {
            let told = scope.spawn(|| notifier.main_process(7));
            let mut message = [0; 16];
            for _ in 0..waiting {
                assert_eq!(systemd.recv(&mut message).expect("a message"), 4);
            }
            told.join().expect("no panic").expect("told");
            let length = systemd.recv(&mut message).expect("a message");
            assert_eq!(&message[..length], b"MAINPID=7");
        });
        notifier.alive();
        systemd.set_nonblocking(true).expect("nonblocking");
        systemd.recv(&mut [0; 16]).expect_err("it was the last");
    }

    #[test]
    fn who_can_not_be_told_of_a_successor_is_told_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let address = SocketAddr::from_pathname(&path).expect("an address");
        let notifier = notifier(address);
        notifier.main_process(7).expect_err("nobody is there");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        notifier.alive();
        let mut message = [0; 16];
        let length = systemd.recv(&mut message).expect("a message");
        assert_eq!(&message[..length], b"WATCHDOG=1", "this one is the service");
    }

    #[test]
    fn who_listens_no_longer_does_no_harm() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        notifier(SocketAddr::from_pathname(&path).expect("an address")).alive();
    }
}
