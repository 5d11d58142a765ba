use super::*;
use crate::issuer_fetch::IssuerFetchCounters;
use gatefold_manifest::ChangeHint;
use gatefold_manifest::api::NamespacedName;
use gatefold_proxy as proxy;
use std::net::Ipv4Addr;

const MANIFESTS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: c, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec: {parentRefs: [{name: edge}], hostnames: [shop.example.com]}
";

/// Two Gateways on one address, as in a container, get ports of their own.
#[tokio::test]
async fn gateways_get_ports_of_their_own_if_they_share_an_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let younger = MANIFESTS.replace("name: edge", "name: younger");
    let both = format!(
        "{MANIFESTS}---\n{}",
        younger.replace("name: shop", "name: blog")
    );
    std::fs::write(folder.path().join("edge.yaml"), both).expect("written");
    let free = std::net::TcpListener::bind("127.83.9.1:0").expect("a free port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let settings = Settings {
        roots: vec![folder.path().to_owned()],
        addresses: vec![[127, 83, 9, 1].into()],
        port_map: [(80, port)].into(),
        port_sharing: PortSharing::ByGateway,
        ..Settings::default()
    };
    let mut reload = reload(settings, Arc::default());
    reload.reload(Wake::requested()).await;
    let published = reload.published().load_full();
    let needed: Vec<(&str, u16)> = (published.listeners.iter())
        .map(|it| (&*it.gateway, it.listening.first().map_or(0, |it| it.port())))
        .collect();
    let expected = [("default/edge", port), ("default/younger", port + 1)];
    assert_eq!(needed, expected, "{:?}", published.diagnostics);
    let status = &published.statuses.gateways[&NamespacedName::new("default", "younger")];
    let message = &status.listeners[0].conditions[1].message;
    let expected = format!(
        "port 80 is served at port {} (another Gateway has that port)",
        port + 1
    );
    assert_eq!(*message, expected);
}

fn reload(
    settings: Settings,
    snapshot: Arc<ArcSwap<Snapshot>>,
) -> Reload<pingora_proxy::HttpProxy<proxy::Gatefold>> {
    let proxies = proxy::build(snapshot.clone(), &proxy::Options::default());
    let (wakes, _woken) = crate::watch::wake_channel();
    let sockets = Sockets::new(
        gatefold_listen::Workers::start(proxies).expect("threads"),
        snapshot.clone(),
        gatefold_listen::ListenOptions::default(),
    );
    let issuer_fetches = IssuerFetches::new(IssuerFetchCounters::default());
    let sources = Sources::default();
    Reload::new(settings, sources, wakes, sockets, snapshot, issuer_fetches)
}

#[tokio::test]
async fn swaps_the_snapshot_only_when_the_configuration_differs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("edge.yaml");
    std::fs::write(&file, MANIFESTS).expect("written");
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let settings = Settings {
        roots: vec![folder.path().to_owned()],
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        // The operating system chooses the port.
        port_map: [(80, 0)].into(),
        ..Settings::default()
    };
    let mut reload = reload(settings, snapshot.clone());
    reload.reload(Wake::requested()).await;
    let first = snapshot.load_full();
    assert_eq!(first.ports.len(), 1, "the listener must be served");

    std::fs::write(&file, format!("# a comment\n{MANIFESTS}")).expect("written");
    reload.reload(Wake::changed(ChangeHint::Anything)).await;
    assert_eq!(reload.published().load().generations.applied, 2);
    let after_comment = snapshot.load_full();
    assert!(
        Arc::ptr_eq(&first, &after_comment),
        "a comment must keep the snapshot"
    );

    let other = MANIFESTS.replace("shop.example.com", "other.example.com");
    std::fs::write(&file, other).expect("written");
    reload.reload(Wake::changed(ChangeHint::Anything)).await;
    let after_hostname = snapshot.load_full();
    assert!(
        !Arc::ptr_eq(&first, &after_hostname),
        "a new hostname must replace the snapshot"
    );
}
