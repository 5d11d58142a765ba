//! Manifests in; statuses, compiled routes and diagnostics out. Each folder under `tests/fixtures` tests one behaviour, which
//! its name describes. The output is in the file `graph.snap` of the folder.
//!
//! An optional file `environment` in the folder contains the other inputs of the graph, one per line; see
//! [`Setting::line`].

use gatefold::status::{
    Applied, BindFailure, BindFailureReason, ListenerStatus, PolicyStatus, RouteStatus,
    StatusCondition, Statuses, report, tables,
};
use gatefold_compile::compile;
use gatefold_dataplane::SocketKey;
use gatefold_diagnostic::{Severity, Style, render};
use gatefold_graph::environment::{AddressSharing, SpecAddresses};
use gatefold_graph::route::{FilterNode, RouteKind, RouteNodes, RuleNode, TargetNode};
use gatefold_graph::stand_in::{Exposure, StandInCertificates, StandInServices};
use gatefold_graph::{Environment, Graph, build};
use gatefold_manifest::Loader;
use gatefold_manifest::api::NamespacedName;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::macros::datetime;

#[test]
fn every_fixture_produces_its_snapshot() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .expect("the fixtures")
        .map(|entry| entry.expect("a folder").path())
        .filter(|path| path.join("manifests.yaml").is_file())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no fixtures in {}", root.display());
    let mut differ = Vec::new();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy();
        let outcome = describe(&folder);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let same = std::panic::catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!("graph", outcome));
        }));
        if same.is_err() {
            differ.push(name.into_owned());
        }
    }
    assert!(differ.is_empty(), "fixtures that differ: {differ:#?}");
}

/// A development CA that has issued certificates in place of these Secrets.
fn stand_in_certificates(secrets: &str) -> Option<StandInCertificates> {
    let key = KeyPair::generate().ok()?;
    let certificate = CertificateParams::default().self_signed(&key).ok()?;
    let signing = PrivateKeyDer::try_from(key.serialize_der()).ok()?;
    let signing = rustls::crypto::ring::sign::any_supported_type(&signing).ok()?;
    let authority = certificate.der().clone();
    let pair = Arc::new(CertifiedKey::new(vec![authority.clone()], signing));
    let pairs = secrets
        .split(',')
        .map(|secret| Some((name(secret)?, pair.clone())));
    Some(StandInCertificates {
        authority,
        pairs: Arc::new(pairs.collect::<Option<_>>()?),
        exposure: Exposure::Loopback,
    })
}

/// The inputs of a graph and its report other than the manifests.
#[derive(Default)]
struct Setting {
    environment: Environment,
    applied: Applied,
}

impl Setting {
    fn read(folder: &Path) -> Self {
        let mut setting = Setting::default();
        setting.environment.reachable = vec!["192.0.2.10".parse().expect("an address")];
        setting.environment.now = Some(datetime!(2026-01-01 0:00 UTC));
        for line in fs::read_to_string(folder.join("environment"))
            .unwrap_or_default()
            .lines()
        {
            setting
                .line(line)
                .unwrap_or_else(|| panic!("{line:?} in {}", folder.display()));
        }
        setting
    }

