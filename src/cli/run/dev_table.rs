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
    let mut shown = String::new();
    let mut missing = String::new();
    loop {
        rounds.borrow_and_update();
        let now = published.load_full();
        let next = table(&now, authority.as_deref());
        if next != shown {
            if shown.is_empty() {
                missing = missing_for_production(&now);
            }
            let missing = std::mem::take(&mut missing);
            let separator = if missing.is_empty() { "" } else { "\n" };
            let text = format!("{next}{separator}{missing}\n{END}\n\n");
            // A slow reader must not delay a reload, and a closed pipe isn't a reason to stop serving.
            let _ = tokio::task::spawn_blocking(move || print(text).is_ok()).await;
            shown = next;
        }
        if rounds.changed().await.is_err() {
            return;
        }
    }
}
