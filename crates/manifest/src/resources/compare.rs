//! What differs between the objects of two loads.
//!
//! Most objects of a reload are identical to those before: the loader keeps the objects of a file that it doesn't read
//! again. So objects are compared by address first.

use super::Objects;
use crate::kind::Resource;
use gatefold_diagnostic::ResourceId;
use std::sync::Arc;

/// An object that differs between two loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub change: Change,
    /// The object.
    pub id: ResourceId,
}

/// How an object differs between two loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the later load has it.
    Added,
    /// Both loads have it, with different content.
    Changed,
    /// Only the earlier load has it.
    Removed,
}

/// Whether two sets contain identical objects. Identical objects have the same names, so names aren't compared.
pub(super) fn are_identical<T: Resource>(one: &Objects<T>, other: &Objects<T>) -> bool {
    let mut pairs = one.values().zip(other.values());
    Arc::ptr_eq(one, other)
        || (one.len() == other.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other)))
}

/// Replaces a set by the earlier one if both contain identical objects.
pub(super) fn share<T: Resource>(now: &mut Objects<T>, before: &Objects<T>) {
    if are_identical(now, before) {
        *now = Arc::clone(before);
    }
}

/// Adds the differences between two sets. An object that only moved in its file doesn't differ.
pub(super) fn find<T: Resource>(
    before: &Objects<T>,
    after: &Objects<T>,
    differences: &mut Vec<Difference>,
) {
    if Arc::ptr_eq(before, after) {
        return;
    }
    let mut report = |change, object: &T| {
        let id = object.id();
        differences.push(Difference { change, id });
    };
    // Both sets are in the order of their keys, and most objects are identical, so this walk compares few keys.
    let mut before = before.iter().peekable();
    for (key, object) in after.iter() {
        let identical = before.next_if(|(_, old)| Arc::ptr_eq(old, object));
        if identical.is_some() {
            continue;
        }
        while let Some((_, old)) = before.next_if(|(old, _)| *old < key) {
            report(Change::Removed, old);
        }
        match before.next_if(|(old, _)| *old == key) {
            None => report(Change::Added, object),
            Some((_, old)) if old.has_same_content(object) => {}
            Some(_) => report(Change::Changed, object),
        }
    }
    before.for_each(|(_, old)| report(Change::Removed, old));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NamespacedName;
    use crate::{Loader, Resources};

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

    fn names(differences: &[Difference], change: Change) -> String {
        let found = differences.iter().filter(|it| it.change == change);
        let names: Vec<&str> = found.map(|it| it.id.name.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn finds_the_objects_that_were_added_removed_and_changed() {
        for (before, after, added, removed) in [
            ("bdf", "bdf", "", ""),
            ("bdf", "abcdefg", "a c e g", ""),
            ("abcdefg", "bdf", "", "a c e g"),
            ("abc", "xyz", "x y z", "a b c"),
            ("xyz", "abc", "a b c", "x y z"),
            ("", "a", "a", ""),
            ("a", "", "", "a"),
        ] {
            let found = services(after).differences(&services(before));
            assert_eq!(names(&found, Change::Added), added, "{before} to {after}");
            assert_eq!(
                names(&found, Change::Removed),
                removed,
                "{before} to {after}"
            );
            assert_eq!(names(&found, Change::Changed), "", "{before} to {after}");
        }
        let before = services("abc");
        let mut after = before.clone();
        let all = Arc::make_mut(&mut after.services);
        let b = all
            .get_mut(&NamespacedName::new("default", "b"))
            .expect("the Service exists");
        Arc::make_mut(b).meta.generation = 2;
        assert_eq!(names(&after.differences(&before), Change::Changed), "b");
    }
}
