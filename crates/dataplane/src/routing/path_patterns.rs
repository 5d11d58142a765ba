//! Regular expressions on paths that are searched together.
//!
//! In: patterns in order of precedence. Out: for a path, the positions of the patterns that match, in the same order.

use super::matcher::whole;
use hashbrown::HashMap;
use regex::{RegexSet, RegexSetBuilder};
use std::sync::Arc;

/// The memory limit of patterns that are searched together, in bytes, compiled. Well above the limit of one
/// [`pattern`](super::matcher::pattern).
const GROUP_BYTES: usize = 4 << 20;

/// What the lines of a text are, to which `^`, `$` and `.` of a pattern refer.
#[derive(Clone, Copy, Debug)]
pub enum PatternText {
    /// The whole path.
    Path,
    /// Each segment of the path: `^` also matches after a slash and `$` before one, and `.` matches no slash.
    Segments,
}

/// Regular expressions that are searched together in one pass over the path.
#[derive(Debug)]
struct PatternGroup {
    set: RegexSet,
    /// Pairs of the pattern's index in the set and its position, in order of precedence.
    uses: Box<[(u32, u32)]>,
}

/// Regular expressions on paths.
#[derive(Debug, Default)]
pub(super) struct PathPatterns(Vec<PatternGroup>);

impl PathPatterns {
    /// Compiles patterns, which must be in order of precedence.
    pub(super) fn new(patterns: &[Arc<str>], text: PatternText) -> Self {
        PathPatterns::in_groups(patterns, text, GROUP_BYTES)
    }

    fn in_groups(patterns: &[Arc<str>], text: PatternText, bytes: usize) -> Self {
        let uses: Vec<(&str, u32)> = patterns.iter().map(|it| &**it).zip(0..).collect();
        let mut groups = Vec::new();
        PatternGroup::build(&uses, text, bytes, &mut groups);
        PathPatterns(groups)
    }

    /// Calls `take` with the position of each pattern that matches, in order of precedence, until it returns a value.
    pub(super) fn find<T>(
        &self,
        path: &str,
        mut take: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        self.0.iter().find_map(|group| group.find(path, &mut take))
    }
}

impl PatternGroup {
    /// Puts all patterns, each with its position, in one group, or in several if one would be too big.
    fn build(
        uses: &[(&str, u32)],
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
        for (pattern, position) in uses {
            let place = *places.entry(*pattern).or_insert_with(|| {
                patterns.push(whole(pattern));
                patterns.len() as u32 - 1
            });
            numbered.push((place, *position));
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

    fn find<T>(&self, path: &str, take: &mut impl FnMut(usize) -> Option<T>) -> Option<T> {
        // `matches` allocates, `is_match` does not.
        if !self.set.is_match(path) {
            return None;
        }
        let matches = self.set.matches(path);
        let mut uses = self.uses.iter();
        uses.find_map(|(pattern, position)| {
            let is_match = matches.matched(*pattern as usize);
            is_match.then(|| take(*position as usize)).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(patterns: &PathPatterns, path: &str) -> Vec<usize> {
        let mut found = Vec::new();
        patterns.find(path, |position| {
            found.push(position);
            None::<()>
        });
        found
    }

    #[test]
    fn patterns_too_big_for_one_set_match_in_order() {
        let patterns: Vec<Arc<str>> = ["/aaaa", "/a{3,4}", "/a+", "/b"].map(Arc::from).into();
        let patterns = PathPatterns::in_groups(&patterns, PatternText::Path, 1_000);
        assert!(patterns.0.len() > 1, "the limit has no effect");
        assert_eq!(fits(&patterns, "/aaaa"), [0, 1, 2]);
    }

    #[test]
    fn invalid_pattern_matches_nothing_and_does_not_affect_others() {
        let patterns: Vec<Arc<str>> = ["/(a", "/b"].map(Arc::from).into();
        let patterns = PathPatterns::new(&patterns, PatternText::Path);
        assert!(fits(&patterns, "/a").is_empty());
        assert_eq!(fits(&patterns, "/b"), [1]);
    }
}
