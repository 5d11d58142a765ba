//! Parses the text of one object again.

use super::alias_budget::AliasBudget;
use super::node::{Node, item};
use super::parse::{self, Tree};
use crate::Document;
use crate::Findings;

/// Parses an object's text. Returns `None` if it has no such object.
pub(crate) fn parse_document(document: &Document) -> Option<Node> {
    let tree = parse::parse(
        document,
        &mut AliasBudget::default(),
        &mut Findings::default(),
    );
    let Tree::Node(root) = tree else {
        return None;
    };
    match document.item {
        None => Some(root),
        Some(index) => item(root, index),
    }
}

/// An object exactly as its file contains it, with unknown fields and without defaults.
pub fn document_json(document: &Document) -> Option<serde_json::Value> {
    parse_document(document).map(|object| object.to_json())
}