    /// Parses `controller-name NAME`, `ignore-policy KIND[.GROUP]`, `address IP`, `address NS/NAME=IP`, `pool NS/NAME=IP`,
    /// `spec-addresses replace`, `sharing separate`, `port-map 80=8080`, `gateway-port NS/NAME:80=8081`,
    /// `backend NS/NAME:PORT=IP:PORT`, `failed IP:PORT REASON`, `echo NS/NAME:PORT`, and `dev-certificates NS/NAME,...` with the
    /// Secrets that have stand-ins.
    fn line(&mut self, line: &str) -> Option<()> {
        let environment = &mut self.environment;
        let (word, rest) = line.split_once(' ')?;
        match word {
            "access-log-dir" => environment.access_log_dir = Some(rest.into()),
            "controller-name" => environment.controller_name = Some(rest.to_owned()),
            "ignore-policy" => environment.ignored_policies.push(rest.parse().ok()?),
            "address" => match rest.split_once('=') {
                Some((gateway, address)) => {
                    let addresses = &mut environment.gateway_addresses;
                    let addresses = addresses.entry(name(gateway)?).or_default();
                    addresses.push(address.parse().ok()?);
                }
                None => environment.addresses.push(rest.parse().ok()?),
            },
            "spec-addresses" if rest == "replace" => {
                environment.spec_addresses = SpecAddresses::Replace;
            }
            "sharing" if rest == "separate" => environment.sharing = AddressSharing::Separate,
            "gateway-port" => {
                let (key, bound) = rest.split_once('=')?;
                let (gateway, port) = key.split_once(':')?;
                let key = (name(gateway)?, port.parse().ok()?);
                environment.gateway_ports.insert(key, bound.parse().ok()?);
            }
            "pool" => {
                let (gateway, address) = rest.split_once('=')?;
                let pool = environment.pool.get_or_insert_default();
                let addresses = pool.entry(name(gateway)?).or_default();
                addresses.push(address.parse().ok()?);
            }
            "port-map" => {
                let (from, to) = rest.split_once('=')?;
                let (from, to) = (from.parse().ok()?, to.parse().ok()?);
                environment.port_map.insert(from, to);
            }
            "backend" => {
                let (service, address) = rest.split_once('=')?;
                let (service, port) = service.split_once(':')?;
                let key = (name(service)?, port.parse().ok()?);
                let addresses = Arc::make_mut(&mut environment.discovered)
                    .entry(key)
                    .or_default();
                addresses.push(address.parse().ok()?);
            }
            "echo" => {
                let (service, port) = rest.split_once(':')?;
                let key = (name(service)?, port.parse().ok()?);
                let endpoints = Arc::make_mut(&mut environment.discovered);
                endpoints.insert(key.clone(), vec!["127.0.0.1:1024".parse().ok()?]);
                Arc::make_mut(&mut environment.stand_ins.echo).insert(key);
                environment.stand_ins.services = StandInServices::All;
            }
            "dev-certificates" => {
                environment.stand_ins.certificates = Some(stand_in_certificates(rest)?);
            }
            "failed" => {
                let (socket, reason) = rest.split_once(' ')?;
                let failure = BindFailure {
                    reason: match reason {
                        "AddressNotAvailable" => BindFailureReason::AddressNotAvailable,
                        "PortInUse" => BindFailureReason::PortInUse,
                        "PermissionDenied" => BindFailureReason::PermissionDenied,
                        _ => return None,
                    },
                    message: format!("{socket} can't be bound ({reason})"),
                };
                let address: std::net::SocketAddr = socket.parse().ok()?;
                let failed = (SocketKey::tcp(address), failure);
                self.applied.failed.extend([failed]);
            }
            _ => return None,
        }
        Some(())
    }
}

fn name(text: &str) -> Option<NamespacedName> {
    let (namespace, name) = text.split_once('/')?;
    Some(NamespacedName::new(namespace, name))
}

fn describe(folder: &Path) -> String {
    let setting = Setting::read(folder);
    let loaded = Loader::new([folder.to_owned()]).load();
    let unreadable: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity != Severity::Info)
        .map(|d| render(d, Style::Plain))
        .collect();
    assert!(
        unreadable.is_empty(),
        "the files of a fixture must load without findings:\n{}",
        unreadable.join("\n")
    );
    let graph = build(&loaded.resources, &setting.environment);
    let now = datetime!(2026-01-01 0:00 UTC);
    let statuses = report(&graph, &setting.applied, &Statuses::default(), now);
    let mut text = String::new();
    for table in tables(&graph, &statuses) {
        if !table.rows.is_empty() {
            writeln!(text, "{table}").expect("writing to a string succeeds");
        }
    }
    conditions(&statuses, &mut text);
    served(&graph, &mut text);
    let snapshot = compile(&graph).to_string();
    if !snapshot.is_empty() {
        writeln!(text, "compiled:\n{snapshot}").expect("writing to a string succeeds");
    }
    for diagnostic in &graph.diagnostics {
        let drawn = render(diagnostic, Style::Plain);
        // The path of the folder differs between machines.
        text.push_str(&drawn.replace(&format!("{}/", folder.display()), ""));
        text.push_str("\n\n");
    }
    text.trim_end().to_owned()
}

fn conditions(statuses: &Statuses, text: &mut String) {
    for (name, status) in &statuses.gateway_classes {
        list(&format!("GatewayClass {name}"), &status.conditions, text);
    }
    for (key, status) in &statuses.gateways {
        list(&format!("Gateway {key}"), &status.conditions, text);
        listeners(&status.listeners, text);
        if status.attached_listener_sets > 0 {
            let count = status.attached_listener_sets;
            writeln!(text, "attached ListenerSets: {count}").expect("writing to a string succeeds");
        }
    }
    for (key, status) in &statuses.listener_sets {
        list(&format!("ListenerSet {key}"), &status.conditions, text);
        listeners(&status.listeners, text);
    }
    routes("HTTPRoute", &statuses.routes.http, text);
    routes("GRPCRoute", &statuses.routes.grpc, text);
    policies("BackendTLSPolicy", &statuses.backend_tls_policies, text);
    policies("SecurityPolicy", &statuses.security_policies, text);
    let client_traffic = &statuses.client_traffic_policies;
    policies("ClientTrafficPolicy", client_traffic, text);
    text.push('\n');
}

fn policies(kind: &str, statuses: &BTreeMap<NamespacedName, PolicyStatus>, text: &mut String) {
    for (key, status) in statuses {
        for ancestor in &status.ancestors {
            let at = &ancestor.ancestor_ref;
            let set = if at.kind == "Gateway" {
                ""
            } else {
                "ListenerSet "
            };
            let section = at.section_name.as_deref();
            let section = section.map_or_else(String::new, |name| format!("/{name}"));
            let head = format!("{kind} {key} at {set}{}/{}{section}", at.namespace, at.name);
            list(&head, &ancestor.conditions, text);
        }
    }
}

