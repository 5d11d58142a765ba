//! What is in force, as the admin API and the log show it.

use super::changes::Changes;
use super::outcome::{Finished, Outcome, Reloads};
use super::stages::Built;
use crate::status::{Applied, Statuses, report};
use gatefold_dataplane::SocketKey;
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, Severity};
use gatefold_graph::Graph;
use gatefold_graph::gateway::{GatewayNode, ListenerNode, Protocol};
use gatefold_listen::{BindFailure, Failures};
use gatefold_manifest::Loaded;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Everything there is to show, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Which configuration was seen, is applied, couldn't be.
    pub generations: Generations,
    /// Whether the first load is in force.
    pub ready: bool,
    /// When the configuration in force was applied.
    pub applied_at: Option<SystemTime>,
    /// How reloads went.
    pub reloads: Reloads,
    /// The objects in force, and the files they came from.
    pub loaded: Arc<Loaded>,
    /// Their statuses.
    pub statuses: Statuses,
    /// All that is wrong, the worst first.
    pub diagnostics: Vec<Diagnostic>,
    /// What listens, and what should.
    pub listeners: Vec<ListenerState>,
}

impl Published {
    /// What follows when a graph is in force. It took `took` until then; what has changed, `changes` says.
    pub(super) fn followed_by(
        &self,
        built: Built,
        failures: Failures,
        took: Duration,
        changes: String,
    ) -> Published {
        let Built { loaded, graph, .. } = built;
        let (generation, now) = (self.generations.seen + 1, SystemTime::now());
        let outcome = outcome(&loaded, &graph);
        let mut reloads = self.reloads.clone();
        reloads.add(Finished {
            generation,
            outcome,
            at: now,
            took,
            changes,
        });
        let mut diagnostics = loaded.diagnostics.clone();
        diagnostics.extend(graph.diagnostics.iter().cloned());
        diagnostics.extend(graph.advice());
        let next = Published {
            generations: Generations {
                seen: generation,
                applied: generation,
                failed: match outcome {
                    Outcome::Success => self.generations.failed,
                    Outcome::Partial | Outcome::Failed => Some(generation),
                },
            },
            ready: true,
            applied_at: Some(now),
            reloads,
            loaded,
            statuses: Statuses::default(),
            diagnostics,
            listeners: Vec::new(),
        };
        next.reported(&graph, failures, &self.statuses)
    }

    /// What follows when sockets were bound, or couldn't be, between two reloads.
    pub(super) fn bound_again(&self, graph: &Graph, failures: Failures) -> Published {
        let mut next = self.clone();
        next.diagnostics.retain(|d| d.code != Code::BindFailed);
        next.reported(graph, failures, &self.statuses)
    }

    /// Adds statuses, listeners and diagnostics about sockets. Conditions keep the times of those before.
    fn reported(mut self, graph: &Graph, failures: Failures, before: &Statuses) -> Published {
        let applied = Applied { failed: failures };
        let now = time::OffsetDateTime::now_utc();
        self.statuses = report(graph, &applied, before, now);
        self.listeners = listeners(graph, &applied.failed);
        self.diagnostics
            .extend(bind_diagnostics(graph, &applied.failed));
        self.diagnostics
            .sort_by_key(|diagnostic| diagnostic.severity);
        self
    }

    /// The same, with a newer configuration that couldn't be put into force because of a panic.
    pub(super) fn failed(&self, panic: &str, took: Duration) -> Published {
        let mut next = self.clone();
        next.generations.seen += 1;
        next.generations.failed = Some(next.generations.seen);
        next.reloads.add(Finished {
            generation: next.generations.seen,
            outcome: Outcome::Failed,
            at: SystemTime::now(),
            took,
            changes: Changes::default().to_string(),
        });
        next.diagnostics.retain(|d| d.code != Code::ReloadFailed);
        let message = format!("the reload failed, which is a defect of gatefold: {panic}");
        let found = Diagnostic::new(Code::ReloadFailed, Place::Nowhere, message);
        next.diagnostics.insert(
            0,
            found.help("please report it with the manifests that cause it"),
        );
        next
    }
}

