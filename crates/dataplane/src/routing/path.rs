//! The paths of one hostname, compiled for lookup.
//!
//! In: the path conditions of all matches, in order of precedence. Out: for a path, the indexes of the matches that fit,
//! in the same order.

use super::matcher::{PathMatch, whole};
use hashbrown::{Equivalent, HashMap};
use regex::{RegexSet, RegexSetBuilder};
use std::ops::Range;
use std::sync::Arc;

/// The memory limit of patterns that are searched together, in bytes, compiled. Well above the limit of one
/// [`pattern`](super::matcher::pattern).
const GROUP_BYTES: usize = 4 << 20;

/// The paths of one hostname. Each maps to a range of indexes in the list of candidates, which is in order of precedence, so
/// entries with the same path are adjacent.
#[derive(Debug, Default)]
pub struct PathTable {
    exact: HashMap<Box<str>, EntryRange>,
    /// The length of the longest exact path, in bytes. A longer path is not even hashed.
    longest_exact: usize,
    patterns: Vec<PatternGroup>,
    prefixes: PrefixTree,
}

impl PathTable {
    /// Builds the table. The entries must be in order of precedence.
    pub(super) fn build<'e>(entries: impl Iterator<Item = (u32, &'e PathMatch)>) -> Self {
        let mut table = PathTable::default();
        let mut patterns = Vec::new();
        for (index, path) in entries {
            match path {
                PathMatch::Exact(path) => {
                    table.longest_exact = table.longest_exact.max(path.len());
                    table.exact.entry((**path).into()).or_default().push(index);
                }
                PathMatch::Prefix(path) => table.prefixes.insert(path, index),
                PathMatch::Regex(pattern) => patterns.push((Arc::clone(pattern), index)),
            }
        }
        table.patterns = PatternGroup::all(&patterns, PatternText::Path);
        table
    }

    /// Calls `take` with the entries whose path fits, in order of precedence, until it returns a value.
    pub(super) fn find<T>(
        &self,
        path: &str,
        mut take: impl FnMut(Range<usize>) -> Option<T>,
    ) -> Option<T> {
        if path.len() <= self.longest_exact
            && let Some(span) = self.exact.get(path)
            && let Some(taken) = take(span.range())
        {
            return Some(taken);
        }
        self.patterns
            .iter()
            .find_map(|group| group.find(path, &mut take))
            .or_else(|| self.prefixes.find(path, &mut take))
    }
}

/// A range of entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EntryRange {
    start: u32,
    length: u32,
}

impl EntryRange {
    /// Appends the next entry.
    pub(super) fn push(&mut self, index: u32) {
        if self.length == 0 {
            self.start = index;
        }
        debug_assert_eq!(
            index,
            self.start + self.length,
            "entries of one path are not adjacent"
        );
        self.length += 1;
    }

    /// Returns the positions of the entries.
    pub(super) fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

/// What the lines of a text are, to which `^`, `$` and `.` of a pattern refer.
#[derive(Clone, Copy, Debug)]
pub(super) enum PatternText {
    /// The whole path.
    Path,
    /// Each segment of the path: `^` also matches after a slash and `$` before one, and `.` matches no slash.
    Segments,
}

/// Regular expressions that are searched together in one pass over the path.
#[derive(Debug)]
pub(super) struct PatternGroup {
    set: RegexSet,
    /// Pairs of the pattern's index in the set and the entry's index in the list, in order of precedence.
    uses: Box<[(u32, u32)]>,
}

impl PatternGroup {
    /// Groups patterns, each with the position of its entry, in order of precedence.
    pub(super) fn all(uses: &[(Arc<str>, u32)], text: PatternText) -> Vec<PatternGroup> {
        let mut groups = Vec::new();
        PatternGroup::build(uses, text, GROUP_BYTES, &mut groups);
        groups
    }

    /// Puts all patterns in one group, or in several if one would be too big.
    fn build(
        uses: &[(Arc<str>, u32)],
        text: PatternText,
        bytes: usize,
        groups: &mut Vec<PatternGroup>,
    ) {
        if uses.is_empty() {
            return;
        }
        let mut places: HashMap<&str, u32> = HashMap::new();
        let mut patterns = Vec::new();
        let mut numbered = Vec::with_capacity(uses.len());
        for (pattern, index) in uses {
            let place = *places.entry(pattern).or_insert_with(|| {
                patterns.push(whole(pattern));
                patterns.len() as u32 - 1
            });
            numbered.push((place, *index));
        }
        let mut builder = RegexSetBuilder::new(&patterns);
        match text {
            PatternText::Path => {}
            PatternText::Segments => _ = builder.multi_line(true).line_terminator(b'/'),
        }
        match builder.size_limit(bytes).build() {
            Ok(set) => groups.push(PatternGroup {
                set,
                uses: numbered.into(),
            }),
            Err(_) => {
                // A single pattern that fails is not valid (`PathMatch::Regex`) and matches nothing.
                let (left, right) = uses.split_at(uses.len() / 2);
                if !left.is_empty() {
                    PatternGroup::build(left, text, bytes, groups);
                    PatternGroup::build(right, text, bytes, groups);
                }
            }
        }
    }

