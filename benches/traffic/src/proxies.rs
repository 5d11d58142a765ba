//! Proxies for comparison: a minimal proxy under Pingora's own `Service`, and the same under gatefold's sockets.

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use gatefold_compile::compile;
use gatefold_dataplane::Snapshot;
use gatefold_graph::{Environment, build};
use gatefold_listen::{ActiveRequest, ListenOptions, Sockets, Workers};
use gatefold_manifest::Loader;
use pingora_core::Result;
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::listening::Service;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{HttpProxy, ProxyHttp, Session, http_proxy};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum number of idle connections to the backend, as in gatefold.
const IDLE_UPSTREAM: usize = 1024;

/// The settings of a proxy, stored in files of a folder.
pub struct ProxySettings {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    pub backend: SocketAddr,
    /// The number of threads that serve requests.
    pub threads: usize,
    /// The folder with `cert.pem`, `key.pem` and gatefold's manifests.
    pub folder: PathBuf,
}

impl ProxySettings {
    /// Writes the settings for [`serve`].
    pub fn write(&self) -> anyhow::Result<()> {
        let addresses = format!("{}\n{}\n{}\n", self.plain, self.tls, self.backend);
        let text = format!("{addresses}{}\n", self.threads);
        Ok(fs::write(self.folder.join("settings"), text)?)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(folder.join("settings"))?;
        let mut lines = text.lines();
        let mut next = || lines.next().context("three addresses and a number");
        Ok(ProxySettings {
            plain: next()?.parse()?,
            tls: next()?.parse()?,
            backend: next()?.parse()?,
            threads: next()?.parse()?,
            folder: folder.to_owned(),
        })
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// Runs a proxy until the process is killed.
pub fn serve(kind: &str, folder: &Path) -> anyhow::Result<()> {
    let settings = ProxySettings::read(folder)?;
    match kind {
        "pingora" => under_pingora(&settings),
        "sockets" => under_sockets(&settings),
        _ => bail!("there is no proxy {kind:?}"),
    }
}

/// Forwards all requests to one backend.
struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    /// Under gatefold's sockets, a context must hold the active request.
    type CTX = Option<ActiveRequest>;

    fn new_ctx(&self) -> Option<ActiveRequest> {
        None
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        request: &mut Option<ActiveRequest>,
    ) -> Result<bool> {
        // Under Pingora's own service there is none.
        let _ = ActiveRequest::begin(session.digest(), request);
        Ok(false)
    }

    async fn upstream_peer(
        &self,
        _: &mut Session,
        _: &mut Option<ActiveRequest>,
    ) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

fn bare(settings: &ProxySettings) -> HttpProxy<Bare> {
    let conf = ServerConf {
        threads: settings.threads,
        upstream_keepalive_pool_size: IDLE_UPSTREAM,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), Bare(settings.backend));
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    proxy.server_options = Some(options);
    proxy
}

/// Runs the proxy as in Pingora's guide.
fn under_pingora(settings: &ProxySettings) -> anyhow::Result<()> {
    let conf = ServerConf {
        threads: settings.threads,
        upstream_keepalive_pool_size: IDLE_UPSTREAM,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = Service::new("bare".to_owned(), bare(settings));
    service.add_tcp(&settings.plain.to_string());
    let mut tls = TlsSettings::intermediate(&settings.file("cert.pem"), &settings.file("key.pem"))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    tls.enable_h2();
    service.add_tls_with_settings(&settings.tls.to_string(), None, tls);
    server.add_service(service);
    server.run_forever()
}

/// Runs the same proxy with connections accepted by gatefold.
fn under_sockets(settings: &ProxySettings) -> anyhow::Result<()> {
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot(settings)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut sockets = Sockets::new(
            Workers::start((0..settings.threads).map(|_| Arc::new(bare(settings))))?,
            snapshot.clone(),
            ListenOptions::default(),
        );
        sockets.prepare(snapshot.load().ports.keys().copied());
        let failures = sockets.commit().await;
        if !failures.is_empty() {
            bail!("{failures:?}");
        }
        std::future::pending().await
    })
}

/// The snapshot of the manifests, for the sockets and certificates.
fn snapshot(settings: &ProxySettings) -> Snapshot {
    let loaded = Loader::new([settings.folder.clone()]).load();
    let address = settings.plain.ip();
    let ports = [(80, settings.plain.port()), (443, settings.tls.port())];
    let environment = Environment {
        addresses: vec![address],
        reachable: vec![address],
        port_map: BTreeMap::from(ports),
        ..Environment::default()
    };
    compile(&build(&loaded.resources, &environment))
}
