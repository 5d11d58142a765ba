//! What anchors and aliases may cost.

use super::node::{Node, Value};

/// How many values the aliases of a file may stand for.
const NODES: usize = 250_000;
/// How many bytes of text.
const BYTES: usize = 8 << 20;

/// What anchors and aliases may still add to a file.
#[derive(Clone, Debug)]
pub struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            nodes: NODES,
            bytes: BYTES,
        }
    }
}

impl Budget {
    /// Takes a value off; nothing when it is too large.
    pub(super) fn spend(&mut self, size: Size) -> Option<()> {
        self.nodes = self.nodes.checked_sub(size.nodes)?;
        self.bytes = self.bytes.checked_sub(size.bytes)?;
        Some(())
    }

    /// The limits, in words.
    pub(super) fn help() -> String {
        let bytes = BYTES >> 20;
        format!("they may stand for {NODES} values and {bytes} MiB of text; write the values out")
    }
}

/// A value that an alias may stand for.
pub(super) struct Anchored {
    pub node: Node,
    pub size: Size,
}

/// How large a value is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub nodes: usize,
    pub bytes: usize,
    /// How many levels of lists and mappings.
    pub height: usize,
}

impl Size {
    pub(super) fn of(node: &Node) -> Self {
        let mut size = Size::default();
        size.height = size.add(node);
        size
    }

    /// Counts a tree and tells its height.
    fn add(&mut self, node: &Node) -> usize {
        self.nodes += 1;
        match &node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => {
                self.bytes += text.len();
                0
            }
            Value::Sequence(items) => {
                let below = items.iter().map(|item| self.add(item)).max();
                1 + below.unwrap_or(0)
            }
            Value::Mapping(entries) => {
                let below = entries.iter().map(|(key, node)| {
                    self.bytes += key.name.len();
                    self.add(node)
                });
                1 + below.max().unwrap_or(0)
            }
        }
    }
}
