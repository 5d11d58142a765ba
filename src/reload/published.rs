//! The configuration in force, as the admin API and the log show it.
//!
//! In: a graph and the sockets that could not be bound. Out: a [`Published`] with statuses, listeners and
//! diagnostics. A published value never changes; a new one replaces it.

use super::changes::Changes;
use super::outcome::{Finished, Outcome, Reloads};
use super::stages::Built;
use crate::environment::discovery::Found;
use crate::issuer_fetch;
use crate::render::add_origins;
use crate::status::{Applied, Statuses, report};
use gatefold_dataplane::SocketKey;
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, Severity};
use gatefold_graph::Graph;
use gatefold_graph::gateway::GatewayNode;
use gatefold_graph::listener::{ListenerNode, Protocol};
use gatefold_listen::{BindFailure, Failures};
use gatefold_manifest::Loaded;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Everything that the admin API shows, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The generations that were seen, applied and failed.
    pub generations: Generations,
    /// Whether the first load is in force.
    pub ready: bool,
    /// When the configuration in force was applied.
    pub applied_at: Option<SystemTime>,
    /// The counters of reloads.
    pub reloads: Reloads,
    /// The objects in force, with counts of the files they came from.
    pub loaded: Arc<Loaded>,
    /// The statuses of the objects.
    pub statuses: Statuses,
    /// All diagnostics, the most severe first.
    pub diagnostics: Vec<Diagnostic>,
    /// Those that may change between two reloads: about sockets and fetched keys.
    pub changing: Vec<Diagnostic>,
    /// All listeners, with the state of their sockets.
    pub listeners: Vec<ListenerState>,
    /// The graph in force.
    pub graph: Arc<Graph>,
    /// What was found outside the folder and is in force.
    pub found: Found,
}

impl Published {
    /// The value to publish once a graph is in force. The reload took `took`; `changes` summarizes the changed
    /// objects.
    pub(super) fn followed_by(
        &self,
        built: Built,
        failures: Failures,
        took: Duration,
        changes: String,
    ) -> Published {
        let Built {
            loaded,
            graph,
            found,
        } = built;
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
        add_origins(&mut diagnostics);
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
            changing: Vec::new(),
            listeners: Vec::new(),
            graph,
            found,
        };
        next.reported(failures, &self.statuses)
    }

    /// The value to publish after sockets were bound, or failed to, or keys were fetched, or not, between two reloads.
    pub(super) fn with_current_state(&self, failures: Failures) -> Published {
        let mut next = self.clone();
        let before = std::mem::take(&mut next.changing);
        next.diagnostics.retain(|it| !before.contains(it));
        next.reported(failures, &self.statuses)
    }

    /// Adds statuses, listeners, and diagnostics about sockets and fetched keys. A condition that hasn't changed keeps its transition
    /// time.
    fn reported(mut self, failures: Failures, before: &Statuses) -> Published {
        let graph = &*self.graph;
        let applied = Applied { failed: failures };
        let now = time::OffsetDateTime::now_utc();
        let mut found = bind_diagnostics(graph, &applied.failed);
        found.extend(issuer_fetch::diagnostics(graph));
        add_origins(&mut found);
        self.statuses = report(graph, &applied, before, now);
        self.listeners = listeners(graph, &applied.failed);
        self.diagnostics.extend(found.iter().cloned());
        self.changing = found;
        self.diagnostics
            .sort_by_key(|diagnostic| diagnostic.severity);
        self
    }

    /// The value to publish after a panic kept a newer configuration from being applied.
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
        let message = format!("the reload failed because of a defect in gatefold: {panic}");
        let found = Diagnostic::new(Code::ReloadFailed, Place::Nowhere, message);
        next.diagnostics.insert(
            0,
            found.help("please report it with the manifests that cause it"),
        );
        next
    }
}

/// The outcome of a reload that was applied: a success unless something could not be read.
fn outcome(loaded: &Loaded, graph: &Graph) -> Outcome {
    let mut found = loaded.diagnostics.iter();
    let refused = found.any(|found| found.severity == Severity::Error);
    if refused || graph.keeps_last_good() {
        Outcome::Partial
    } else {
        Outcome::Success
    }
}

/// The generations of the configuration. Each configuration that a reload sees has the next number, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generations {
    /// The newest generation.
    pub seen: u64,
    /// The generation in force, possibly without its unreadable parts. 0 before the first load.
    pub applied: u64,
    /// The newest generation that is not in force, or only in part. While it equals `seen`, the configuration in force
    /// differs from the files.
    pub failed: Option<u64>,
}

/// A listener, and what became of its sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerState {
    /// The Gateway, `namespace/name`.
    pub gateway: String,
    /// The listener's name. For a listener of a ListenerSet: `namespace/listenerset/name`.
    pub name: String,
    /// `HTTP` or `HTTPS`. `None` for a protocol that isn't served.
    pub protocol: Option<&'static str>,
    /// The hostname. `None` matches any hostname.
    pub hostname: Option<String>,
    /// The port in the manifest.
    pub port: u16,
    /// The sockets it listens on.
    pub listening: Vec<SocketKey>,
    /// The sockets that couldn't be bound, and why.
    pub failed: Vec<(SocketKey, BindFailure)>,
    /// The number of attached routes.
    pub routes: u32,
}

/// The state of a listener's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketsState {
    /// All sockets are bound.
    Listening,
    /// A socket could not be bound.
    Failed,
    /// The listener needs no socket, because its specification can't be served.
    Rejected,
}

impl SocketsState {
    /// The name in metrics and `/status`.
    pub fn as_str(self) -> &'static str {
        match self {
            SocketsState::Listening => "listening",
            SocketsState::Failed => "failed",
            SocketsState::Rejected => "rejected",
        }
    }
}

impl ListenerState {
    /// The state of its sockets.
    pub fn sockets(&self) -> SocketsState {
        if !self.failed.is_empty() {
            SocketsState::Failed
        } else if self.listening.is_empty() {
            SocketsState::Rejected
        } else {
            SocketsState::Listening
        }
    }

    /// Whether both are equal except for the number of routes.
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
                protocol: listener.protocol.map(Protocol::as_str),
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
