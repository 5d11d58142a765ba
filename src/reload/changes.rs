//! What differs between two loads, for the log.

use crate::manifest::Resources;
use crate::manifest::api::{NamespacedName, Object};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How many names of each sort are listed; further ones are counted.
const LISTED: usize = 5;

/// Objects that came, changed and went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: Vec<String>,
    /// Those whose text means something else now.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
}

impl Changes {
    /// From one set of objects to the next.
    pub fn between(before: &Resources, after: &Resources) -> Self {
        let mut changes = Changes::default();
        let named = |name: &String| name.clone();
        let spaced = NamespacedName::to_string;
        changes.of(&before.gateway_classes, &after.gateway_classes, named);
        changes.of(&before.gateways, &after.gateways, spaced);
        changes.of(&before.http_routes, &after.http_routes, spaced);
        changes.of(&before.reference_grants, &after.reference_grants, spaced);
        changes.of(&before.services, &after.services, spaced);
        changes.of(&before.endpoint_slices, &after.endpoint_slices, spaced);
        changes.of(&before.endpoints, &after.endpoints, spaced);
        changes.of(&before.secrets, &after.secrets, spaced);
        changes.of(&before.config_maps, &after.config_maps, spaced);
        changes.of(&before.namespaces, &after.namespaces, named);
        changes.of(&before.pods, &after.pods, spaced);
        changes
    }

    fn of<K: Ord, S: PartialEq>(
        &mut self,
        before: &BTreeMap<K, Arc<Object<S>>>,
        after: &BTreeMap<K, Arc<Object<S>>>,
        name: impl Fn(&K) -> String,
    ) {
        for (key, object) in after {
            let shown = || format!("{} {}", object.kind, name(key));
            match before.get(key) {
                None => self.added.push(shown()),
                Some(old) if same(old, object) => {}
                Some(_) => self.changed.push(shown()),
            }
        }
        let gone = before.iter().filter(|(key, _)| !after.contains_key(key));
        self.removed
            .extend(gone.map(|(key, object)| format!("{} {}", object.kind, name(key))));
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// An object that only moved in its file is the same.
fn same<S: PartialEq>(one: &Arc<Object<S>>, other: &Arc<Object<S>>) -> bool {
    Arc::ptr_eq(one, other)
        || (one.meta == other.meta
            && one.spec == other.spec
            && one.api_version == other.api_version)
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
            f.write_str("no objects changed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
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
        assert_eq!(Changes::default().to_string(), "no objects changed");
    }
}
