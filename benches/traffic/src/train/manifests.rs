//! The manifests of the training.

use super::backends::{TLS_NAME, TrainingBackends};
use crate::support::manifests::{
    endpoint_slice, gateway_with, grpc_route, route_with_rules, service,
};
use crate::support::tls::{Authority, config_map, secret};
use std::fs;
use std::path::Path;

/// The host of most requests.
pub const HOST: &str = "www.example.com";
/// The host with thousands of rules.
pub const MANY: &str = "many.example.com";
/// The number of rules of [`MANY`], in files of [`RULES_A_FILE`].
pub const RULES: usize = 2_000;
const RULES_A_FILE: usize = 10;

const LISTENERS: &str = "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";

/// Rules of [`HOST`], one for each feature. The paths are those of `requests.rs`.
const FEATURES: &str = r#"    - backendRefs: [{name: plain, port: 3000}]
    - matches: [{path: {value: /scripted}}]
      backendRefs: [{name: scripted, port: 3000}]
    - matches: [{path: {value: /headers}}]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier:
            set: [{name: x-set, value: "1"}]
            add: [{name: x-added, value: "2"}]
            remove: [x-removed, accept-encoding]
        - type: ResponseHeaderModifier
          responseHeaderModifier:
            set: [{name: strict-transport-security, value: max-age=31536000}]
            add: [{name: x-frame-options, value: DENY}]
            remove: [server]
      backendRefs: [{name: plain, port: 3000}]
    - matches: [{path: {value: /rewritten}}]
      filters:
        - type: URLRewrite
          urlRewrite: {hostname: internal.example.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
      backendRefs: [{name: plain, port: 3000}]
    - matches: [{path: {value: /replaced}}]
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /all}}}]
      backendRefs: [{name: plain, port: 3000}]
    - matches: [{path: {value: /moved}}]
      filters:
        - type: RequestRedirect
          requestRedirect:
            scheme: https
            statusCode: 301
            path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}
    - matches: [{path: {value: /mirrored}}]
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: scripted, port: 3000}}}]
      backendRefs: [{name: scripted, port: 3000}]
    - matches: [{path: {value: /cors}}]
      filters:
        - type: CORS
          cors: {allowOrigins: ["https://*.example.com"], allowMethods: [GET, PUT], allowHeaders: [x-a], maxAge: 60}
      backendRefs: [{name: plain, port: 3000}]
    - matches: [{path: {value: /weighted}}]
      backendRefs:
        - {name: plain, port: 3000, weight: 70}
        - {name: other, port: 3000, weight: 20}
        - name: scripted
          port: 3000
          weight: 10
          filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-backend, value: "3"}]}}]
    - matches: [{path: {value: /secure}}]
      backendRefs: [{name: secure, port: 3000}]
    - matches: [{path: {value: /chat}}]
      backendRefs: [{name: chat, port: 3000}]
    - matches: [{path: {value: /limited}}]
      timeouts: {request: 10s, backendRequest: 5s}
      retry: {codes: [503], attempts: 1, backoff: 1ms}
      backendRefs: [{name: scripted, port: 3000}]
    - matches: [{path: {value: /silent}}]
      timeouts: {request: 20ms}
      backendRefs: [{name: silent, port: 3000}]
    - matches: [{path: {value: /refused}}]
      backendRefs: [{name: refused, port: 3000}]
    - matches: [{path: {value: /empty}}]
      backendRefs: [{name: empty, port: 3000}]
    - matches: [{path: {value: /missing}}]
      backendRefs: [{name: missing, port: 3000}]
"#;

const CALLS: &str = "    - matches: [{method: {service: shop.Cart}}]
      backendRefs: [{name: grpc, port: 3000}]
    - matches: [{method: {service: shop.Missing}}]
      backendRefs: [{name: missing, port: 3000}]\n";

/// Writes all files into an empty folder.
///
/// # Errors
/// If one can't be written.
pub fn write(
    folder: &Path,
    backends: &TrainingBackends,
    authority: &Authority,
) -> anyhow::Result<()> {
    let pair = authority.issue("*.example.com");
    let base = [
        gateway_with(LISTENERS),
        secret("cert", &pair.certificate, &pair.key),
        config_map("authority", &authority.pem()),
        policy(),
        route_with_rules("features", HOST, FEATURES),
        grpc_route("calls", "grpc.example.com", CALLS),
    ];
    fs::write(folder.join("base.yaml"), base.join("---\n"))?;
    let services = [
        ("plain", backends.plain),
        ("other", backends.plain),
        ("scripted", backends.scripted),
        ("secure", backends.secure),
        ("grpc", backends.grpc),
        ("chat", backends.chat),
        ("silent", backends.silent),
        ("refused", backends.refused),
    ];
    for (name, address) in services {
        let text = [service(name), endpoint_slice(name, address)].join("---\n");
        fs::write(folder.join(format!("service-{name}.yaml")), text)?;
    }
    fs::write(folder.join("service-empty.yaml"), without_endpoints())?;
    for first in (0..RULES).step_by(RULES_A_FILE) {
        let name = format!("many-{first}");
        let rules: String = (first..first + RULES_A_FILE).map(rule).collect();
        fs::write(
            folder.join(format!("{name}.yaml")),
            route_with_rules(&name, MANY, &rules),
        )?;
    }
    Ok(())
}

/// One of the rules of [`MANY`]. The kind of its match depends on its number; see [`crate::train::requests::many`].
fn rule(number: usize) -> String {
    let matches = match number % 6 {
        0 => format!("path: {{type: Exact, value: /exact/{number}}}"),
        1 => format!("path: {{type: PathPrefix, value: /prefix/{number}}}"),
        2 if number.is_multiple_of(10) => {
            format!("path: {{type: RegularExpression, value: '/regex/{number}/[a-z]+'}}")
        }
        2 => format!("path: {{type: PathPrefix, value: /regex/{number}}}"),
        3 => format!(
            "path: {{value: /header/{number}}}, headers: [{{name: x-version, value: \"2\"}}]"
        ),
        4 => format!("path: {{value: /query/{number}}}, queryParams: [{{name: q, value: \"1\"}}]"),
        _ => format!("path: {{value: /method/{number}}}, method: POST"),
    };
    format!("    - matches: [{{{matches}}}]\n      backendRefs: [{{name: plain, port: 3000}}]\n")
}

/// A route whose response header field has this value, for edits.
pub fn edited(value: usize) -> String {
    let rules = format!(
        "    - matches: [{{path: {{value: /edited}}}}]
      filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier: {{set: [{{name: x-edit, value: \"{value}\"}}]}}
      backendRefs: [{{name: plain, port: 3000}}]\n"
    );
    route_with_rules("edited", HOST, &rules)
}

/// Verifies the certificate of the Service `secure`.
fn policy() -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: secure
spec:
  targetRefs: [{{group: '', kind: Service, name: secure}}]
  validation:
    hostname: {TLS_NAME}
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: authority}}]
"
    )
}

/// The Service `empty`: its only endpoint isn't ready.
fn without_endpoints() -> String {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let slice = endpoint_slice("empty", nowhere).replace("ready: true", "ready: false");
    [service("empty"), slice].join("---\n")
}
