//! Tests of the loader with valid and invalid texts and folders.

mod envoy_proxy;
mod folder;
mod grpc_route;
mod hostile;
mod kustomize;
mod last_good;
mod not_a_manifest;
mod overlays;
mod reading;
mod renamed;
mod schema;
mod substitution;
mod syntax;
mod update;

use super::{Loaded, Loader};
use gatefold_diagnostic::{Severity, Style, render, summary_line};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A temporary folder with its loader.
struct Folder {
    dir: TempDir,
    loader: Loader,
}

impl Folder {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let loader = Loader::new([dir.path().to_owned()]);
        Folder { dir, loader }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder"))
            .expect("the folder is created");
        fs::write(path, text).expect("the file is written");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("the file is removed");
    }

    fn names(&mut self) -> Vec<String> {
        names(&self.loader.load())
    }

    /// Renders all diagnostics, with paths relative to the folder.
    fn rendered(&mut self) -> String {
        let path = format!("{}/", self.dir.path().display());
        rendered(&self.loader.load()).replace(&path, "")
    }
}

const GATEWAY: &str = "\
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
";

/// The manifest of a route. `spec` is indented by two spaces.
fn route(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: {name}\nspec:\n{spec}"
    )
}

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  ports:\n  - port: {port}\n"
    )
}

/// The first Service in force.
fn first_service(loaded: &Loaded) -> &crate::api::Service {
    let mut services = loaded.resources.services.values();
    services.next().expect("there is a Service")
}

/// Renders all diagnostics.
fn rendered(loaded: &Loaded) -> String {
    let rendered = loaded
        .diagnostics
        .iter()
        .map(|found| render(found, Style::Plain));
    rendered.collect::<Vec<_>>().join("\n\n")
}

/// Renders all diagnostics of a text.
fn rendered_of(text: &str) -> String {
    rendered(&Loader::from_text("f.yaml", text))
}

/// All diagnostics as one line each.
fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(summary_line).collect()
}

fn lines_of(text: impl Into<Vec<u8>>) -> Vec<String> {
    lines(&Loader::from_text("f.yaml", text))
}

/// The kinds and names of the objects in force.
fn names(loaded: &Loaded) -> Vec<String> {
    let resources = &loaded.resources;
    let gateways = resources
        .gateways
        .keys()
        .map(|name| format!("Gateway {name}"));
    let routes = resources
        .http_routes
        .keys()
        .map(|name| format!("HTTPRoute {name}"));
    let grpc_routes = resources
        .grpc_routes
        .keys()
        .map(|name| format!("GRPCRoute {name}"));
    let services = resources
        .services
        .keys()
        .map(|name| format!("Service {name}"));
    gateways
        .chain(routes)
        .chain(grpc_routes)
        .chain(services)
        .collect()
}

#[track_caller]
fn assert_clean(text: &str) {
    assert_eq!(
        lines_of(text),
        Vec::<String>::new(),
        "of this text:\n{text}"
    );
}

fn errors(loaded: &Loaded) -> usize {
    let error = |found: &&gatefold_diagnostic::Diagnostic| found.severity == Severity::Error;
    loaded.diagnostics.iter().filter(error).count()
}
