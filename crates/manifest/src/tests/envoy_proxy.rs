//! EnvoyProxies.

use super::rendered;
use crate::Loader;

const HEAD: &str =
    "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {name: a}\n";

#[test]
fn reads_access_logs_and_collects_what_is_not_served() {
    let text = format!(
        "{HEAD}spec:
  provider: {{type: Kubernetes, kubernetes: {{unknown: [{{}}]}}}}
  mergeGateways: false
  concurrency: 4
  telemetry:
    tracing: {{samplingRate: 100}}
    accessLog:
      settings:
      - format: {{text: '%START_TIME%'}}
        sinks: [{{type: File, file: {{path: /dev/stdout}}}}]
"
    );
    let loaded = Loader::from_text("f.yaml", text);
    assert_eq!(loaded.diagnostics, []);
    let proxy = loaded
        .resources
        .envoy_proxies
        .values()
        .next()
        .expect("an EnvoyProxy");
    let settings = proxy
        .spec
        .access_log
        .as_ref()
        .and_then(|it| it.settings.as_ref());
    assert_eq!(settings.map(Vec::len), Some(1));
    let unserved = proxy.spec.unserved.iter().map(|it| it.field.path);
    assert_eq!(
        unserved.collect::<Vec<_>>(),
        ["concurrency", "telemetry.tracing"]
    );
}

#[test]
fn checks_the_rules_of_access_logs() {
    let text = format!(
        "{HEAD}spec:
  concurency: 4
  telemetry:
    metric: {{}}
    accessLog:
      settings:
      - format: {{type: Text, json: {{a: b}}}}
        sinks: [{{type: File}}]
      - format: {{type: JSON, text: a}}
        sinks: [{{type: ALS, file: {{path: ''}}}}]
      - format: {{}}
        sinks: [{{type: Socket}}]
        type: Filter
      - sinks: []
"
    );
    let loaded = Loader::from_text("f.yaml", text);
    insta::assert_snapshot!(rendered(&loaded));
}
