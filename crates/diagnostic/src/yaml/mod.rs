//! Parses YAML as Kubernetes does.
//!
//! In: the text of a file. Out: a tree of [`Node`]s with positions for each document, and a diagnostic for each YAML error.
//! Knows nothing about the kinds and fields of Kubernetes.

mod alias_budget;
mod mapping;
mod node;
mod parse;
mod reparse;
mod scalar;
mod split;
mod syntax;

pub use alias_budget::AliasBudget;
pub use node::{Key, Node, Span, Value};
pub use parse::{Tree, parse};
pub(crate) use reparse::with_object;
pub use reparse::{document_json, sharing_trees};
pub use scalar::plain as plain_value;
pub use split::{DocumentChunk, split};
