//! The echo backends of `run --echo`.

use super::{Echo, EchoOptions, Identity, OwnPaths, pod_name};
use gatefold_manifest::api::NamespacedName;
use rustls::sign::CertifiedKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// How long an echo backend continues after it is no longer wanted, since requests that use the previous snapshot may
/// still reach it.
const LINGER: Duration = Duration::from_secs(10);

/// The built-in echo backends of `run --echo`: one for each port of each Service without endpoints, on loopback ports
/// chosen by the system. Dropping it ends the wanted ones at once, and the others within [`LINGER`].
#[derive(Debug, Default)]
pub struct EchoServices {
    running: BTreeMap<(NamespacedName, u16), RunningEcho>,
}

#[derive(Debug)]
struct RunningEcho {
    address: SocketAddr,
    /// `None` in plain text.
    certificate: Option<Arc<CertifiedKey>>,
    task: AbortHandle,
}

impl RunningEcho {
    /// Whether it presents this certificate, or none.
    fn presents(&self, certificate: Option<&Arc<CertifiedKey>>) -> bool {
        match (&self.certificate, certificate) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl Drop for RunningEcho {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EchoServices {
    /// Starts the missing backends of `wanted`, which contains Service, port, and the certificate of those that are in TLS. A backend
    /// whose certificate has changed is replaced. A backend that can't be started is logged and skipped.
    pub async fn start(
        &mut self,
        wanted: &BTreeMap<(NamespacedName, u16), Option<Arc<CertifiedKey>>>,
    ) {
        for (key, certificate) in wanted {
            let running = self.running.get(key);
            if running.is_some_and(|running| running.presents(certificate.as_ref())) {
                continue;
            }
            match start(key, certificate.clone()).await {
                Ok(started) => {
                    let replaced = self.running.insert(key.clone(), started);
                    end_later(replaced);
                }
                Err(error) => {
                    tracing::error!(service = %key.0, %error, "can't start a built-in echo backend");
                }
            }
        }
    }

    /// Ends the backends that are not in `wanted` after ten seconds. Call it within a Tokio runtime, when the snapshot in
    /// force no longer uses them.
    pub fn retain(&mut self, wanted: &BTreeSet<(NamespacedName, u16)>) {
        let running = std::mem::take(&mut self.running);
        let (kept, ending) = running
            .into_iter()
            .partition(|(key, _)| wanted.contains(key));
        self.running = kept;
        let ending: BTreeMap<(NamespacedName, u16), RunningEcho> = ending;
        end_later(ending.into_values());
    }

    /// The addresses of the running backends.
    pub fn addresses(&self) -> impl Iterator<Item = (&(NamespacedName, u16), SocketAddr)> {
        self.running.iter().map(|(key, echo)| (key, echo.address))
    }
}

/// Ends backends after [`LINGER`].
fn end_later(ending: impl IntoIterator<Item = RunningEcho>) {
    let ending: Vec<RunningEcho> = ending.into_iter().collect();
    if !ending.is_empty() {
        tokio::spawn(async move {
            tokio::time::sleep(LINGER).await;
            drop(ending);
        });
    }
}

async fn start(
    (service, port): &(NamespacedName, u16),
    certificate: Option<Arc<CertifiedKey>>,
) -> std::io::Result<RunningEcho> {
    let identity = Identity {
        namespace: service.namespace.to_string(),
        pod: pod_name(service),
        ..Identity::default()
    };
    let options = EchoOptions {
        http_port: Some(*port),
        own_paths: OwnPaths::Echoed,
        certificate: certificate.clone(),
    };
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let echo = Echo::bind(any_port, identity, options).await?;
    let address = echo.local_addr()?;
    let task = tokio::spawn(echo.serve()).abort_handle();
    Ok(RunningEcho {
        address,
        certificate,
        task,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn get(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream
            .write_all(b"GET /get HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
            .await
            .expect("a request sent");
        let mut response = String::new();
        stream
            .read_to_string(&mut response)
            .await
            .expect("a response");
        response
    }

    #[tokio::test]
    async fn a_backend_answers_while_wanted_and_a_little_longer() {
        let key = (NamespacedName::new("default", "backend"), 3000);
        let mut services = EchoServices::default();
        services.start(&[(key.clone(), None)].into()).await;
        let (_, address) = services.addresses().next().expect("one echo backend");
        let response = get(address).await;
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        let pod = format!("\n \"pod\": \"{}\"\n}}", pod_name(&key.0));
        assert!(response.ends_with(&pod), "{response}");
        assert!(response.contains("\"httpPort\": \"3000\""), "{response}");

        services.start(&[(key.clone(), None)].into()).await;
        let addresses: Vec<_> = services.addresses().map(|(_, address)| address).collect();
        assert_eq!(addresses, [address], "a running backend is kept");

        services.retain(&BTreeSet::new());
        assert_eq!(services.addresses().count(), 0);
        let response = get(address).await;
        assert!(
            response.starts_with("HTTP/1.1 200 OK"),
            "a request that uses the previous snapshot is still answered: {response}"
        );
        tokio::time::pause();
        tokio::time::advance(LINGER).await;
        tokio::time::resume();
        let gone = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .expect("the port is closed");
    }
}
