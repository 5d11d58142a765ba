//! The table of routes.

use super::curl::{Destination, Trust};
use super::request::{self, SampleRequest};
use crate::development_ca::ANY_LABEL;
use crate::reload::Published;
use crate::status::table::align;
use gatefold_graph::Graph;
use gatefold_graph::listener::{ListenerNode, Protocol};
use gatefold_graph::route::{AnyRoute, Attachment};
use gatefold_manifest::api::Hostname;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Returns the table: a row and a curl line for each route, listener, hostname and rule. `authority` is the file of the
/// development CA.
pub(crate) fn table(published: &Published, authority: Option<&Path>) -> String {
    let graph = &published.graph;
    let reach = Reach {
        published,
        authority,
    };
    let mut rows = Vec::new();
    let http = graph
        .routes
        .http
        .values()
        .map(|node| -> (&dyn AnyRoute, _) {
            (&**node, request::of_http_route(&node.resource.spec))
        });
    let grpc = graph
        .routes
        .grpc
        .values()
        .map(|node| -> (&dyn AnyRoute, _) {
            (&**node, request::of_grpc_route(&node.resource.spec))
        });
    for (route, requests) in http.chain(grpc) {
        rows.extend(reach.rows(route, &requests));
    }
    if rows.is_empty() {
        return "There is no HTTPRoute and no GRPCRoute in these folders.\n".to_owned();
    }
    in_words(&rows)
}

/// A row of the table.
struct Row {
    route: String,
    gateway: String,
    hostname: String,
    url: String,
    curl: Option<String>,
}

/// Finds where routes can be reached.
struct Reach<'a> {
    published: &'a Published,
    authority: Option<&'a Path>,
}

impl Reach<'_> {
    fn rows(&self, route: &dyn AnyRoute, requests: &[SampleRequest]) -> Vec<Row> {
        let id = route.id();
        let name = format!("{} {}/{}", id.kind, id.namespace, id.name);
        let attachments = route
            .parents()
            .iter()
            .flat_map(|parent| &parent.attachments);
        let mut rows: Vec<Row> = Vec::new();
        for attachment in attachments {
            let listener = listener(&self.published.graph, attachment);
            for (listener, socket) in listener
                .into_iter()
                .filter_map(|it| Some((it, self.socket(it)?)))
            {
                self.add(&name, listener, socket, (attachment, requests), &mut rows);
            }
        }
        if rows.is_empty() {
            let why = if requests.is_empty() {
                "no sample request is known for its matches"
            } else {
                "not served; the log and `gatefold check --dev` show why"
            };
            rows.push(Row {
                route: name,
                gateway: "-".to_owned(),
                hostname: "-".to_owned(),
                url: why.to_owned(),
                curl: None,
            });
        }
        rows
    }

    /// Adds a row for each rule with the first hostname, and one for each other hostname.
    fn add(
        &self,
        route: &str,
        listener: &ListenerNode,
        socket: SocketAddr,
        (attachment, requests): (&Attachment, &[SampleRequest]),
        rows: &mut Vec<Row>,
    ) {
        let hosts = hosts(listener.hostname.as_ref(), &attachment.hostnames);
        for (number, (hostname, host)) in hosts.iter().enumerate() {
            let to = Destination {
                host: host.as_deref(),
                port: listener.port,
                socket,
                tls: self.trust(listener),
            };
            let most = if number == 0 { requests.len() } else { 1 };
            for request in requests.iter().take(most) {
                rows.push(Row {
                    route: route.to_owned(),
                    gateway: attachment.listener.gateway.to_string(),
                    hostname: hostname.clone(),
                    url: to.url(request),
                    curl: Some(to.curl(request)),
                });
            }
        }
    }

    /// The first bound socket of a listener. `None` if it isn't served.
    fn socket(&self, listener: &ListenerNode) -> Option<SocketAddr> {
        let is_bound = |socket: &&gatefold_dataplane::SocketKey| {
            let states = self.published.listeners.iter();
            !states
                .flat_map(|it| &it.failed)
                .any(|(failed, _)| failed == *socket)
        };
        listener
            .sockets
            .iter()
            .find(is_bound)
            .map(|socket| socket.address)
    }

    fn trust(&self, listener: &ListenerNode) -> Option<Trust<'_>> {
        match listener.protocol? {
            Protocol::Http => None,
            Protocol::Https => Some(match self.authority {
                Some(file) if listener.may_serve_stand_ins() => Trust::DevelopmentCa(file),
                _ => Trust::Unknown,
            }),
        }
    }
}

fn listener<'g>(graph: &'g Graph, attachment: &Attachment) -> Option<&'g ListenerNode> {
    let id = &attachment.listener;
    graph.gateways.get(&id.gateway)?.listeners.get(id.index)
}

/// Returns the hostnames at a listener, each with a host that it matches. `None` in place of a host if any host is served.
fn hosts(listener: Option<&Hostname>, route: &[Hostname]) -> Vec<(String, Option<String>)> {
    let concrete = |hostname: &Hostname| {
        let text = hostname.as_str();
        let rest = text.strip_prefix('*');
        rest.map_or_else(|| text.to_owned(), |rest| format!("{ANY_LABEL}{rest}"))
    };
    if route.is_empty() {
        let shown = listener.map_or_else(|| "*".to_owned(), ToString::to_string);
        return vec![(shown, listener.map(concrete))];
    }
    let hosts = route.iter().map(|hostname| {
        // The more specific of the two: clients of a listener request the listener's hostname.
        let narrow = match listener {
            Some(listener)
                if hostname.wildcard_suffix().is_some() && is_narrower(listener, hostname) =>
            {
                listener
            }
            _ => hostname,
        };
        (narrow.to_string(), Some(concrete(narrow)))
    });
    hosts.collect()
}

/// Whether `narrow`, which intersects with `wide`, is the more specific of the two.
fn is_narrower(narrow: &Hostname, wide: &Hostname) -> bool {
    narrow.wildcard_suffix().is_none() || narrow.as_str().len() > wide.as_str().len()
}

fn in_words(rows: &[Row]) -> String {
    let head = ["ROUTE", "GATEWAY", "HOSTNAME", "URL"]
        .map(str::to_owned)
        .to_vec();
    let cells = rows.iter().map(|row| {
        let Row {
            route,
            gateway,
            hostname,
            url,
            ..
        } = row;
        vec![
            route.clone(),
            gateway.clone(),
            hostname.clone(),
            url.clone(),
        ]
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let aligned = align(lines.iter());
    let mut lines = aligned.lines();
    let mut text = String::new();
    let _ = writeln!(text, "{}", lines.next().unwrap_or_default());
    for (line, row) in lines.zip(rows) {
        let _ = writeln!(text, "{line}");
        if let Some(curl) = &row.curl {
            let _ = writeln!(text, "  {curl}");
        }
    }
    text
}
