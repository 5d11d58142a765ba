//! Tests with objects that an API server would refuse.

use super::*;

#[test]
fn reports_every_problem_of_an_object_at_once() {
    let text = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: My_Gateway
  labels: {version: 1}
spec:
  gatewayclassname: x
  listeners:
  - name: http
    port: eighty
    protocol: HTTP
    allowedRoutes:
      namespaces: {from: all}
  - name: https
    port: 70000
    protocol: HTTPS
    hostname: Example.com
    tls:
      mode: Terminate
      certificateRefs: []
  - hostname: 10.0.0.1
    protocol: HTTP
  addresses: {type: IPAddress}
";
    insta::assert_snapshot!(rendered_of(text));
    assert!(
        Loader::from_text("f.yaml", text)
            .resources
            .gateways
            .is_empty()
    );
}

#[test]
fn checks_the_rules_of_listeners() {
    let text = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a}
spec:
  gatewayClassName: x
  addresses:
  - value: 10.0.0.256
  - {type: Hostname, value: a.example}
  - {type: Hostname, value: a.example}
  - {type: IpAddress}
  - {type: Hostname, value: A}
  infrastructure:
    labels: {-x: 'y', a: b c}
  listeners:
  - {name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: x}]}}
  - {name: b, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}
  - {name: c, port: 444, protocol: TLS}
  - {name: d, port: 53, protocol: UDP, hostname: a.example}
  - {name: a, port: 81, protocol: HTTP}
  - {name: e, port: 81, protocol: HTTP}
  - {name: f, port: 82, protocol: HTTP, allowedRoutes: {namespaces: {from: None}, kinds: [{kind: 1x}]}}
";
    insta::assert_snapshot!(rendered_of(text));
}

#[test]
fn checks_the_rules_of_routes() {
    let spec = "  parentRefs: [{name: gw}, {name: gw, sectionName: a}, {name: other}, {name: other}]
  hostnames: [\"*.*.example\", UPPER.example]
  rules:
  - name: one
    matches:
    - path: {value: no-slash}
    - path: {type: Exact, value: /a//b}
    - path: {type: RegularExpression, value: \"[\"}
    - headers: [{name: a b, value: x}, {name: a, value: \"\"}, {name: c, value: x}, {name: c, value: y}]
      queryParams: [{name: a, value: \"\"}]
      method: get
    backendRefs: [{name: a}, {name: b, port: 0}, {name: c, port: 1, weight: -1}, {name: d, kind: Foo, group: a.b}]
    timeouts: {request: 1s, backendRequest: 2s}
  - name: one
    retry: {codes: [200, 500, 500], attempts: 0, backoff: 1}
    timeouts: {request: 1.5s}
";
    insta::assert_snapshot!(rendered_of(&route("r", spec)));
}

#[test]
fn checks_the_rules_of_filters() {
    let spec = "  rules:
  - filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{name: a, value: \"\"}, {name: a, value: b}]
        remove: [x, x]
    - type: RequestHeaderModifier
      requestHeaderModifier: {add: []}
    - type: RequestRedirect
      urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: /}}
    - type: RequestRedirects
    - type: RequestRedirect
      requestRedirect: {scheme: ftp, statusCode: 304}
    - type: RequestMirror
      requestMirror: {backendRef: {name: x, port: 1}, percent: 101, fraction: {numerator: 2, denominator: 1}}
    - type: CORS
      cors: {allowOrigins: ['*', 'https://a.example'], allowMethods: [get], maxAge: 0}
  - matches: [{path: {type: Exact, value: /a}}]
    backendRefs: [{name: a, port: 1}]
    filters:
    - type: RequestRedirect
      requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}
";
    insta::assert_snapshot!(rendered_of(&route("r", spec)));
}

#[test]
fn checks_the_rules_of_the_other_kinds() {
    let text = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: c}
spec: {controllerName: nowhere}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: ReferenceGrant
metadata: {name: g}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g}
spec:
  from: [{group: A, kind: HTTPRoute, namespace: a}]
---
apiVersion: v1
kind: Service
metadata: {name: 1st, namespace: a.b}
spec: {ports: [{port: 80, targetport: 8080}]}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {tls.key: \"-----\"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: \"\", kind: Service, name: s}, {group: \"\", kind: Service, name: s}]
  validation:
    hostname: \"*.example.com\"
    wellKnownCACertificates: Mine
    caCertificateRefs: [{group: \"\", kind: ConfigMap, name: c}]
    subjectAltNames: [{type: URI, uri: shop, hostname: a}, {type: Hostname}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoutes
metadata: {name: r}
---
apiVersion: v1
kind: Gateway
metadata: {name: r}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: r}
";
    insta::assert_snapshot!(rendered_of(text));
}

#[test]
fn checks_the_rules_of_fields_that_v1_7_introduced() {
    let gateway = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a}
spec:
  gatewayClassName: x
  addresses: [{routability: Public}, {routability: x.k8s.io/a}]
  tls:
    frontend:
      default:
        validation:
          caCertificateRefs: [{group: certificates.k8s.io, kind: ClusterTrustBundle, name: a, namespace: b}]
  listeners:
  - {name: a, port: 53, protocol: UDP, filters: {requests: []}}
  - {name: b, port: 80, protocol: HTTP, filters: {requests: [{type: CORS}, {type: ExtensionRef}]}}
";
    let route = route(
        "r",
        "  rules:
  - backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, name: a, port: 80}]
    retry: {attempts: -1}
  - sessionPersistence: {type: Header, cookie: {lifetimeType: Permanent}}
  - sessionPersistence: {cookie: {name: a b}, header: {}}
  - sessionPersistence: {header: {name: a}}
  - filters:
    - type: ExternalAuth
      externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: a, port: 80}, forwardBody: {maxSize: -1}}
",
    );
    insta::assert_snapshot!(rendered_of(&format!("{gateway}---\n{route}")));
}

#[test]
fn accepts_fields_that_v1_7_introduced() {
    let gateway = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a}
spec:
  gatewayClassName: x
  addresses: [{value: 10.0.0.1, routability: Cluster}, {routability: \"\"}, {routability: example.com/CorpWan}]
  tls:
    frontend:
      default:
        validation:
          caCertificateRefs: [{group: certificates.k8s.io, kind: ClusterTrustBundle, name: a}]
  listeners:
  - name: a
    port: 80
    protocol: HTTP
    filters:
      requests:
      - {type: ExtensionRef, extensionRef: {group: example.com, kind: Filter, name: a}}
      - type: ExternalAuth
        externalAuth: {protocol: HTTP, http: {}, backendRef: {name: a, port: 80}, forwardBody: {maxSize: 100000}}
";
    let route = route(
        "r",
        "  rules:
  - backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, name: a}]
    retry: {attempts: 0}
  - sessionPersistence: {cookie: {name: a, path: /, lifetimeType: Session}}
  - sessionPersistence: {type: Header, header: {name: a}}
  - sessionPersistence: {sessionName: until v1.6, cookieConfig: {}}
",
    );
    let loaded = Loader::from_text("f.yaml", format!("{gateway}---\n{route}"));
    assert_eq!(loaded.diagnostics, []);
}

