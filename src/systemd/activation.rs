use gatefold_listen::Inherited;
use listenfd::ListenFd;
use socket2::SockRef;
use std::env;
use std::io;
use std::net::TcpListener;
use tracing::warn;

/// The name of the admin API's socket.
const ADMIN: &str = "admin";
/// The name of a socket that has none (sd_listen_fds(3)).
const UNKNOWN: &str = "unknown";

/// The sockets that systemd has bound for the service (systemd.socket(5)).
#[derive(Debug, Default)]
pub struct Activation {
    /// The admin API's: `FileDescriptorName=admin`.
    pub admin: Option<Inherited>,
    /// Those of listeners.
    pub listeners: Vec<Inherited>,
    /// The names of those that can't be used, and why.
    refused: Vec<(String, io::Error)>,
}

impl Activation {
    /// Takes the sockets that `LISTEN_FDS` and `LISTEN_FDNAMES` speak of, if they are for this process
    /// (`LISTEN_PID`). Call it once, before threads are started: it removes the variables, so that no child
    /// takes them to be its own.
    pub fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut activation = Activation::default();
        for index in 0..passed.len() {
            let name = match names.next() {
                None | Some("") => UNKNOWN,
                Some(name) => name,
            };
            let listener = match take(&mut passed, index) {
                Ok(listener) => listener,
                Err(error) => {
                    activation.refused.push((name.to_owned(), error));
                    continue;
                }
            };
            let inherited = Inherited {
                listener,
                activated: Some(name.to_owned()),
            };
            match name {
                ADMIN => activation.admin = Some(inherited),
                _ => activation.listeners.push(inherited),
            }
        }
        activation
    }

    /// Logs what can't be used. The log has a thread, so this comes later.
    pub fn log_refused(&self) {
        for (name, error) in &self.refused {
            warn!(name, %error, "systemd passed something that isn't used: a TCP socket that listens is needed");
        }
    }
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<TcpListener> {
    let listener = passed
        .take_tcp_listener(index)?
        .ok_or(io::ErrorKind::NotFound)?;
    if !SockRef::from(&listener).is_listener()? {
        return Err(io::Error::other("it doesn't listen"));
    }
    Ok(listener)
}
