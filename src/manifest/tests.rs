//! What the loader makes of texts.

use super::*;
use crate::diagnostic::summary_line;

const GOOD: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: gw
spec:
  gatewayClassName: x
  listeners:
  - name: http
    port: 80
    protocol: HTTP
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: backend, namespace: shop}
  spec:
    ports:
    - port: 3000
";

/// Each problem in one line.
fn problems(text: &str) -> Vec<String> {
    let loaded = Loader::from_text("f.yaml", text);
    loaded.diagnostics.iter().map(summary_line).collect()
}

#[test]
fn good_manifests_load_without_a_word() {
    let loaded = Loader::from_text("f.yaml", GOOD);
    assert_eq!(problems(GOOD), Vec::<String>::new());
    let gateways: Vec<_> = loaded
        .resources
        .gateways
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(gateways, ["default/gw"]);
    let services: Vec<_> = loaded
        .resources
        .services
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(services, ["shop/backend"]);
}
