//! The fields of a kind: what happens if a policy sets one.
//!
//! In: the table of a kind. Out: the fields of the table that a manifest sets. The table is also the source of the tables in
//! `docs/policies.md` and `docs/envoyproxy.md`, so the documentation can't differ from the code.

use crate::Decode;
use crate::Decoder;
use gatefold_diagnostic::Pointer;
use gatefold_diagnostic::yaml::{Node, Value};

/// A field of a policy.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicyField {
    /// Its path below `spec`: `tls.minVersion`.
    pub path: &'static str,
    /// What happens if a policy sets it.
    pub effect: FieldEffect,
}

/// What happens if a policy sets a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldEffect {
    /// The setting is served, and its value is decoded elsewhere. Contains what gatefold does, for the documentation.
    Served(&'static str),
    /// Like `Served`, but requests must not be served without the setting: a policy that can't be read closes its targets if it
    /// has the field.
    Guards(&'static str),
    /// The field protects the targets and isn't served, so their requests are answered 500.
    Closes,
    /// The targets are served without the setting. Contains what gatefold does instead.
    Ignored(&'static str),
}

/// A field that a manifest sets.
#[derive(Clone, Debug, PartialEq)]
pub struct SetField {
    /// The entry of the table.
    pub field: &'static PolicyField,
    /// The position in the object.
    pub pointer: Pointer,
}

/// A field of which only the presence is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untyped;

/// Makes a table of fields that are ignored: each path, and what gatefold does instead.
macro_rules! ignored {
    ($($path:literal $instead:literal,)+) => {
        &[$($crate::api::PolicyField { path: $path, effect: $crate::api::FieldEffect::Ignored($instead) },)+]
    };
}

pub(super) use ignored;

impl FieldEffect {
    /// Whether requests must not be served without the setting.
    pub fn guards(self) -> bool {
        matches!(self, FieldEffect::Closes | FieldEffect::Guards(_))
    }
}

impl Decode for Untyped {
    fn decode(_: &Node, _: &mut Decoder) -> Option<Self> {
        Some(Untyped)
    }
}

/// Collects the fields of a table that a mapping sets. Fields that aren't in the table are reported, except for those whose paths
/// are in `read`, which the caller decodes.
pub(super) fn collect(
    table: &'static [PolicyField],
    read: &[&'static str],
    node: &Node,
    decoder: &mut Decoder,
) -> Vec<SetField> {
    let mut found = Vec::new();
    let mut walk = Walk {
        table,
        read,
        found: &mut found,
    };
    walk.mapping(node, "", decoder);
    found
}

struct Walk<'w> {
    table: &'static [PolicyField],
    read: &'w [&'static str],
    found: &'w mut Vec<SetField>,
}

impl Walk<'_> {
    fn mapping(&mut self, node: &Node, prefix: &str, decoder: &mut Decoder) {
        let Value::Mapping(entries) = &node.value else {
            // The decoder of a group with served fields reports it, too.
            if !self.is_decoded(prefix) {
                decoder.wrong_type(node, "a mapping");
            }
            return;
        };
        for (key, value) in entries {
            let path = format!("{prefix}{}", key.name);
            if self.read.contains(&path.as_str()) {
                continue;
            }
            let below = format!("{path}.");
            if let Some(field) = self.table.iter().find(|it| it.path == path) {
                if value.value != Value::Null {
                    let pointer = decoder.pointer().key(key.name.clone());
                    self.found.push(SetField { field, pointer });
                }
            } else if self.paths().any(|it| it.starts_with(&below)) {
                if value.value != Value::Null {
                    decoder.within_key(key, |decoder| {
                        self.mapping(value, &below, decoder);
                        Some(())
                    });
                }
            } else {
                decoder.unknown_field(key, &self.known(prefix));
            }
        }
    }

    /// Whether a field below a path is served, so that its group is decoded elsewhere.
    fn is_decoded(&self, prefix: &str) -> bool {
        let mut below = self.table.iter().filter(|it| it.path.starts_with(prefix));
        let is_served = |effect| matches!(effect, FieldEffect::Served(_) | FieldEffect::Guards(_));
        !prefix.is_empty() && below.any(|it| is_served(it.effect))
    }

    /// Returns the names of the fields below a path, each once.
    fn known(&self, prefix: &str) -> Vec<&'static str> {
        let paths = self.paths().filter_map(|path| path.strip_prefix(prefix));
        let listed = paths.map(|rest| rest.split_once('.').map_or(rest, |(first, _)| first));
        let mut names: Vec<&str> = listed.collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The paths of all fields.
    fn paths(&self) -> impl Iterator<Item = &'static str> {
        let listed = self.table.iter().map(|it| it.path);
        listed.chain(self.read.iter().copied())
    }
}

/// Checks that the table of a kind in the documentation is that of the code. `UPDATE=1` writes it.
#[cfg(test)]
pub(super) fn check_documentation(kind: &str, table: &[PolicyField], page: &str) {
    let begin = format!("<!-- generated: fields of {kind} -->\n");
    let end = "<!-- end -->\n";
    let mut expected = "| field | effect |\n|---|---|\n".to_owned();
    for field in table {
        let effect = match field.effect {
            FieldEffect::Served(what) | FieldEffect::Guards(what) => format!("served: {what}"),
            FieldEffect::Closes => "closes the targets".to_owned(),
            FieldEffect::Ignored(instead) => format!("ignored: {instead}"),
        };
        expected.push_str(&format!("| `{}` | {effect} |\n", field.path));
    }
    let path = format!("{}/../../{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the documentation can be read");
    let (before, rest) = text.split_once(&begin).expect("the table has a beginning");
    let (written, after) = rest.split_once(end).expect("the table has an end");
    if std::env::var_os("UPDATE").is_some() {
        let text = format!("{before}{begin}{expected}{end}{after}");
        std::fs::write(&path, text).expect("the documentation can be written");
    } else {
        assert_eq!(
            written, expected,
            "update {page}: UPDATE=1 ./x test is_documented"
        );
    }
}
