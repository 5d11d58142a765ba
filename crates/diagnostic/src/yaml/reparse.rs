//! Parses the text of one object again.

use super::alias_budget::AliasBudget;
use super::node::{Node, item};
use super::parse::{self, Tree};
use crate::Document;
use crate::Findings;
use crate::Source;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Weak};

thread_local! {
    /// The list that was parsed last. `None` outside of [`sharing_trees`].
    static LAST: RefCell<Option<ParsedList>> = const { RefCell::new(None) };
}

/// The tree of a document with a list of objects.
#[derive(Default)]
struct ParsedList {
    source: Weak<Source>,
    bytes: Range<usize>,
    root: Option<Node>,
}

/// Locates or renders diagnostics with fewer parses: while `run` runs on this thread, the tree of a `kind: List` is kept for the
/// next object of the same list. Otherwise a list with a problem in each object would be parsed once for each of them.
pub fn sharing_trees<T>(run: impl FnOnce() -> T) -> T {
    /// Drops the tree, which may be large, also after a panic.
    struct Forget(Option<ParsedList>);
    impl Drop for Forget {
        fn drop(&mut self) {
            LAST.set(self.0.take());
        }
    }
    let outer = LAST.replace(Some(ParsedList::default()));
    let _forget = Forget(outer);
    run()
}

/// Calls `read` with an object as its text has it, or with `None` if there is no such object.
pub(crate) fn with_object<T>(document: &Document, read: impl FnOnce(Option<&Node>) -> T) -> T {
    let Some(index) = document.item else {
        return read(parse_root(document).as_ref());
    };
    LAST.with_borrow_mut(|last| {
        let Some(last) = last else {
            let root = parse_root(document);
            return read(root.as_ref().and_then(|root| item(root, index)));
        };
        let same = last.source.upgrade();
        let same = same.is_some_and(|source| Arc::ptr_eq(&source, &document.source));
        if !same || last.bytes != document.bytes {
            *last = ParsedList {
                source: Arc::downgrade(&document.source),
                bytes: document.bytes.clone(),
                root: parse_root(document),
            };
        }
        read(last.root.as_ref().and_then(|root| item(root, index)))
    })
}

fn parse_root(document: &Document) -> Option<Node> {
    let tree = parse::parse(
        document,
        &mut AliasBudget::default(),
        &mut Findings::default(),
    );
    match tree {
        Tree::Node(root) => Some(root),
        Tree::Empty | Tree::Broken => None,
    }
}

/// An object exactly as its file contains it, with unknown fields and without defaults.
pub fn document_json(document: &Document) -> Option<serde_json::Value> {
    with_object(document, |object| object.map(Node::to_json))
}
