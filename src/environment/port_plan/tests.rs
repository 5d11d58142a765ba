//! Ports by Gateway.

use super::*;
use gatefold_manifest::Loader;

/// Gateways by name, with their ports and the time of their creation.
const SHOP: (&str, &[u16], &str) = ("shop", &[80, 443], "2026-01-02T00:00:00Z");
const OLD: (&str, &[u16], &str) = ("old", &[80], "2026-01-01T00:00:00Z");
const NEXT: (&str, &[u16], &str) = ("next", &[81], "2026-01-03T00:00:00Z");

fn manifests(gateways: &[(&str, &[u16], &str)]) -> String {
    let one = |(name, ports, created): &(&str, &[u16], &str)| {
        let listener = |port: &u16| format!("{{name: p{port}, port: {port}, protocol: HTTP}}");
        let listeners: Vec<String> = ports.iter().map(listener).collect();
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
             metadata: {{name: {name}, creationTimestamp: \"{created}\"}}\n\
             spec: {{gatewayClassName: c, listeners: [{}]}}\n",
            listeners.join(", ")
        )
    };
    gateways.iter().map(one).collect::<Vec<_>>().join("---\n")
}

fn load(text: String) -> Resources {
    let loaded = Loader::from_text("gateways.yaml", text);
    assert_eq!(loaded.diagnostics, [], "the Gateways must load");
    loaded.resources
}

fn assign(plan: &mut PortPlan, resources: &Resources, port_map: &[(u16, u16)]) -> Vec<String> {
    let port_map = port_map.iter().copied().collect();
    let ports = plan.assign(resources, &port_map, None);
    let shown = ports.iter();
    let shown = shown.map(|((gateway, port), bound)| format!("{} {port}={bound}", gateway.name));
    shown.collect()
}

#[test]
fn the_oldest_gateway_keeps_a_port_and_the_others_get_the_next_free_one() {
    let resources = load(manifests(&[SHOP, OLD, NEXT]));
    let ports = assign(&mut PortPlan::default(), &resources, &[]);
    assert_eq!(
        ports,
        ["next 81=81", "old 80=80", "shop 80=82", "shop 443=443"],
        "81 belongs to the Gateway that asks for it"
    );
}

#[test]
fn counts_up_from_the_mapped_port() {
    let resources = load(manifests(&[SHOP, OLD]));
    let map = [(80, 8080), (443, 8443)];
    let ports = assign(&mut PortPlan::default(), &resources, &map);
    assert_eq!(ports, ["old 80=8080", "shop 80=8081", "shop 443=8443"]);
}

#[test]
fn a_gateway_keeps_its_ports_as_long_as_it_exists() {
    let mut plan = PortPlan::default();
    assign(&mut plan, &load(manifests(&[SHOP])), &[]);
    let with_older = assign(&mut plan, &load(manifests(&[SHOP, OLD])), &[]);
    assert_eq!(with_older, ["old 80=81", "shop 80=80", "shop 443=443"]);
    let without = assign(&mut plan, &load(manifests(&[OLD])), &[]);
    assert_eq!(without, ["old 80=81"], "kept, although 80 is free again");
    let restarted = assign(&mut PortPlan::default(), &load(manifests(&[OLD])), &[]);
    assert_eq!(restarted, ["old 80=80"]);
}

#[test]
fn listeners_of_listener_sets_follow_their_gateway() {
    let set = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: more}\n\
         spec: {parentRef: {name: shop}, listeners: [{name: a, port: 80, protocol: HTTP}, \
         {name: b, port: 9000, protocol: HTTP}]}\n";
    let resources = load(manifests(&[SHOP, OLD]) + set);
    let ports = assign(&mut PortPlan::default(), &resources, &[]);
    assert_eq!(
        ports,
        ["old 80=80", "shop 80=81", "shop 443=443", "shop 9000=9000"]
    );
}

#[test]
fn gateways_of_other_controllers_get_no_ports() {
    let class = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\n\
         spec: {controllerName: example.com/other}\n";
    let resources = load(manifests(&[OLD]) + class);
    let assign = |ours| PortPlan::default().assign(&resources, &BTreeMap::new(), Some(ours));
    assert_eq!(assign("example.com/ours"), GatewayPorts::new());
    assert_eq!(assign("example.com/other").len(), 1);
}

#[test]
fn leaves_out_a_port_if_no_higher_one_is_free() {
    let one = |name| (name, &[65535_u16][..], "2026-01-01T00:00:00Z");
    let resources = load(manifests(&[one("a"), one("b")]));
    let ports = assign(&mut PortPlan::default(), &resources, &[]);
    assert_eq!(ports, ["a 65535=65535"]);
}