fn routes(kind: &str, statuses: &BTreeMap<NamespacedName, Arc<RouteStatus>>, text: &mut String) {
    for (key, status) in statuses {
        for parent in &status.parents {
            let section = parent.parent_ref.section_name.as_ref();
            let section = section.map_or_else(String::new, |s| format!("/{s}"));
            let head = format!("{kind} {key} at {}{section}", parent.parent_ref.name);
            list(&head, &parent.conditions, text);
        }
    }
}

fn listeners(statuses: &[ListenerStatus], text: &mut String) {
    for listener in statuses {
        let kinds: Vec<&str> = listener.supported_kinds.iter().map(|k| k.kind).collect();
        let head = format!("listener {}, kinds {kinds:?}", listener.name);
        list(&head, &listener.conditions, text);
    }
}

fn list(head: &str, conditions: &[StatusCondition], text: &mut String) {
    writeln!(text, "{head}").expect("writing to a string succeeds");
    for condition in conditions {
        let (kind, status) = (condition.kind, condition.status.as_str());
        let (reason, message) = (condition.reason, &condition.message);
        writeln!(text, "  {kind}={status} {reason}: {message}")
            .expect("writing to a string succeeds");
    }
}

fn served(graph: &Graph, text: &mut String) {
    for (key, gateway) in &graph.gateways {
        for listener in &gateway.listeners {
            let (name, sockets) = (listener.full_name(), &listener.sockets);
            writeln!(text, "{key}/{name} needs {sockets:?}").expect("writing to a string succeeds");
        }
    }
    served_routes("", &graph.routes.http, text);
    served_routes("GRPCRoute ", &graph.routes.grpc, text);
    for ((service, port), wanted) in &graph.wanted {
        writeln!(text, "wanted: {service}:{port} {wanted:?}")
            .expect("writing to a string succeeds");
    }
    text.push('\n');
}

fn served_routes<K, M>(kind: &str, routes: &RouteNodes<K>, text: &mut String)
where
    K: RouteKind<Rule = RuleNode<M>>,
{
    for (key, route) in routes {
        for parent in &route.parents {
            let attachments = parent.attachments.iter().map(|attachment| {
                let hostnames: Vec<&str> =
                    attachment.hostnames.iter().map(|h| h.as_str()).collect();
                format!("listener {} for {hostnames:?}", attachment.listener.index)
            });
            let attachments: Vec<String> = attachments.collect();
            let at = attachments.join(", ");
            writeln!(text, "{kind}{key} at {}: [{at}]", parent.gateway)
                .expect("writing to a string succeeds");
        }
        for (index, rule) in route.rules.iter().enumerate() {
            writeln!(text, "{kind}{key} rules[{index}]: {}", rule_line(rule))
                .expect("writing to a string succeeds");
        }
    }
}

fn rule_line<M>(rule: &RuleNode<M>) -> String {
    let backends = rule.backends.iter().map(|backend| {
        let target = match &backend.target {
            TargetNode::Service { endpoints, .. } => format!("{endpoints:?}"),
            TargetNode::Invalid => "invalid".to_owned(),
        };
        let filters = filters(&backend.filters);
        format!("{} x{}{filters} {target}", backend.name, backend.weight)
    });
    let backends: Vec<String> = backends.collect();
    let refused = if rule.refused { "refused, " } else { "" };
    format!(
        "{refused}{} matches,{} to {}",
        rule.matches.len(),
        filters(&rule.filters),
        backends.join("; ")
    )
}

fn filters(filters: &[FilterNode]) -> String {
    let one = |filter: &FilterNode| {
        let (name, changes) = match filter {
            FilterNode::RequestHeaderModifier(changes) => ("request", changes),
            FilterNode::ResponseHeaderModifier(changes) => ("response", changes),
            // The compiled routes show their details.
            FilterNode::RequestRedirect(_) => return " redirect".to_owned(),
            FilterNode::UrlRewrite(_) => return " rewrite".to_owned(),
            FilterNode::RequestMirror(mirror) => return format!(" mirror to {}", mirror.name),
            FilterNode::Cors(_) => return " cors".to_owned(),
            FilterNode::ExternalAuth(auth) => {
                let servers: Vec<&str> = auth.servers.iter().map(|it| &*it.name).collect();
                return format!(" asks {}", servers.join(", "));
            }
        };
        let names = |headers: &[gatefold_manifest::api::HTTPHeader]| -> Vec<String> {
            headers
                .iter()
                .map(|header| format!("{}={}", header.name, header.value))
                .collect()
        };
        let (set, add) = (names(&changes.set), names(&changes.add));
        let remove: Vec<&str> = changes.remove.iter().map(|name| name.as_str()).collect();
        format!(" {name} headers (set {set:?}, add {add:?}, remove {remove:?})")
    };
    filters.iter().map(one).collect()
}