/// Whether all that the files say can be in force.
fn outcome(loaded: &Loaded, graph: &Graph) -> Outcome {
    let mut found = loaded.diagnostics.iter();
    let refused = found.any(|found| found.severity == Severity::Error);
    match refused || graph.keeps_last_good() {
        true => Outcome::Partial,
        false => Outcome::Success,
    }
}

/// Configurations are counted as they are seen, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generations {
    /// The newest one that was seen.
    pub seen: u64,
    /// The one in force, as far as it could be read; 0 before the first.
    pub applied: u64,
    /// The newest one that isn't in force, or only in part. As long as it is `seen`, what is served isn't all that
    /// the files say.
    pub failed: Option<u64>,
}

/// A listener and its sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerState {
    /// The Gateway, `namespace/name`.
    pub gateway: String,
    /// The listener's name; that of one in a ListenerSet is `namespace/listenerset/name`.
    pub name: String,
    /// `HTTP` or `HTTPS`, or nothing for a protocol that isn't served.
    pub protocol: Option<&'static str>,
    /// The hostname; any when absent.
    pub hostname: Option<String>,
    /// The port in the manifest.
    pub port: u16,
    /// The sockets it listens on.
    pub listening: Vec<SocketKey>,
    /// The sockets that couldn't be bound, and why.
    pub failed: Vec<(SocketKey, BindFailure)>,
    /// How many routes are attached.
    pub routes: u32,
}

impl ListenerState {
    /// What became of it: `listening`, `failed` (a socket of it couldn't be bound), or `rejected` (it can't be
    /// served as it is written).
    pub fn state(&self) -> &'static str {
        match (self.failed.is_empty(), self.listening.is_empty()) {
            (false, _) => "failed",
            (true, false) => "listening",
            (true, true) => "rejected",
        }
    }

    /// Whether both serve alike, however many routes they have.
    pub(super) fn serves_like(&self, other: &ListenerState) -> bool {
        let shape = |it: &ListenerState| (it.protocol, it.port, it.listening.clone());
        shape(self) == shape(other)
            && self.hostname == other.hostname
            && self.failed == other.failed
    }
}

pub(super) fn listeners(graph: &Graph, failures: &Failures) -> Vec<ListenerState> {
    each(graph)
        .map(|(gateway, listener)| {
            let failed: Vec<_> = listener
                .sockets
                .iter()
                .filter_map(|socket| Some((*socket, failures.get(socket)?.clone())))
                .collect();
            let listening = listener
                .sockets
                .iter()
                .filter(|socket| !failures.contains_key(socket));
            ListenerState {
                gateway: gateway.resource.key().to_string(),
                name: listener.full_name(),
                protocol: listener.protocol.map(|protocol| match protocol {
                    Protocol::Http => "HTTP",
                    Protocol::Https => "HTTPS",
                }),
                hostname: listener.hostname.as_ref().map(ToString::to_string),
                port: listener.port,
                listening: listening.copied().collect(),
                failed,
                routes: listener.attached_routes,
            }
        })
        .collect()
}

pub(super) fn bind_diagnostics(graph: &Graph, failures: &Failures) -> Vec<Diagnostic> {
    let found = each(graph).flat_map(|(_, listener)| {
        let failed = listener
            .sockets
            .iter()
            .filter_map(|socket| failures.get(socket));
        failed.map(move |failure| {
            let port = Pointer::spec()
                .key("listeners")
                .index(listener.index)
                .key("port");
            let place = listener.owner.place(port);
            let message = format!("listener `{}`: {}", listener.name, failure.message);
            Diagnostic::new(Code::BindFailed, place, message).about(listener.owner.id())
        })
    });
    found.collect()
}

fn each(graph: &Graph) -> impl Iterator<Item = (&GatewayNode, &ListenerNode)> {
    graph.gateways.values().flat_map(|gateway| {
        gateway
            .listeners
            .iter()
            .map(move |listener| (gateway, listener))
    })
}
