//! The differences between two configurations, for the log and `/status`.

use super::ListenerState;
use gatefold_manifest::{Change, Resources};
use std::collections::BTreeMap;
use std::fmt;

/// The number of names to list for each sort of change. Further ones are only counted.
const LISTED: usize = 5;

/// The names of the objects or listeners that differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that only the later configuration has.
    pub added: Vec<String>,
    /// Those with different content.
    pub changed: Vec<String>,
    /// Those that only the earlier configuration has.
    pub removed: Vec<String>,
}

impl Changes {
    /// The changes from one set of objects to the next.
    pub fn between(before: &Resources, after: &Resources) -> Self {
        let mut changes = Changes::default();
        for difference in after.differences(before) {
            let names = match difference.change {
                Change::Added => &mut changes.added,
                Change::Changed => &mut changes.changed,
                Change::Removed => &mut changes.removed,
            };
            names.push(difference.id.to_string());
        }
        changes
    }

    /// The changes from one set of listeners to the next. The number of their routes doesn't count as a change.
    pub fn between_listeners(before: &[ListenerState], after: &[ListenerState]) -> Self {
        let (before, after) = (by_name(before), by_name(after));
        let shown = |(gateway, name): &(&str, &str)| format!("{gateway}/{name}");
        let mut changes = Changes::default();
        for (key, listener) in &after {
            match before.get(key) {
                None => changes.added.push(shown(key)),
                Some(old) if old.serves_like(listener) => {}
                Some(_) => changes.changed.push(shown(key)),
            }
        }
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        changes.removed.extend(gone.map(shown));
        changes
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

fn by_name(listeners: &[ListenerState]) -> BTreeMap<(&str, &str), &ListenerState> {
    let each = listeners.iter();
    each.map(|it| ((it.gateway.as_str(), it.name.as_str()), it))
        .collect()
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ];
        let mut first = true;
        for (word, names) in parts.into_iter().filter(|(_, names)| !names.is_empty()) {
            let listed = names.get(..LISTED).unwrap_or(names).join(", ");
            let more = match names.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let separator = if first { "" } else { "; " };
            write!(f, "{separator}{word} {listed}{more}")?;
            first = false;
        }
        if first {
            f.write_str("no changes")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_dataplane::SocketKey;

    #[test]
    fn lists_few_names_and_counts_the_others() {
        let changes = Changes {
            added: (1..=7).map(|n| format!("Service default/s{n}")).collect(),
            changed: vec!["Gateway default/g".to_owned()],
            removed: Vec::new(),
        };
        assert_eq!(
            changes.to_string(),
            "added Service default/s1, Service default/s2, Service default/s3, Service default/s4, \
             Service default/s5 and 2 more; changed Gateway default/g"
        );
        assert_eq!(Changes::default().to_string(), "no changes");
    }

    #[test]
    fn compares_listeners_without_the_number_of_their_routes() {
        let listener = |name: &str, port, routes| ListenerState {
            gateway: "default/edge".to_owned(),
            name: name.to_owned(),
            protocol: Some("HTTP"),
            hostname: None,
            port,
            listening: vec![SocketKey::tcp(([127, 0, 0, 1], port))],
            failed: Vec::new(),
            routes,
        };
        let before = [
            listener("a", 80, 1),
            listener("b", 81, 1),
            listener("c", 82, 1),
        ];
        let after = [
            listener("a", 80, 2),
            listener("b", 91, 1),
            listener("d", 83, 1),
        ];
        let changes = Changes::between_listeners(&before, &after);
        assert_eq!(
            changes.to_string(),
            "added default/edge/d; changed default/edge/b; removed default/edge/c"
        );
    }
}
