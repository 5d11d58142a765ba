//! Notifications to the service manager (sd_notify(3)).

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

/// Upper bound on the wait for systemd to accept a message that must not be lost.
const MAIN_PROCESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends notifications to the service manager, if it asks for them (`Type=notify`, `Type=notify-reload`).
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// Whether another process is the service's main process. systemd rejects messages of this one then.
    replaced: AtomicBool,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`. The latter applies to the process that systemd has started
    /// (`WATCHDOG_PID`) and to a `successor` that replaces it.
    pub fn from_environment(successor: bool) -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else {
            return Notifier::default();
        };
        let socket = address(&name).and_then(|address| Ok((unbound()?, address)));
        match socket {
            Ok(socket) => Notifier {
                socket: Some(socket),
                watchdog: watchdog(successor),
                replaced: AtomicBool::new(false),
            },
            Err(error) => {
                let socket = name.display();
                warn!(%socket, %error, "can't send notifications to systemd");
                Notifier::default()
            }
        }
    }

    /// Returns a notifier with a watchdog, as systemd would ask for it.
    #[cfg(test)]
    pub(super) fn watched(socket: &std::path::Path, period: Duration) -> Self {
        let address = SocketAddr::from_pathname(socket).expect("an address");
        Notifier {
            socket: Some((unbound().expect("a socket"), address)),
            watchdog: Some(period),
            replaced: AtomicBool::new(false),
        }
    }

    /// The period of systemd's watchdog; `None` if there is none. systemd ends the process if [`alive`](Self::alive) isn't
    /// called within it.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Reports that the configuration is applied: after the start, and after each [`reloading`](Self::reloading).
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// Reports that a reload begins that SIGHUP asked for. With `Type=notify-reload` systemd uses the time to assign the
    /// message to its request, so both are in one message.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// Sets the text that `systemctl status` shows.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", line(status)));
    }

    /// Reports that no new connections are accepted and that requests in flight finish.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Finishing requests");
    }

    /// Makes another process the service's main process. Only the current main process can do this, and it is the last
    /// message that it sends. Blocks while systemd is busy, for 5 seconds at most.
    ///
    /// # Errors
    ///
    /// If the message can't be sent. systemd would then take the end of this process for the end of the service.
    pub fn main_process(&self, process: i32) -> io::Result<()> {
        let Some((_, address)) = &self.socket else {
            return Ok(());
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(MAIN_PROCESS_TIMEOUT))?;
        socket.send_to_addr(format!("MAINPID={process}").as_bytes(), address)?;
        self.replaced.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the watchdog that the process isn't stuck.
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
            warn!(%error, "can't notify systemd: {}", message.replace('\n', " "));
        }
    }
}

/// Creates the socket that sends. Notifications must never block the service.
fn unbound() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Parses a path, or a name in the abstract namespace after `@`.
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

/// Removes line ends, since each would begin another assignment.
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
    fn sends_one_message_to_a_socket_in_the_abstract_namespace() {
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
    fn waits_for_a_busy_systemd_to_accept_the_main_process() {
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
            let sent = scope.spawn(|| notifier.main_process(7));
            let mut message = [0; 16];
            for _ in 0..waiting {
                assert_eq!(systemd.recv(&mut message).expect("a message"), 4);
            }
            sent.join().expect("no panic").expect("sent");
            let length = systemd.recv(&mut message).expect("a message");
            assert_eq!(&message[..length], b"MAINPID=7");
        });
        notifier.alive();
        systemd.set_nonblocking(true).expect("nonblocking");
        systemd
            .recv(&mut [0; 16])
            .expect_err("the main process was the last message");
    }

    #[test]
    fn keeps_notifying_if_the_main_process_cannot_be_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let address = SocketAddr::from_pathname(&path).expect("an address");
        let notifier = notifier(address);
        notifier.main_process(7).expect_err("no socket exists");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        notifier.alive();
        let mut message = [0; 16];
        let length = systemd.recv(&mut message).expect("a message");
        assert_eq!(
            &message[..length],
            b"WATCHDOG=1",
            "this process is still the main process"
        );
    }

    #[test]
    fn missing_socket_is_harmless() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        notifier(SocketAddr::from_pathname(&path).expect("an address")).alive();
    }
}
