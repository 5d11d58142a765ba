//! One object's own text, read again.

use super::alias::Budget;
use super::node::{Node, item};
use super::parse::{self, Tree};
use crate::Document;
use crate::Findings;

/// The tree of an object, parsed again from its text.
pub fn parse_document(document: &Document) -> Option<Node> {
    let tree = parse::parse(document, &mut Budget::default(), &mut Findings::default());
    let Tree::Node(root) = tree else {
        return None;
    };
    match document.item {
        None => Some(root),
        Some(index) => item(root, index),
    }
}

/// An object as it stands in its file, whatever its fields; nothing has been filled in.
pub fn document_json(document: &Document) -> Option<serde_json::Value> {
    parse_document(document).map(|object| object.to_json())
}