#[test]
fn checks_the_rules_of_client_traffic_policies() {
    let settings = [
        "clientIPDetection: {}",
        "clientIPDetection: {directSourceIP: {}, customHeader: {name: a_b}}",
        "clientIPDetection: {xForwardedFor: {}}",
        "clientIPDetection: {xForwardedFor: {numTrustedHops: -1}}",
        "clientIPDetection: {xForwardedFor: {numTrustedHops: 1, trustedCIDRs: [10.0.0.0/8]}}",
        "clientIPDetection: {xForwardedFor: {trustedCIDRs: []}}",
        "clientIPDetection: {xForwardedFor: {trustedCIDRs: [10.0.0.1]}}",
        "headers: {requestID: Keep}",
        "headers: {requestID: Disable, preserveXRequestID: true}",
        "headers: {withUnderscoresAction: Drop}",
        "headers: {earlyRequestHeaders: {set: [], remove: [a, a]}}",
        "headers: {lateResponseHeaders: {removeOnMatch: [{value: \"\"}]}}",
        "headers: {lateResponseHeader: {}}",
        "headers: []",
        "path: {escapedSlashesAction: Reject}",
        "path: {mergeSlashes: true}",
        "healthCheck: {}",
        "healthCheck: {path: \"\"}",
        "proxyProtocol: {optional: maybe}",
        "proxyProtocol: {version: 2}",
        "tls: 5",
        "tls: {minVersion: '1.4'}",
        "tls: {minVersion: '1.3', ciphers: [ECDHE-RSA-AES128-GCM-SHA256]}",
        "tls: {minVersion: '1.3', maxVersion: '1.2'}",
        "tls: {session: {resumption: {tickets: {}}}}",
        "tls: {minVersoin: '1.3'}",
        "connection: {bufferLimit: 1.5Mi}",
        "connection: {connectionLimit: {value: 0}}",
        "connection: {connectionLimit: {closeDelay: 1s}}",
        "connection: {maxAcceptPerSocketEvent: -1}",
        "tcpKeepalive: {probes: -1, idleTime: 1 hour}",
        "timeout: {http: {requestReceivedTimeout: 5}}",
        "timeout: {http: {requestTimeout: 5s}}",
        "http2: {maxConcurrentStreams: 0, initialStreamWindowSize: 64 KiB}",
        "http2: {onInvalidMessage: []}",
    ];
    let policies = settings.iter().enumerate().map(|(number, settings)| {
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: p-{number}}}
spec:
  targetSelectors: [{{kind: Gateway}}]
  {settings}
---
"
        )
    });
    let text: String = policies.collect();
    insta::assert_snapshot!(rendered_of(&text));
    let left = Loader::from_text("f.yaml", text).resources;
    assert!(left.client_traffic_policies.is_empty());
}

#[test]
fn a_refused_object_does_not_affect_the_others() {
    let text = format!("{GATEWAY}---\n{}---\n{}", service("a", 80), service("b", 0));
    let loaded = Loader::from_text("f.yaml", text);
    assert_eq!(names(&loaded), ["Gateway default/gw", "Service default/a"]);
    assert_eq!(errors(&loaded), 1);
}

#[test]
fn uses_the_first_of_two_objects_with_the_same_name() {
    let text = format!("{}---\n{}", service("a", 80), service("a", 81));
    let loaded = Loader::from_text("f.yaml", text);
    insta::assert_snapshot!(rendered(&loaded));
    let service = first_service(&loaded);
    assert_eq!(service.spec.ports[0].port.get(), 80);
}
