//! Limits on what anchors and aliases may expand to.

use super::node::{Node, Value};

/// How many values the aliases of a file may expand to.
const NODES: usize = 250_000;
/// How many bytes of text the aliases of a file may expand to.
const BYTES: usize = 8 << 20;

/// How much the anchors and aliases of a file may still expand to.
#[derive(Clone, Debug)]
pub struct AliasBudget {
    nodes: usize,
    bytes: usize,
}

impl Default for AliasBudget {
    fn default() -> Self {
        AliasBudget {
            nodes: NODES,
            bytes: BYTES,
        }
    }
}

impl AliasBudget {
    /// Subtracts a value. Returns `None` if it exceeds the budget.
    pub(super) fn spend(&mut self, size: Size) -> Option<()> {
        self.nodes = self.nodes.checked_sub(size.nodes)?;
        self.bytes = self.bytes.checked_sub(size.bytes)?;
        Some(())
    }

    /// The help text that states the limits.
    pub(super) fn help() -> String {
        let bytes = BYTES >> 20;
        format!("they may expand to {NODES} values and {bytes} MiB of text; write the values out")
    }
}

/// A value that aliases may refer to.
pub(super) struct Anchored {
    pub node: Node,
    pub size: Size,
}

/// The size of a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub nodes: usize,
    pub bytes: usize,
    /// The number of nested levels of lists and mappings.
    pub height: usize,
}

impl Size {
    pub(super) fn of(node: &Node) -> Self {
        let mut size = Size::default();
        size.height = size.add(node);
        size
    }

    /// Adds a tree and returns its height.
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
