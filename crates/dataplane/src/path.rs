//! The paths of one hostname, compiled.

use super::matcher::{PathMatch, whole};
use hashbrown::{Equivalent, HashMap};
use regex::{RegexSet, RegexSetBuilder};
use std::ops::Range;
use std::sync::Arc;

/// The memory that patterns searched together may take, compiled. Well above what one may, see
/// [`pattern`](super::matcher::pattern).
const GROUP_BYTES: usize = 4 << 20;

/// The paths of one hostname, and for each its entries: places in the router's list, where they stand in
/// order of precedence, those of one path side by side.
#[derive(Debug, Default)]
pub(super) struct PathTable {
    exact: HashMap<Box<str>, Span>,
    /// The length in bytes of the longest exact path. A longer one isn't even hashed.
    longest_exact: usize,
    patterns: Vec<PatternGroup>,
    prefixes: PrefixTree,
}

impl PathTable {
    /// Adds entries, which come in order of precedence.
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
        PatternGroup::build(&patterns, GROUP_BYTES, &mut table.patterns);
        table
    }

    /// Shows the entries whose path fits, in order of precedence, until `take` takes one.
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

/// A run of entries.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// Makes it longer by the entry that follows.
    fn push(&mut self, index: u32) {
        if self.length == 0 {
            self.start = index;
        }
        debug_assert_eq!(index, self.start + self.length, "alike entries stand apart");
        self.length += 1;
    }

    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

/// Regular expressions that are searched together, in one pass over the path.
#[derive(Debug)]
struct PatternGroup {
    set: RegexSet,
    /// In order of precedence the pattern's place in the set and the entry's in the list.
    uses: Box<[(u32, u32)]>,
}

impl PatternGroup {
    /// Puts all in one group; in several only when they are too big for one.
    fn build(uses: &[(Arc<str>, u32)], bytes: usize, groups: &mut Vec<PatternGroup>) {
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
        match RegexSetBuilder::new(&patterns).size_limit(bytes).build() {
            Ok(set) => groups.push(PatternGroup {
                set,
                uses: numbered.into(),
            }),
            Err(_) => {
                // A single one that fails isn't a pattern (`PathMatch::Regex`), and matches nothing.
                let (left, right) = uses.split_at(uses.len() / 2);
                if !left.is_empty() {
                    PatternGroup::build(left, bytes, groups);
                    PatternGroup::build(right, bytes, groups);
                }
            }
        }
    }

    fn find<T>(&self, path: &str, take: &mut impl FnMut(Range<usize>) -> Option<T>) -> Option<T> {
        // Asking which ones match allocates, asking whether any does not.
        if !self.set.is_match(path) {
            return None;
        }
        let matches = self.set.matches(path);
        self.uses
            .iter()
            .filter(|(pattern, _)| matches.matched(*pattern as usize))
            .find_map(|&(_, index)| {
                take(
                    Span {
                        start: index,
                        length: 1,
                    }
                    .range(),
                )
            })
    }
}

/// Path prefixes as a tree by segments. All edges are in one hash map, so that a step costs the same however
/// many children a node has; steps end with the deepest node, however long the path is.
#[derive(Debug)]
struct PrefixTree {
    /// The first one is the root, which stands for `/` and fits every path, also `*` (RFC 9112, section 3.2.4).
    nodes: Vec<Node>,
    edges: HashMap<Edge, u32>,
    /// The length in bytes of the longest segment. A longer one isn't even hashed.
    longest: usize,
}

#[derive(Debug, Default)]
struct Node {
    entries: Span,
    /// The node above; the root has itself.
    parent: u32,
    has_children: bool,
}

/// From a node to the one for a further segment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Edge {
    parent: u32,
    segment: Box<str>,
}

/// An [`Edge`] to look up. It must hash as `Edge` does, so the fields are alike.
#[derive(Hash)]
struct EdgeRef<'p> {
    parent: u32,
    segment: &'p str,
}

impl Equivalent<Edge> for EdgeRef<'_> {
    fn equivalent(&self, edge: &Edge) -> bool {
        self.parent == edge.parent && *self.segment == *edge.segment
    }
}

impl Default for PrefixTree {
    fn default() -> Self {
        PrefixTree {
            nodes: vec![Node::default()],
            edges: HashMap::new(),
            longest: 0,
        }
    }
}

impl PrefixTree {
    fn insert(&mut self, prefix: &str, index: u32) {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        // What stands before the first slash is no segment, and `/` itself has none.
        let node = prefix
            .split('/')
            .skip(1)
            .fold(0, |parent, segment| self.child(parent, segment));
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.entries.push(index);
        }
    }

    /// The node below `parent` for a segment, made when it isn't there.
    fn child(&mut self, parent: u32, segment: &str) -> u32 {
        if let Some(child) = self.edges.get(&EdgeRef { parent, segment }) {
            return *child;
        }
        let child = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent,
            ..Node::default()
        });
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            node.has_children = true;
        }
        self.longest = self.longest.max(segment.len());
        let segment = segment.into();
        self.edges.insert(Edge { parent, segment }, child);
        child
    }

    /// From the deepest node that fits up to the root, which is from the longest prefix to the shortest.
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
            && let Some(child) = self.edges.get(&EdgeRef {
                parent: at,
                segment,
            })
        {
            at = *child;
            rest = tail;
        }
        at
    }

    /// The first segment and what follows its slash; nothing when it is longer than any that is known.
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
