//! Finds the line and column of a [`Place`].

use super::{Document, Location, PathStep, Place, Pointer, Source};
use crate::yaml::{Node, Span, Value, with_object};
use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Weak};

impl Place {
    /// The file of the place. `None` if the place is in no file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Place::Nowhere => None,
            Place::File(path) => Some(path),
            Place::Bytes { source, .. } => Some(&source.path),
            Place::Field { document, .. } => Some(&document.source.path),
        }
    }

    /// The text at a location of this place.
    pub(super) fn text(&self, at: &Location) -> Option<&str> {
        let source = match self {
            Place::Nowhere | Place::File(_) => return None,
            Place::Bytes { source, .. } => source,
            Place::Field { document, .. } => &document.source,
        };
        source.text.get(at.bytes.clone())
    }

    /// Finds the line and column. Returns `None` for a place in no file and for a file as a whole.
    ///
    /// A field is found by parsing its document again. A scalar is located at its value, a list or a mapping at its
    /// key, and a missing field at the nearest enclosing field that exists.
    pub fn locate(&self) -> Option<Location> {
        match self {
            Place::Nowhere | Place::File(_) => None,
            Place::Bytes { source, bytes } => location(source, bytes),
            Place::Field { document, pointer } => {
                location(&document.source, &field(document, pointer))
            }
        }
    }
}

thread_local! {
    /// The ends of the lines of the file that was asked for last. Nearly always the next diagnostic is about the same file, and
    /// counting its lines each time would take time in proportion to the square of its length.
    static LINES: RefCell<(Weak<Source>, Vec<usize>)> = const { RefCell::new((Weak::new(), Vec::new())) };
}

/// The line of an offset, from 1.
fn line_of(source: &Arc<Source>, offset: usize) -> usize {
    LINES.with_borrow_mut(|(known, ends)| {
        if !known.upgrade().is_some_and(|it| Arc::ptr_eq(&it, source)) {
            *known = Arc::downgrade(source);
            *ends = source
                .text
                .match_indices('\n')
                .map(|(end, _)| end)
                .collect();
        }
        ends.partition_point(|end| *end < offset) + 1
    })
}

fn location(source: &Arc<Source>, bytes: &Span) -> Option<Location> {
    let bytes = first_line(&source.text, bytes.clone());
    let line = line_of(source, bytes.start);
    let line_start = source
        .text
        .get(..bytes.start)?
        .rfind('\n')
        .map_or(0, |end| end + 1);
    let before = source.text.get(line_start..bytes.start)?;
    let column = before.trim_start_matches('\u{feff}').chars().count() + 1;
    Some(Location {
        path: source.path.clone(),
        line,
        column,
        bytes,
    })
}

/// The part of a range on its first line, without trailing white space. Any range is clamped to the text and to
/// character boundaries.
fn first_line(text: &str, bytes: Range<usize>) -> Range<usize> {
    let mut start = bytes.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = bytes.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let line = text[start..end].split('\n').next().unwrap_or("");
    start..start + line.trim_end().len()
}

/// The bytes of a field of a document.
fn field(document: &Document, pointer: &Pointer) -> Span {
    let nothing = document.bytes.start..document.bytes.start;
    with_object(document, |object| match object {
        Some(object) => span_of(object, pointer),
        None => nothing,
    })
}

fn span_of(object: &Node, pointer: &Pointer) -> Span {
    if pointer.0.is_empty() {
        return name_span(object);
    }
    let (mut node, mut span) = (object, &object.span);
    for step in &pointer.0 {
        let Some((next, place)) = follow(node, step) else {
            break;
        };
        (node, span) = (next, place);
    }
    span.clone()
}

/// The value one step further in, and the span to show for it.
fn follow<'n>(node: &'n Node, step: &PathStep) -> Option<(&'n Node, &'n Span)> {
    match (step, &node.value) {
        (PathStep::Key(name), Value::Mapping(_)) => {
            let (key, value) = node.entry(name)?;
            let place = match value.value {
                Value::Null | Value::Sequence(_) | Value::Mapping(_) => &key.span,
                Value::Bool(_) | Value::Number(_) | Value::String(_) => &value.span,
            };
            Some((value, place))
        }
        (PathStep::Index(index), Value::Sequence(items)) => {
            items.get(*index).map(|item| (item, &item.span))
        }
        _ => None,
    }
}

/// The span to show for an object as a whole: that of its name.
fn name_span(object: &Node) -> Span {
    let name = object
        .field("metadata")
        .and_then(|metadata| metadata.field("name"));
    name.map_or(object.span.clone(), |name| name.span.clone())
}