    /// Calls `take` with each entry whose pattern matches, in order of precedence, until it returns a value.
    pub(super) fn find<T>(
        &self,
        path: &str,
        take: &mut impl FnMut(Range<usize>) -> Option<T>,
    ) -> Option<T> {
        // `matches` allocates, `is_match` does not.
        if !self.set.is_match(path) {
            return None;
        }
        let matches = self.set.matches(path);
        self.uses
            .iter()
            .filter(|(pattern, _)| matches.matched(*pattern as usize))
            .find_map(|&(_, index)| {
                take(
                    EntryRange {
                        start: index,
                        length: 1,
                    }
                    .range(),
                )
            })
    }
}

/// Path prefixes as a tree of segments. All edges are in one hash map, so a step costs the same for any number of children.
/// A lookup ends at the deepest node, however long the path is.
#[derive(Debug)]
struct PrefixTree {
    /// The first node is the root. It stands for `/` and matches every path, including `*` (RFC 9112, section 3.2.4).
    nodes: Vec<PrefixNode>,
    edges: HashMap<PrefixEdge, u32>,
    /// The length of the longest segment, in bytes. A longer segment is not even hashed.
    longest: usize,
}

#[derive(Debug, Default)]
struct PrefixNode {
    entries: EntryRange,
    /// The parent node. The root is its own parent.
    parent: u32,
    has_children: bool,
}

/// An edge from a node to its child for a segment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PrefixEdge {
    parent: u32,
    segment: Box<str>,
}

/// A borrowed [`PrefixEdge`] for lookups. The fields are the same, so that both have the same hash.
#[derive(Hash)]
struct PrefixEdgeRef<'p> {
    parent: u32,
    segment: &'p str,
}

impl Equivalent<PrefixEdge> for PrefixEdgeRef<'_> {
    fn equivalent(&self, edge: &PrefixEdge) -> bool {
        self.parent == edge.parent && *self.segment == *edge.segment
    }
}

impl Default for PrefixTree {
    fn default() -> Self {
        PrefixTree {
            nodes: vec![PrefixNode::default()],
            edges: HashMap::new(),
            longest: 0,
        }
    }
}

impl PrefixTree {
    fn insert(&mut self, prefix: &str, index: u32) {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        // The text before the first slash is not a segment, and `/` has no segments.
        let node = prefix
            .split('/')
            .skip(1)
            .fold(0, |parent, segment| self.child(parent, segment));
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.entries.push(index);
        }
    }

    /// Returns the child of `parent` for a segment, and creates it if it does not exist.
    fn child(&mut self, parent: u32, segment: &str) -> u32 {
        if let Some(child) = self.edges.get(&PrefixEdgeRef { parent, segment }) {
            return *child;
        }
        let child = self.nodes.len() as u32;
        self.nodes.push(PrefixNode {
            parent,
            ..PrefixNode::default()
        });
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            node.has_children = true;
        }
        self.longest = self.longest.max(segment.len());
        let segment = segment.into();
        self.edges.insert(PrefixEdge { parent, segment }, child);
        child
    }

    /// Calls `take` from the deepest matching node up to the root: from the longest prefix to the shortest.
    fn find<T>(&self, path: &str, take: &mut impl FnMut(Range<usize>) -> Option<T>) -> Option<T> {
        let mut at = self.deepest(path);
        loop {
            let node = self.nodes.get(at as usize)?;
            if node.entries.length > 0
                && let Some(taken) = take(node.entries.range())
            {
                return Some(taken);
            }
            if at == 0 {
                return None;
            }
            at = node.parent;
        }
    }

    fn deepest(&self, path: &str) -> u32 {
        let mut at = 0;
        let mut rest = path.strip_prefix('/');
        while let Some(path) = rest
            && self
                .nodes
                .get(at as usize)
                .is_some_and(|it| it.has_children)
            && let Some((segment, tail)) = self.segment(path)
            && let Some(child) = self.edges.get(&PrefixEdgeRef {
                parent: at,
                segment,
            })
        {
            at = *child;
            rest = tail;
        }
        at
    }

    /// Splits off the first segment. `None` if it is longer than every known segment.
    fn segment<'p>(&self, path: &'p str) -> Option<(&'p str, Option<&'p str>)> {
        let mut near = path.bytes().take(self.longest + 1);
        match near.position(|it| it == b'/') {
            Some(end) => Some((path.get(..end)?, path.get(end + 1..))),
            None => (path.len() <= self.longest).then_some((path, None)),
        }
    }
}

#[cfg(test)]
mod tests;
