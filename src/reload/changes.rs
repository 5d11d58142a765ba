//! What differs between two configurations, for the log.

use super::ListenerState;
use gatefold_manifest::api::{NamespacedName, Object};
use gatefold_manifest::{Objects, PolicyKey, Resources, UnreadPolicy};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How many names of each sort are listed; further ones are counted.
const LISTED: usize = 5;

/// Objects or listeners that came, changed and went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: Vec<String>,
    /// Those that mean something else now.
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
        changes.of(&before.listener_sets, &after.listener_sets, spaced);
        changes.of(&before.http_routes, &after.http_routes, spaced);
        changes.of(&before.reference_grants, &after.reference_grants, spaced);
        changes.of(
            &before.backend_tls_policies,
            &after.backend_tls_policies,
            spaced,
        );
        changes.of(&before.services, &after.services, spaced);
        changes.of(&before.endpoint_slices, &after.endpoint_slices, spaced);
        changes.of(&before.endpoints, &after.endpoints, spaced);
        changes.of(&before.secrets, &after.secrets, spaced);
        changes.of(&before.config_maps, &after.config_maps, spaced);
        changes.of(&before.namespaces, &after.namespaces, named);
        changes.of(&before.pods, &after.pods, spaced);
        changes.of_policies(&before.unread_policies, &after.unread_policies);
        changes
    }

    /// From one set of listeners to the next. How many routes they have is no change of them.
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

    fn of<K: Ord, S: PartialEq>(
        &mut self,
        before: &Objects<K, Object<S>>,
        after: &Objects<K, Object<S>>,
        name: impl Fn(&K) -> String,
    ) {
        if Arc::ptr_eq(before, after) {
            return;
        }
        let shown = |key: &K, object: &Object<S>| format!("{} {}", object.kind, name(key));
        // Both are in the order of their keys, and nearly all objects are the very same: so two walks side by side
        // compare hardly a key.
        let mut before = before.iter().peekable();
        for (key, object) in after.iter() {
            if before
                .next_if(|(_, old)| Arc::ptr_eq(old, object))
                .is_some()
            {
                continue;
            }
            while let Some((gone, old)) = before.next_if(|(old, _)| *old < key) {
                self.removed.push(shown(gone, old));
            }
            match before.next_if(|(old, _)| *old == key) {
                None => self.added.push(shown(key, object)),
                Some((_, old)) if same(old, object) => {}
                Some(_) => self.changed.push(shown(key, object)),
            }
        }
        self.removed
            .extend(before.map(|(gone, old)| shown(gone, old)));
    }

    fn of_policies(
        &mut self,
        before: &Objects<PolicyKey, UnreadPolicy>,
        after: &Objects<PolicyKey, UnreadPolicy>,
    ) {
        if Arc::ptr_eq(before, after) {
            return;
        }
        for (key, policy) in after.iter() {
            match before.get(key) {
                None => self.added.push(key.to_string()),
                Some(old) if old.means_the_same(policy) => {}
                Some(_) => self.changed.push(key.to_string()),
            }
        }
        let gone = before.keys().filter(|key| !after.contains_key(key));
        self.removed.extend(gone.map(PolicyKey::to_string));
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

fn by_name(listeners: &[ListenerState]) -> BTreeMap<(&str, &str), &ListenerState> {
    let each = listeners.iter();
    each.map(|it| ((it.gateway.as_str(), it.name.as_str()), it))
        .collect()
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
            f.write_str("no changes")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_dataplane::SocketKey;
    use gatefold_manifest::Loader;

    /// The Services of a manifest, one for each letter.
    fn services(names: &str) -> Resources {
        let service = |name: char| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: '{name}'}}\nspec: {{ports: [{{port: 80}}]}}\n"
            )
        };
        let text: String = names.chars().map(service).collect();
        Loader::from_text("a.yaml", text).resources
    }

    #[test]
    fn objects_that_come_and_go_are_told_from_those_that_stay() {
        let names = |changes: &[String]| changes.join(" ").replace("Service default/", "");
        for (before, after, added, removed) in [
            ("bdf", "bdf", "", ""),
            ("bdf", "abcdefg", "a c e g", ""),
            ("abcdefg", "bdf", "", "a c e g"),
            ("abc", "xyz", "x y z", "a b c"),
            ("xyz", "abc", "a b c", "x y z"),
            ("", "a", "a", ""),
            ("a", "", "", "a"),
        ] {
            let changes = Changes::between(&services(before), &services(after));
            assert_eq!(names(&changes.added), added, "{before} to {after}");
            assert_eq!(names(&changes.removed), removed, "{before} to {after}");
            assert!(changes.changed.is_empty(), "{changes}");
        }
        let before = services("abc");
        let mut after = before.clone();
        let all = Arc::make_mut(&mut after.services);
        let b = all
            .get_mut(&NamespacedName::new("default", "b"))
            .expect("it is there");
        Arc::make_mut(b).meta.generation = 2;
        assert_eq!(names(&Changes::between(&before, &after).changed), "b");
    }

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
        assert_eq!(Changes::default().to_string(), "no changes");
    }

    #[test]
    fn listeners_differ_by_what_they_serve_and_not_by_their_routes() {
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
