//! Manifests that many tests use.

use serde_json::Value;
use std::net::SocketAddr;

/// A class and a Gateway `edge` with an HTTP listener on port 80.
pub fn gateway() -> String {
    gateway_with("    - {name: http, protocol: HTTP, port: 80}\n")
}

/// A class and a Gateway `edge` with these listeners, as lines of YAML.
pub fn gateway_with(listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: edge
spec:
  controllerName: example.com/gateway-controller
---
{}",
        gateway_named("edge", listeners)
    )
}

/// A Gateway without its class.
pub fn gateway_named(name: &str, listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: {name}
spec:
  gatewayClassName: edge
  listeners:
{listeners}"
    )
}

/// A route of the Gateway `edge` that sends all requests for a hostname to the Service with the route's name.
pub fn route(name: &str, hostname: &str) -> String {
    route_to(
        name,
        hostname,
        &format!("        - {{name: {name}, port: 3000}}\n"),
    )
}

/// A route of the Gateway `edge` with these backendRefs, as lines of YAML.
pub fn route_to(name: &str, hostname: &str, backends: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {name}
spec:
  parentRefs:
    - name: edge
  hostnames:
    - {hostname}
  rules:
    - backendRefs:
{backends}"
    )
}

/// A route of the Gateway `edge` with these rules, as lines of YAML.
pub fn route_with_rules(name: &str, hostname: &str, rules: &str) -> String {
    let route = route_to(name, hostname, "");
    let (head, _) = route
        .split_once("    - backendRefs")
        .expect("a rule to replace");
    format!("{head}{rules}")
}

/// A GRPCRoute of the Gateway `edge` with these rules, as lines of YAML.
pub fn grpc_route(name: &str, hostname: &str, rules: &str) -> String {
    route_with_rules(name, hostname, rules).replace("kind: HTTPRoute", "kind: GRPCRoute")
}

/// A Service with port 3000.
pub fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
    - name: http
      port: 3000
"
    )
}

/// An EndpointSlice of a Service: one ready endpoint.
pub fn endpoint_slice(service: &str, endpoint: SocketAddr) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-1
  labels:
    kubernetes.io/service-name: {service}
addressType: IPv4
endpoints:
  - addresses: [{:?}]
    conditions:
      ready: true
ports:
  - name: http
    port: {}
    protocol: TCP
",
        endpoint.ip().to_string(),
        endpoint.port()
    )
}

/// Returns the condition of a type in an object with `conditions`.
#[track_caller]
pub fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let all = status["conditions"].as_array();
    let found = all.and_then(|all| all.iter().find(|one| one["type"] == kind));
    found.unwrap_or_else(|| panic!("no condition {kind} in {status:#}"))
}
