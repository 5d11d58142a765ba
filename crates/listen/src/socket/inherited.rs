use std::net::TcpListener;

/// A listening socket that another process has bound.
#[derive(Debug)]
pub struct Inherited {
    /// The socket.
    pub listener: TcpListener,
    /// The name that systemd gave it (`FileDescriptorName=`); nothing for a socket that a predecessor bound
    /// itself.
    pub activated: Option<String>,
}

impl From<TcpListener> for Inherited {
    /// A predecessor's own.
    fn from(listener: TcpListener) -> Self {
        Inherited {
            listener,
            activated: None,
        }
    }
}
