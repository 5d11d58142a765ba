//! Prints the table of `gatefold dev` to standard output, when it starts and when the table changes.

use crate::cli::print;
use crate::dev::{missing_for_production, table};
use crate::reload::{Published, Rounds};
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// The last line of a table.
const END: &str = "ready: an edit takes effect at once; Ctrl-C stops gatefold";

/// Prints the table, what is missing for production, and then the table whenever it changes. `authority` is the file of the
/// development CA. Call it once the first load is applied. It ends when the reload does.
pub(super) async fn print_changes(
    published: Arc<ArcSwap<Published>>,
    mut rounds: watch::Receiver<Rounds>,
    authority: Option<PathBuf>,
) {
    let mut printer = TablePrinter {
        shown: String::new(),
        authority,
    };
    loop {
        rounds.borrow_and_update();
        let now = published.load_full();
        // A large table and a slow reader must not delay a reload.
        let printed = tokio::task::spawn_blocking(move || {
            printer.print(&now);
            printer
        });
        // An error is a panic, which is logged.
        let Ok(next) = printed.await else { return };
        printer = next;
        if rounds.changed().await.is_err() {
            return;
        }
    }
}

/// Prints the table if it differs from the one that it has printed last.
struct TablePrinter {
    shown: String,
    authority: Option<PathBuf>,
}

impl TablePrinter {
    fn print(&mut self, now: &Published) {
        let next = table(now, self.authority.as_deref());
        if next == self.shown {
            return;
        }
        let missing = if self.shown.is_empty() {
            missing_for_production(now)
        } else {
            String::new()
        };
        let separator = if missing.is_empty() { "" } else { "\n" };
        // A closed pipe isn't a reason to stop serving.
        let _ = print(format_args!("{next}{separator}{missing}\n{END}\n\n"));
        self.shown = next;
    }
}
