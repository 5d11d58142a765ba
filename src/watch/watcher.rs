//! Setting the system's watches.

use super::scope::Scope;
use super::{Event, Told};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::sync::mpsc;
use tracing::info;

/// Watches all of a scope, as far as it can be watched, and tells `sender`; also says what couldn't be.
pub(super) fn watching(
    scope: &Scope,
    sender: mpsc::Sender<Told>,
) -> notify::Result<(RecommendedWatcher, Vec<notify::Error>)> {
    let tell = move |event: Event| {
        if !is_reading(&event) {
            // The thread has ended, and with it the program's interest.
            let _ = sender.send(Told::Event(event));
        }
    };
    let mut watcher = RecommendedWatcher::new(tell, Config::default())?;
    let mut errors = Vec::new();
    for folder in scope.surroundings() {
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => errors.push(error),
            // One that isn't there yet is seen from its parent, or by the next look; one that is closed to us is none
            // of our folders.
            _ => {}
        }
    }
    for folder in scope.folders() {
        match watcher.watch(folder, RecursiveMode::Recursive) {
            Ok(()) => {}
            Err(error) if is_not_found(&error) => {
                info!(path = %folder.display(), "isn't there; watching for it");
            }
            Err(error) => errors.push(error),
        }
    }
    Ok((watcher, errors))
}

/// Our own look at the files is an event, too, and there are many of them.
fn is_reading(event: &Event) -> bool {
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
