//! The files of the random edits, and the variants of their contents.

use super::policy_files::{client_traffic, credentials, keys, security, security_grant};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// A file's name, and a function from the number of a variant to the text.
pub(super) type File = (&'static str, fn(usize) -> String);

/// A file without an object. An empty file would count as half-written for a moment.
pub(super) const NOTHING: &str = "# nothing\n";
/// The number of variants of each file.
pub(super) const VARIANTS: usize = 6;
/// All files.
pub(super) const FILES: [File; 28] = [
    ("gateway.yaml", gateway),
    ("set.yaml", listener_set),
    ("route-1.yaml", |variant| route("one", variant)),
    ("route-2.yaml", |variant| route("two", variant + 1)),
    ("route-3.yaml", |variant| route("three", variant + 2)),
    ("route-4.yaml", |variant| route("four", variant + 3)),
    ("service-1.yaml", |variant| service("default", variant)),
    ("service-2.yaml", |variant| service("other", variant + 1)),
    ("slice-1.yaml", |variant| slice("default", variant)),
    ("slice-2.yaml", |variant| slice("other", variant + 1)),
    ("pod.yaml", pod),
    ("namespace.yaml", namespace),
    ("grant.yaml", grant),
    ("policy.yaml", policy),
    ("settings.yaml", config_map),
    ("protection-1.yaml", protection),
    ("protection-2.yaml", |variant| protection(variant + 4)),
    ("protection-3.yaml", unreadable_protection),
    ("secret.yaml", secret),
    ("grpc-route-1.yaml", |variant| grpc_route("one", variant)),
    ("grpc-route-2.yaml", |variant| {
        grpc_route("two", variant + 3)
    }),
    ("security-1.yaml", |variant| security("first", variant)),
    ("security-2.yaml", |variant| security("second", variant + 2)),
    ("security-3.yaml", |variant| security("third", variant + 4)),
    ("credentials.yaml", credentials),
    ("security-grant.yaml", security_grant),
    ("client-traffic.yaml", client_traffic),
    ("keys.yaml", keys),
];

/// Writes a variant of a file.
pub(super) fn write(folder: &Path, file: usize, variant: usize) {
    let (name, text) = FILES[file];
    fs::write(folder.join(name), text(variant)).expect("written");
}

fn gateway(variant: usize) -> String {
    let listeners = match variant {
        0 => return NOTHING.to_owned(),
        1 => "{name: http, port: 80, protocol: HTTP}",
        2 => {
            "{name: http, port: 80, protocol: HTTP, hostname: '*.example.com'}, \
             {name: more, port: 81, protocol: HTTPS, tls: {certificateRefs: [{name: pair}]}}"
        }
        3 => "{name: more, port: 81, protocol: HTTP}, {name: http, port: 80, protocol: HTTP}",
        4 => "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}",
        _ => {
            "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}}"
        }
    };
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge}}\nspec: {{gatewayClassName: any, \
         allowedListeners: {{namespaces: {{from: Same}}}}, listeners: [{listeners}]}}\n\
         status: {{conditions: [{}]}}\n",
        recorded("Audited", variant)
    )
}

/// A condition of another controller, as a file may contain it.
fn recorded(kind: &str, variant: usize) -> String {
    format!(
        "{{type: {kind}, status: 'True', reason: Reviewed, message: variant {variant}, lastTransitionTime: '2026-01-01T00:00:00Z'}}"
    )
}

fn listener_set(variant: usize) -> String {
    match variant {
        0..=3 => NOTHING.to_owned(),
        _ => "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: set}\nspec: {parentRef: {name: edge}, \
             listeners: [{name: own, port: 82, protocol: HTTP}]}\n"
            .to_owned(),
    }
}

