//! Parses the text of a document into a tree of [`Node`]s.
//!
//! In: the text of one document. Out: the tree, and a diagnostic for every problem. The depth and the size of the tree
//! are bounded here, so later stages can recurse over it and copy it safely.

use super::alias_budget::{AliasBudget, Anchored, Size};
use super::mapping::{KeyState, MappingFrame};
use super::node::{Key, Node, Span, Value};
use super::scalar;
use super::syntax;
use crate::Findings;
use crate::{Code, Diagnostic, Document, Place};
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep a document may be nested after aliases are expanded. Real manifests are far below this.
pub(super) const DEPTH: usize = 64;
/// How many values a document may have. A `List` of 10,000 HTTPRoutes has about half as many.
const NODES: usize = 1_000_000;

/// The result of parsing a document.
#[derive(Debug)]
pub enum Tree {
    /// The document has no value.
    Empty,
    /// The value. It may have problems such as duplicate keys.
    Node(Node),
    /// The document can't be read to its end.
    Broken,
}

/// Parses a document and reports its problems to `findings`.
pub fn parse(document: &Document, budget: &mut AliasBudget, findings: &mut Findings) -> Tree {
    let Some(text) = document.source.text.get(document.bytes.clone()) else {
        return Tree::Empty;
    };
    let mut builder = TreeBuilder {
        document,
        budget,
        findings,
        frames: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
    };
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: 2 * DEPTH,
        block_nesting_limit: 2 * DEPTH,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let read = match event {
            Ok((event, span)) => builder.read(event, span),
            Err(error) => {
                let offset = error.marker().byte_offset().unwrap_or(0);
                let found = syntax::explain(document, offset, error.kind());
                builder.findings.push(found);
                None
            }
        };
        if read.is_none() {
            return Tree::Broken;
        }
    }
    builder.root.map_or(Tree::Empty, Tree::Node)
}

/// Builds the tree from the parser's events.
struct TreeBuilder<'d> {
    document: &'d Document,
    budget: &'d mut AliasBudget,
    findings: &'d mut Findings,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
}

/// A list or a mapping whose end hasn't been reached.
struct Frame {
    start: usize,
    anchor: usize,
    flow: bool,
    /// The end of the last value in it.
    end: usize,
    content: FrameContent,
}

enum FrameContent {
    Sequence(Vec<Node>),
    Mapping(MappingFrame),
}

