use super::*;
use gatefold_manifest::ChangeHint;
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

#[tokio::test]
async fn swaps_the_snapshot_only_when_the_configuration_differs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("edge.yaml");
    std::fs::write(&file, MANIFESTS).expect("written");
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let proxies = proxy::build(snapshot.clone(), &proxy::Options::default());
    let settings = Settings {
        roots: vec![folder.path().to_owned()],
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        // The operating system chooses the port.
        port_map: [(80, 0)].into(),
        ..Settings::default()
    };
    let (wakes, _woken) = crate::watch::wake_channel();
    let sockets = Sockets::new(
        gatefold_listen::Workers::start(proxies).expect("threads"),
        snapshot.clone(),
        gatefold_listen::ListenOptions::default(),
    );
    let mut reload = Reload::new(
        settings,
        Sources::default(),
        wakes,
        sockets,
        snapshot.clone(),
    );
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
