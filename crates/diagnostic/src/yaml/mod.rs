//! YAML as Kubernetes reads it: documents become trees whose nodes know their place in the file.
//!
//! In: the text of a file. Out: a [`Node`] for each document, and a diagnostic for what isn't YAML. It never knows
//! Kubernetes' kinds and fields.

mod alias;
mod document;
mod node;
mod parse;
mod scalar;
mod split;
mod syntax;

pub use alias::Budget;
pub use document::{document_json, parse_document};
pub use node::{Key, Node, Span, Value};
pub use parse::{DEPTH, Tree, parse};
pub use scalar::is_surprising_boolean;
pub use split::{Chunk, split};