impl TreeBuilder<'_> {
    /// Handles one event. `None` ends the document; the reason has been reported.
    fn read(&mut self, event: Event<'_>, span: granit_parser::Span) -> Option<()> {
        let base = self.document.bytes.start;
        let bytes = span.byte_range().unwrap_or(0..0);
        let bytes = base + bytes.start..base + bytes.end;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), &bytes);
                let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
                self.finish(value, bytes, anchor, plain.then_some(&*text))
            }
            Event::SequenceStart(style, anchor, _) => {
                self.begin(bytes, anchor, style, FrameContent::Sequence(Vec::new()))
            }
            Event::MappingStart(style, anchor, _) => {
                let content = FrameContent::Mapping(MappingFrame::default());
                self.begin(bytes, anchor, style, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes.end),
            Event::Alias(id) => self.alias(id, bytes),
            Event::UnresolvedAlias(name) => {
                let message = format!("there is no anchor `&{name}` before the alias `*{name}`");
                self.report(Code::UndefinedAlias, &bytes, message);
                self.finish(Value::Null, bytes, 0, None)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "another document begins here without a line `---` before it";
                self.report(Code::Syntax, &bytes, message.to_owned());
                None
            }
            _ => Some(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Value {
        let Some(tag) = tag else {
            return match style {
                ScalarStyle::Plain => scalar::plain(text),
                _ => Value::String(text.to_owned()),
            };
        };
        let known = tag.suffix_in_namespace("tag:yaml.org,2002:");
        // Kubernetes ignores application-specific tags: it reads the text as a string.
        let kind = known.unwrap_or(Cow::Borrowed("str"));
        scalar::tagged(&kind, text).unwrap_or_else(|| {
            let message = format!("`{text}` can't be read as `{}`", tag.original());
            self.report(Code::WrongType, span, message);
            Value::Null
        })
    }

    fn begin(
        &mut self,
        span: Span,
        anchor: usize,
        style: granit_parser::StructureStyle,
        content: FrameContent,
    ) -> Option<()> {
        if self.frames.len() >= DEPTH {
            self.report(Code::TooDeep, &span, syntax::too_deep());
            return None;
        }
        self.frames.push(Frame {
            start: span.start,
            end: span.start,
            anchor,
            flow: matches!(style, granit_parser::StructureStyle::Flow),
            content,
        });
        Some(())
    }

    fn end(&mut self, end: usize) -> Option<()> {
        let frame = self.frames.pop()?;
        // The parser ends a block where the next one begins. The real end is that of its last value.
        let end = if frame.flow { end } else { frame.end };
        let value = match frame.content {
            FrameContent::Sequence(items) => Value::Sequence(items),
            FrameContent::Mapping(mapping) => self.merge(mapping),
        };
        self.finish(value, frame.start..end.max(frame.start), frame.anchor, None)
    }

    /// Adds a complete value to its parent. `plain` is its text if it is a scalar without quotes and without a tag.
    fn finish(
        &mut self,
        value: Value,
        span: Span,
        anchor: usize,
        plain: Option<&str>,
    ) -> Option<()> {
        self.nodes += 1;
        if self.nodes > NODES {
            let message = format!("the document has more than {NODES} values");
            self.report(Code::TooLarge, &span, message);
            return None;
        }
        let node = Node { span, value };
        if anchor != 0 {
            self.remember(anchor, &node)?;
        }
        self.place(node, plain);
        Some(())
    }

    fn place(&mut self, node: Node, plain: Option<&str>) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.end = frame.end.max(node.span.end);
        let mapping = match &mut frame.content {
            FrameContent::Sequence(items) => return items.push(node),
            FrameContent::Mapping(mapping) => mapping,
        };
        match std::mem::take(&mut mapping.state) {
            KeyState::Awaited => {
                let state = self.key(node, plain);
                if let Some(FrameContent::Mapping(mapping)) =
                    self.frames.last_mut().map(|frame| &mut frame.content)
                {
                    mapping.state = state;
                }
            }
            KeyState::Read(key) => {
                if let Err((key, first)) = mapping.insert(key, node) {
                    self.duplicate(key, first);
                }
            }
            KeyState::Merge => mapping.merged.push(node),
            KeyState::Unusable => {}
        }
    }

    fn key(&mut self, node: Node, plain: Option<&str>) -> KeyState {
        if plain == Some("<<") {
            return KeyState::Merge;
        }
        let name = match node.value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => {
                if let Some(word) = plain.filter(|word| scalar::is_surprising_boolean(word)) {
                    self.boolean_key(&node.span, word, value);
                }
                value.to_string()
            }
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => {
                let message = format!("a key can't be {}", node.value.describe());
                self.report(Code::WrongType, &node.span, message);
                return KeyState::Unusable;
            }
        };
        KeyState::Read(Key {
            span: node.span,
            name,
        })
    }

    fn boolean_key(&mut self, span: &Span, word: &str, value: bool) {
        let message = format!("the key `{word}` is a boolean to Kubernetes: it reads `{value}`");
        self.report(Code::BooleanKey, span, message).help =
            Some(format!("quote it if `{word}` is meant: `\"{word}\":`"));
    }

    fn duplicate(&mut self, key: Key, first: Span) {
        let place = self.at(&first);
        let message = format!("the key `{}` appears twice in one mapping", key.name);
        let found = self.report(Code::DuplicateKey, &key.span, message);
        found.caption = "repeated here".to_owned();
        found.labels.push(crate::Label {
            place,
            text: "first here".to_owned(),
        });
    }

    /// Adds the merged entries of `<<`. The mapping's own keys take precedence, then the first merged mapping with a key.
    fn merge(&mut self, mut mapping: MappingFrame) -> Value {
        for node in std::mem::take(&mut mapping.merged) {
            let span = node.span.clone();
            let parts = match node.value {
                Value::Sequence(items) => items,
                _ => vec![node],
            };
            for part in parts {
                let Value::Mapping(entries) = part.value else {
                    let message = "`<<` merges mappings only".to_owned();
                    self.report(Code::WrongType, &span, message);
                    continue;
                };
                for (key, node) in entries {
                    let _ = mapping.insert(key, node);
                }
            }
        }
        Value::Mapping(mapping.entries)
    }

    /// Keeps a copy of an anchored value, within the budget for aliases.
    fn remember(&mut self, anchor: usize, node: &Node) -> Option<()> {
        let size = Size::of(node);
        self.spend(size, &node.span)?;
        let node = node.clone();
        self.anchors.insert(anchor, Anchored { node, size });
        Some(())
    }

    fn alias(&mut self, id: usize, span: Span) -> Option<()> {
        let Some(anchored) = self.anchors.remove(&id) else {
            let message = "the alias is part of the value that it refers to".to_owned();
            self.report(Code::UndefinedAlias, &span, message);
            return None;
        };
        if self.frames.len() + anchored.size.height > DEPTH {
            self.report(Code::TooDeep, &span, syntax::too_deep());
            return None;
        }
        self.spend(anchored.size, &span)?;
        let value = anchored.node.value.clone();
        self.anchors.insert(id, anchored);
        // The parts of the value keep the positions of the anchored value; the value as a whole has that of the alias.
        self.finish(value, span, 0, None)
    }

    fn spend(&mut self, size: Size, span: &Span) -> Option<()> {
        let spent = self.budget.spend(size);
        if spent.is_none() {
            let message = "the file's anchors and aliases expand to too much".to_owned();
            self.report(Code::TooLarge, span, message).help = Some(AliasBudget::help());
        }
        spent
    }

    fn at(&self, span: &Span) -> Place {
        Place::Bytes {
            source: self.document.source.clone(),
            bytes: span.clone(),
        }
    }

    fn report(&mut self, code: Code, span: &Span, message: String) -> &mut Diagnostic {
        let place = self.at(span);
        self.findings.push(Diagnostic::new(code, place, message))
    }
}
