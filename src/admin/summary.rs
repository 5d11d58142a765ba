//! The summary at `/status`.

use super::kubernetes::count_field;
use crate::reload::{ListenerState, Published, Reloads};
use gatefold_diagnostic::yaml::sharing_trees;
use gatefold_graph::stand_in::StandIns;
use gatefold_manifest::Kind;
use serde_json::{Map, Value, json};
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Summarizes the state of the daemon.
pub(super) fn summary(published: &Published) -> Value {
    let generations = &published.generations;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "ready": published.ready,
        "generation": {
            "seen": generations.seen,
            "applied": generations.applied,
            "failed": generations.failed,
        },
        "appliedAt": published.applied_at.and_then(instant),
        "reloads": reloads(&published.reloads),
        "counts": counts(published),
        "listeners": published.listeners.iter().map(listener_json).collect::<Vec<_>>(),
        "standIns": stand_ins(published),
        "diagnostics": sharing_trees(|| json!(published.diagnostics)),
    })
}

/// The stand-ins for objects that the folder lacks. Both lists are empty in production.
fn stand_ins(published: &Published) -> Value {
    let StandIns {
        echo, certificates, ..
    } = &published.found.stand_ins;
    let echo = echo
        .iter()
        .map(|(service, port)| format!("{service}:{port}"));
    let pairs = certificates.iter().flat_map(|it| it.pairs.keys());
    json!({
        "echo": echo.collect::<Vec<_>>(),
        "certificates": pairs.map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn counts(published: &Published) -> Value {
    let mut counts = Map::new();
    counts.insert("files".to_owned(), published.loaded.files.into());
    for kind in Kind::ALL.iter().copied() {
        if let Some(field) = count_field(kind) {
            let count = published.loaded.resources.objects(kind).len();
            counts.insert(field.to_owned(), count.into());
        }
    }
    Value::Object(counts)
}

fn reloads(reloads: &Reloads) -> Value {
    let last = reloads.last.as_ref().map(|last| {
        json!({
            "generation": last.generation,
            "result": last.outcome.as_str(),
            "at": instant(last.at),
            "seconds": last.took.as_secs_f64(),
            "changes": last.changes,
        })
    });
    json!({
        "success": reloads.succeeded,
        "partial": reloads.partial,
        "failed": reloads.failed,
        "last": last,
        "lastSuccessAt": reloads.last_success.and_then(instant),
    })
}

fn instant(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time).format(&Rfc3339).ok()
}

fn listener_json(listener: &ListenerState) -> Value {
    let failed = listener.failed.iter();
    let failed =
        failed.map(|(socket, why)| json!({"socket": socket.to_string(), "message": why.message}));
    let listening = listener.listening.iter().map(ToString::to_string);
    json!({
        "gateway": listener.gateway,
        "name": listener.name,
        "protocol": listener.protocol,
        "hostname": listener.hostname,
        "port": listener.port,
        "state": listener.sockets().as_str(),
        "listening": listening.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
        "routes": listener.routes,
    })
}