fn route(name: &str, variant: usize) -> String {
    let (parent, hostnames) = match variant % 4 {
        0 => ("{name: edge}", "[a.example.com, b.example.com]"),
        1 => ("{name: edge, sectionName: http}", "['*.example.com']"),
        2 => (
            "{name: edge, sectionName: more}, {name: edge, sectionName: http}",
            "[]",
        ),
        _ => (
            "{name: set, kind: ListenerSet}, {name: edge}",
            "[a.example.com]",
        ),
    };
    let backend = match variant % 5 {
        0 => "{name: shop, port: 80}, {name: shop, port: 81, weight: 2}",
        1 => "{name: shop, port: 80, namespace: other}",
        2 => "{name: missing, port: 80}, {name: shop, port: 80}",
        3 => "{name: given, port: 80}",
        _ => {
            "{name: shop, port: 80, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shop, port: 81}}}]}"
        }
    };
    let created = ["", ", creationTimestamp: 2026-01-01T00:00:00Z"][variant % 2];
    let path = ["/", "/a", "/a/b", "'/(a', type: RegularExpression"][variant / 2 % 4];
    let (ours, others) = (recorded("Audited", variant), recorded("Accepted", variant));
    // Some variants contain the same object further down in its file.
    let above = "# moved\n".repeat(variant / 5);
    format!(
        "{above}apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}{created}}}\n\
         spec:\n  parentRefs: [{parent}]\n  hostnames: {hostnames}\n  rules:\n  - name: first\n    matches: [{{path: {{value: {path}}}}}, \
         {{headers: [{{name: v, type: RegularExpression, value: '{variant}.*'}}]}}]\n    backendRefs: [{backend}]\n\
         status:\n  parents:\n  - {{parentRef: {{name: edge}}, controllerName: gatefold.dev/gateway-controller, conditions: [{ours}]}}\n  \
         - {{parentRef: {{name: edge}}, controllerName: example.com/other, conditions: [{others}]}}\n"
    )
}

/// The same as an HTTPRoute, with matches of gRPC. The first three variants differ only in their matches.
fn grpc_route(name: &str, variant: usize) -> String {
    let method = [
        "{service: a.B, method: Get}",
        "{service: a.B}",
        "{type: RegularExpression, service: 'a[.].*'}",
        "{type: RegularExpression, method: '(a'}",
        "{method: Get}",
    ][variant % 5];
    let http = route(name, if variant < 3 { 0 } else { variant });
    let (before, after) = (
        http.find("path: ").expect("a path"),
        http.find("}}, {headers").expect("the match's end"),
    );
    let (before, after) = (&http[..before], &http[after + 1..]);
    format!("{before}method: {method}{after}").replace("kind: HTTPRoute", "kind: GRPCRoute")
}

fn service(namespace: &str, variant: usize) -> String {
    let ports = match variant {
        0 => return NOTHING.to_owned(),
        1 => "{name: web, port: 80}",
        2 => "{name: web, port: 80, appProtocol: 'kubernetes.io/h2c'}, {name: more, port: 81}",
        3 => "{name: more, port: 81}",
        4 => "{name: web, port: 80, appProtocol: 'kubernetes.io/wss'}, {name: more, port: 81}",
        _ => "{name: web, port: 80}, {name: more, port: 81, protocol: UDP}",
    };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: shop, namespace: {namespace}}}\nspec: {{selector: {{app: shop}}, ports: [{ports}]}}\n"
    )
}

fn slice(namespace: &str, variant: usize) -> String {
    let endpoints = match variant {
        0 | 1 => return NOTHING.to_owned(),
        2 => "{addresses: [10.0.0.1]}",
        3 => "{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}",
        4 => "{addresses: [nowhere.example]}",
        _ => "{addresses: [10.0.0.1], conditions: {ready: false}}",
    };
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: shop, namespace: {namespace}, labels: {{kubernetes.io/service-name: shop}}}}\n\
         addressType: IPv4\nendpoints: [{endpoints}]\nports: [{{name: web, port: 8080}}]\n"
    )
}

fn pod(variant: usize) -> String {
    match variant {
        0..=2 => NOTHING.to_owned(),
        _ => format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop, labels: {{app: shop}}}}\nspec: {{containers: []}}\nstatus: {{podIP: 10.0.1.{variant}}}\n"
        ),
    }
}

fn namespace(variant: usize) -> String {
    match variant {
        0..=2 => NOTHING.to_owned(),
        _ => format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: default, labels: {{team: {}}}}}\n",
            ["a", "b"][variant % 2]
        ),
    }
}

