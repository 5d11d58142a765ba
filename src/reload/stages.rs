//! The expensive stages, load and build, with the state that they keep between reloads.
//!
//! In: wakes, and what was found outside the folder. Out: a graph, if anything has changed. Runs on a blocking
//! thread.

use super::log::ReloadLog;
use crate::environment::discovery::Found;
use crate::environment::settings::Settings;
use crate::environment::surroundings::Surroundings;
use crate::watch::Wake;
use gatefold_compile::Compiler;
use gatefold_graph::{Graph, build_after};
use gatefold_manifest::{ChangeHint, Loaded, Loader, SettlingFiles, Update};
use std::sync::Arc;
use std::time::Instant;

/// The state that is kept from one reload to the next.
pub(super) struct Stages {
    surroundings: Surroundings,
    loader: Loader,
    pub(super) log: ReloadLog,
    loaded: Arc<Loaded>,
    /// The newest graph.
    graph: Arc<Graph>,
    pub(super) compiler: Compiler,
}

/// A graph, with the inputs it was built from.
pub(super) struct Built {
    pub(super) loaded: Arc<Loaded>,
    pub(super) graph: Arc<Graph>,
    /// What was found outside the folder when it was built.
    pub(super) found: Found,
}

/// The result of scanning the files.
pub(super) struct ScanResult {
    /// The new graph. `None` if nothing has changed.
    pub(super) built: Option<Built>,
    /// When to scan again, because a file seems to be half-written.
    pub(super) rescan_at: Option<Instant>,
}

impl Stages {
    /// Creates the state. The loader skips files that are not settled; the watcher records their events in `settling`.
    pub(super) fn new(settings: Settings, settling: SettlingFiles) -> Self {
        Stages {
            loader: Loader::new(settings.roots.clone())
                .with_options(settings.load.clone())
                .with_settling_files(settling),
            compiler: Compiler::new(settings.sinks.clone(), settings.durations.clone()),
            surroundings: Surroundings::new(settings),
            log: ReloadLog::new(Instant::now()),
            loaded: Arc::default(),
            graph: Arc::default(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        self.surroundings.settings()
    }

    /// Loads the files that have changed and, if there are any, builds a new graph with what was found outside the folder.
    pub(super) fn load_and_build(&mut self, wake: &Wake, known: Found) -> ScanResult {
        let loaded = self.update(wake);
        let is_new = loaded.is_some();
        self.loaded = loaded.map_or_else(|| self.loaded.clone(), Arc::new);
        let asked = wake.requested || wake.discovered;
        ScanResult {
            built: (is_new || asked).then(|| self.build(known)),
            rescan_at: self.loader.recheck_at(),
        }
    }

    /// Loads the files that have changed. `None` if nothing differs.
    fn update(&mut self, wake: &Wake) -> Option<Loaded> {
        let changed = match &wake.changed {
            ChangeHint::Nothing => Update::Same,
            ChangeHint::Files(files) => self.loader.update_files(files),
            ChangeHint::Anything => self.loader.update(),
        };
        let scanned = match &wake.scan {
            // A full scan is newer than this one.
            Some(scan) if wake.changed != ChangeHint::Anything => {
                self.loader.update_from_scan(scan)
            }
            _ => Update::Same,
        };
        let due = self.loader.recheck_at();
        let is_due = due.is_some_and(|due| due <= Instant::now());
        let deferred = if is_due {
            self.loader.update_deferred()
        } else {
            Update::Same
        };
        let new = |update| match update {
            Update::New(loaded) => Some(loaded),
            Update::Same => None,
        };
        let texts = self.surroundings.settings().renders.take().into_iter();
        let rendered = texts.map(|(name, text)| self.loader.set_text(&name, text));
        let rendered: Vec<Update> = rendered.collect();
        // Each update includes the results of the earlier ones, so the last one counts.
        let updates = rendered.into_iter().rev();
        let mut updates = updates.chain([deferred, scanned, changed]);
        updates.find_map(new)
    }

    /// Builds a graph from the objects loaded last and what was found outside the folder.
    pub(super) fn build(&mut self, found: Found) -> Built {
        let environment = self
            .surroundings
            .environment(&self.loaded.resources, &found);
        let graph = build_after(&self.graph, &self.loaded.resources, &environment);
        self.graph = Arc::new(graph);
        Built {
            loaded: self.loaded.clone(),
            graph: self.graph.clone(),
            found,
        }
    }
}
