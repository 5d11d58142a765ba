//! Tests of decoding valid manifests.

use super::*;

#[test]
fn loads_documents_lists_and_comments_without_diagnostics() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a, namespace: shop}\n  spec: {ports: [{port: 3000}]}\n- apiVersion: v1\n  kind: Service\n  metadata: {name: b, namespace: shop}\n";
    let text = format!("# head\n---\n{GATEWAY}---\n# nothing\n---\n{list}...\n# tail\n");
    assert_clean(&text);
    let loaded = Loader::from_text("f.yaml", text);
    assert_eq!(
        names(&loaded),
        ["Gateway default/gw", "Service shop/a", "Service shop/b"]
    );
}

#[test]
fn items_of_a_typed_list_have_its_kind() {
    let text = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n";
    assert_eq!(
        names(&Loader::from_text("f.yaml", text)),
        ["Service default/a"]
    );
}

#[test]
fn reads_json_with_escapes_and_tabs() {
    let text = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Service\",\n\t\"metadata\": {\"name\": \"a\\u0062c\", \"annotations\": {\"x\": \"\\ud83d\\ude00 \\/ \\n\"}},\n\t\"spec\": {\"ports\": [{\"port\": 1}]}\n}\n";
    assert_clean(text);
    let loaded = Loader::from_text("f.json", text);
    assert_eq!(names(&loaded), ["Service default/abc"]);
    let service = first_service(&loaded);
    assert_eq!(service.meta.annotations["x"], "\u{1f600} / \n");
}

#[test]
fn reads_a_long_line_of_json() {
    let ports: Vec<String> = (1..2_000)
        .map(|port| format!("{{\"port\":{port},\"name\":\"p{port}\"}}"))
        .collect();
    let text = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{{\"name\":\"a\"}},\"spec\":{{\"ports\":[{}]}}}}",
        ports.join(",")
    );
    assert_clean(&text);
}

#[test]
fn expands_anchors_aliases_and_merge_keys() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels: &labels\n    x: one\n    y1: two\n  annotations:\n    <<: *labels\n    x: own\n";
    assert_clean(text);
    let loaded = Loader::from_text("f.yaml", text);
    let service = first_service(&loaded);
    let annotations: Vec<_> = service.meta.annotations.iter().collect();
    assert_eq!(
        annotations,
        [(&"x".into(), &"own".into()), (&"y1".into(), &"two".into())]
    );
}

#[test]
fn keys_that_are_numbers_or_booleans_become_strings() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {1: a, 017: b, true: c, 1.5: d}\n";
    let loaded = Loader::from_text("f.yaml", text);
    let map = loaded
        .resources
        .config_maps
        .values()
        .next()
        .expect("one ConfigMap");
    let keys: Vec<&str> = map.spec.data.keys().map(String::as_str).collect();
    assert_eq!(keys, ["1", "1.5", "15", "true"]);
}

#[test]
fn accepts_a_byte_order_mark_and_windows_line_ends() {
    assert_clean(&format!("\u{feff}{}", GATEWAY.replace('\n', "\r\n")));
}

#[test]
fn accepts_fields_that_an_api_server_adds() {
    let text = GATEWAY.replace(
        "  name: gw\n",
        "  name: gw\n  creationTimestamp: null\n  generation: 3\n  managedFields: [{manager: kubectl}]\n  ownerReferences: []\n  finalizers: [a/b]\n  selfLink: x\n",
    );
    assert_clean(&format!("{text}status:\n  anything: [1, {{a: b}}]\n"));
}

#[test]
fn mentions_each_object_of_another_kind_once() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nanything: {}\n---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: b}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: TCPRoute\nmetadata: {name: c}\n";
    let expected = [
        "f.yaml:2:7: info[GF0303]: Deployment (apps/v1) isn't used here",
        "f.yaml:7:7: info[GF0303]: Gateway (networking.istio.io/v1) isn't used here",
        "f.yaml:11:7: info[GF0303]: TCPRoute (gateway.networking.k8s.io/v1) isn't used here",
    ];
    assert_eq!(lines_of(text), expected);
}

#[test]
fn cluster_scoped_kinds_have_no_namespace() {
    let text = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: GatewayClass\nmetadata: {name: a, namespace: b}\nspec: {controllerName: example.com/c}\n";
    assert_clean(text);
    let loaded = Loader::from_text("f.yaml", text);
    let class = &loaded.resources.gateway_classes["a"];
    assert_eq!(&*class.meta.namespace, "");
    assert_eq!(&*class.api_version, "gateway.networking.k8s.io/v1beta1");
}

#[test]
fn returns_an_object_exactly_as_its_file_contains_it() {
    let text = format!(
        "{GATEWAY}---\nkind: List\napiVersion: v1\nitems:\n- {{kind: Service, apiVersion: v1, metadata: {{name: a, labels: {{x: \"017\"}}}}, spec: {{x: 017}}}}\n"
    );
    let loaded = Loader::from_text("f.yaml", text);
    let service = first_service(&loaded);
    let json =
        gatefold_diagnostic::yaml::document_json(&service.document).expect("the item is there");
    let expected = serde_json::json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {"name": "a", "labels": {"x": "017"}}, "spec": {"x": 15},
    });
    assert_eq!(json, expected);
}
