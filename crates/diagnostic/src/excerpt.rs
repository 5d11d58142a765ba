//! Chooses the source lines to show with a diagnostic. The result is short, however long the file and its lines are.

use super::clean::{clean, is_unprintable};
use super::secret;
use super::{Location, Place, Source};
use std::ops::Range;
use std::sync::Arc;

/// A line with more bytes than this is shown in part.
const LINE: usize = 400;
/// How many bytes of a long line are shown before and after a mark.
const AROUND: usize = 50;
/// Marks that are more bytes apart than this are shown in separate excerpts.
const APART: usize = 4 << 10;

/// A place in a text, and the caption to show there.
pub(super) struct Mark<'d> {
    location: Location,
    source: &'d Arc<Source>,
    hidden: bool,
    text: &'d str,
    primary: bool,
}

impl<'d> Mark<'d> {
    /// Returns `None` for a place that isn't in a text.
    pub(super) fn of(place: &'d Place, text: &'d str, primary: bool) -> Option<Self> {
        let source = match place {
            Place::Nowhere | Place::File(_) => return None,
            Place::Bytes { source, .. } => source,
            Place::Field { document, .. } => &document.source,
        };
        Some(Mark {
            location: place.locate()?,
            source,
            hidden: secret::is_confidential(place),
            text,
            primary,
        })
    }
}

/// Some lines of one file, with the marks in them.
pub(super) struct Excerpt {
    pub path: String,
    /// The first mark's line and column in the file.
    pub line: usize,
    pub column: usize,
    /// The lines. `None` if they are confidential.
    pub text: Option<String>,
    /// Whether the text begins in the middle of a line.
    pub cut: bool,
    /// The number of the text's first line.
    pub first_line: usize,
    pub annotations: Vec<Annotation>,
}

/// A mark within an excerpt's text.
pub(super) struct Annotation {
    pub bytes: Range<usize>,
    pub text: String,
    pub primary: bool,
}

/// Groups marks that are near each other into excerpts. The excerpt of the first mark comes first.
pub(super) fn excerpts(marks: &[Mark<'_>]) -> Vec<Excerpt> {
    let mut rest: Vec<&Mark<'_>> = marks.iter().collect();
    let mut excerpts = Vec::new();
    while let Some(first) = rest.first().copied() {
        let together = |mark: &&Mark<'_>| std::ptr::eq(*mark, first) || near(first, mark);
        let (group, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(together);
        excerpts.push(excerpt(first, &group));
        rest = others;
    }
    excerpts
}

fn near(a: &Mark<'_>, b: &Mark<'_>) -> bool {
    let short = |mark: &Mark<'_>| line(mark).len() <= LINE && !mark.hidden;
    let distance = a.location.bytes.start.abs_diff(b.location.bytes.start);
    Arc::ptr_eq(a.source, b.source) && distance <= APART && short(a) && short(b)
}

/// The bytes of the line that a mark is on.
fn line(mark: &Mark<'_>) -> Range<usize> {
    let text = &mark.source.text;
    let at = mark.location.bytes.start;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length);
    start..end
}

fn excerpt(first: &Mark<'_>, group: &[&Mark<'_>]) -> Excerpt {
    let lines = group.iter().map(|mark| line(mark));
    let mut shown = lines
        .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
        .unwrap_or(0..0);
    let whole = shown.clone();
    if group.len() == 1 && shown.len() > LINE {
        shown = window(&first.source.text, &first.location.bytes, &shown);
    }
    let mut text = printable(&first.source.text[shown.clone()]);
    let mut before = 0;
    if shown.start > whole.start {
        text.insert(0, '…');
        before = '…'.len_utf8();
    }
    if shown.end < whole.end {
        text.push('…');
    }
    let annotations = group.iter().map(|mark| {
        let bytes = &mark.location.bytes;
        let offset = |at: usize| at.clamp(shown.start, shown.end) - shown.start + before;
        Annotation {
            bytes: offset(bytes.start)..offset(bytes.end),
            text: clean(mark.text).into_owned(),
            primary: mark.primary,
        }
    });
    Excerpt {
        path: clean(&first.location.path.to_string_lossy()).into_owned(),
        line: first.location.line,
        column: first.location.column,
        first_line: group
            .iter()
            .map(|mark| mark.location.line)
            .min()
            .unwrap_or(1),
        annotations: annotations.collect(),
        cut: before > 0,
        text: (!first.hidden).then_some(text),
    }
}

/// The part of a long line to show around a mark.
fn window(text: &str, mark: &Range<usize>, line: &Range<usize>) -> Range<usize> {
    let end = mark.end.min(mark.start + LINE / 2) + AROUND;
    let mut start = mark.start.saturating_sub(AROUND).max(line.start);
    let mut end = end.min(line.end);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Replaces control characters. Byte offsets stay valid, because a replacement is as long as the character it
/// replaces. Line breaks and tabs are left to the renderer.
fn printable(text: &str) -> String {
    let replace = |character: char| match character {
        '\n' | '\t' | '\r' => character,
        _ if !is_unprintable(character) => character,
        _ => match character.len_utf8() {
            1 => '?',
            2 => '·',
            _ => '\u{fffd}',
        },
    };
    text.chars().map(replace).collect()
}