fn grant(variant: usize) -> String {
    match variant {
        0..=2 => NOTHING.to_owned(),
        _ => format!(
            "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: grant, namespace: other}}\n\
             spec: {{from: [{{group: gateway.networking.k8s.io, kind: {}, namespace: default}}], to: [{{group: '', kind: Service}}]}}\n",
            ["HTTPRoute", "GRPCRoute"][variant % 2]
        ),
    }
}

static AUTHORITIES: LazyLock<[String; 2]> = LazyLock::new(|| {
    ["one.example", "two.example"].map(|name| {
        let authority = rcgen::generate_simple_self_signed([name.to_owned()]);
        let pem = authority.expect("a certificate").cert.pem();
        pem.replace('\n', "\n    ")
    })
});

/// A policy with certificates, without, or with certificates in another file.
fn policy(variant: usize) -> String {
    if variant < 3 {
        return NOTHING.to_owned();
    }
    let policy = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: policy}}\n\
         spec:\n  targetRefs: [{{group: '', kind: Service, name: shop}}]\n  validation: {{hostname: v{variant}.example, \
         caCertificateRefs: [{{group: '', kind: ConfigMap, name: authority}}]}}\n"
    );
    let authority = &AUTHORITIES[0];
    match variant {
        3 => policy,
        5 => policy.replace("name: authority", "name: spare"),
        _ => format!(
            "{policy}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: authority}}\ndata:\n  ca.crt: |\n    {authority}\n"
        ),
    }
}

/// A ConfigMap that no policy refers to, or one with the certificates of a policy, or with an invalid certificate.
pub(super) fn config_map(variant: usize) -> String {
    let (name, value) = match variant {
        0 => return NOTHING.to_owned(),
        1 | 2 => ("settings", ["a", "b"][variant - 1]),
        3 | 4 => ("spare", &*AUTHORITIES[variant - 3]),
        _ => ("spare", "nonsense"),
    };
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n    {value}\n"
    )
}

/// A policy that closes what it targets.
fn protection(variant: usize) -> String {
    let targets = match variant {
        0 | 6.. => return NOTHING.to_owned(),
        1 => {
            "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: one, sectionName: first}]"
        }
        2 => "targetRefs: [{group: '', kind: Service, name: shop, sectionName: web}]",
        3 => {
            "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: more}]"
        }
        4 => {
            "targetSelectors: [{kind: HTTPRoute, matchExpressions: [{key: team, operator: DoesNotExist}]}], \
             targetRefs: [{group: gateway.networking.k8s.io, kind: GRPCRoute, name: one, sectionName: first}]"
        }
        _ => {
            "targetRefs: [{group: gateway.networking.k8s.io, kind: ListenerSet, name: set}, {group: '', kind: Service, name: shop}]"
        }
    };
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {{name: protection-{variant}}}\nspec: {{{targets}}}\n"
    )
}

/// A policy with an error in one target and a readable other target. It never was valid.
fn unreadable_protection(variant: usize) -> String {
    let target = match variant {
        0..=2 => return NOTHING.to_owned(),
        3 => "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: two}",
        4 => "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: three}",
        _ => "{group: '', kind: Service, name: given}",
    };
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: broken}}\n\
         spec: {{targetRefs: [{{name: nothing}}, {target}]}}\n"
    )
}

static PAIRS: LazyLock<[[String; 2]; 2]> = LazyLock::new(|| {
    ["one.example", "two.example"].map(|name| {
        let pair = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let pem = [pair.cert.pem(), pair.signing_key.serialize_pem()];
        pem.map(|pem| pem.replace('\n', "\n    "))
    })
});

/// The certificate of the HTTPS listener. The last good certificate stays in use if this one becomes invalid.
fn secret(variant: usize) -> String {
    let [certificate, key] = match variant {
        0 => return NOTHING.to_owned(),
        1 | 2 => PAIRS[0].clone(),
        3 => PAIRS[1].clone(),
        4 => [PAIRS[0][0].clone(), PAIRS[1][1].clone()],
        _ => [PAIRS[1][0].clone(), "nonsense".to_owned()],
    };
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: pair}}\ntype: kubernetes.io/tls\n\
         stringData:\n  tls.crt: |\n    {certificate}\n  tls.key: |\n    {key}\n"
    )
}
