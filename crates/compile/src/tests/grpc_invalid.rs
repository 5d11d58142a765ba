//! GRPCRoutes: which rule receives a request while another rule is invalid.

use super::compiled;
use gatefold_dataplane::routing::request::RequestView;
use gatefold_dataplane::{Action, Snapshot};
use http::{HeaderMap, Method, Version};

/// An older route for all services, and a route that restricts access to one.
const FOLDER: &str = r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: any, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: open, creationTimestamp: '2020-01-01T00:00:00Z'}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: restricted}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{method: {type: RegularExpression, service: 'shop.(Admin', method: 'Get.*'}}]
    filters: [{type: ExtensionRef, extensionRef: {group: example.com, kind: Login, name: admins}}]
    backendRefs: [{name: shop, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
";

/// Returns the route of the rule that receives a request, and whether the rule refuses it.
fn receiver(snapshot: &Snapshot, path: &str) -> Option<(String, bool)> {
    let request = RequestView {
        version: Version::HTTP_2,
        host: "shop.example",
        method: &Method::POST,
        path,
        query: None,
        headers: &HeaderMap::new(),
    };
    let port = snapshot.ports.values().next()?;
    let routers = &port.http()?.find(request.host)?.routers;
    let rule = routers.grpc.route(&request)?;
    let refuses = matches!(rule.action, Action::Refuse(_));
    Some((rule.id.route.to_string(), refuses))
}

#[test]
fn invalid_expression_of_a_restricted_rule_keeps_its_precedence() {
    let expressions = [
        "service: 'shop.(Admin', method: 'Get.*'",
        "service: 'shop.(Admin'",
        "service: 'shop.Admin.*', method: 'Get('",
        "method: 'Get('",
        // Valid by themselves, but not in one path.
        "service: 'shop.(?P<name>Admin)', method: 'Get(?P<name>.*)'",
    ];
    for expression in expressions {
        let method = "service: 'shop.(Admin', method: 'Get.*'";
        let snapshot = compiled(&FOLDER.replace(method, expression));
        let restricted = Some(("default/restricted".to_owned(), true));
        for path in ["/shop.Admin/GetUser", "/shop/Admin/GetUser"] {
            assert_eq!(
                receiver(&snapshot, path),
                restricted,
                "{expression}: {path}"
            );
        }
    }
}

#[test]
fn invalid_expression_of_an_unrestricted_rule_is_left_out() {
    let filters = FOLDER.lines().filter(|line| line.contains("filters:"));
    let unrestricted = filters.fold(FOLDER.to_owned(), |folder, line| folder.replace(line, ""));
    let receiver = receiver(&compiled(&unrestricted), "/shop.Admin/GetUser");
    assert_eq!(receiver, Some(("default/open".to_owned(), false)));
}
