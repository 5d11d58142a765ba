//! Sets the watches of the operating system.

use super::WatchMessage;
use super::event::EventResult;
use super::scope::WatchScope;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::sync::mpsc;
use tracing::info;

/// Watches everything in a scope, and sends the events to `sender`. Also returns the errors for what can't be watched.
pub(super) fn watch(
    scope: &WatchScope,
    sender: mpsc::Sender<WatchMessage>,
) -> notify::Result<(RecommendedWatcher, Vec<notify::Error>)> {
    let send = move |event: EventResult| {
        if !is_reading(&event) {
            // Fails only if the watch thread has ended.
            let _ = sender.send(WatchMessage::Event(event));
        }
    };
    let mut watcher = RecommendedWatcher::new(send, Config::default())?;
    let mut errors = Vec::new();
    for folder in scope.surroundings() {
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => errors.push(error),
            // A folder that doesn't exist yet is noticed in its parent or by the next scan. A folder that may not be read
            // contains no manifests.
            _ => {}
        }
    }
    for folder in scope.folders() {
        match watcher.watch(folder, RecursiveMode::Recursive) {
            Ok(()) => {}
            Err(error) if is_not_found(&error) => {
                info!(path = %folder.display(), "doesn't exist; watching for it");
            }
            Err(error) => errors.push(error),
        }
    }
    Ok((watcher, errors))
}

/// Whether an event reports that a file was read. The scans and the loader cause many of these events.
fn is_reading(event: &EventResult) -> bool {
    let kind = event.as_ref().map(|event| event.kind);
    match kind {
        Ok(EventKind::Access(AccessKind::Close(AccessMode::Write))) => false,
        Ok(EventKind::Access(_)) => true,
        _ => false,
    }
}

fn is_not_found(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(io) => io.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
