//! Where a file's documents begin and end.
//!
//! YAML's document markers stand at the start of a line and end whatever is open before them, even a
//! quoted string. So a file can be cut before it is parsed: a syntax error stays within its document,
//! and each document can be parsed again by itself.

use std::ops::Range;

/// The text of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes in the file, with the comments and directives before it.
    pub bytes: Range<usize>,
    /// The line it begins on, from 1.
    pub line: usize,
}

/// Cuts a file into documents. What holds no more than blank lines and comments is left out.
pub fn split(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut open = Open::at(0, 1);
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if is_marker(line, "---") && open.begun {
            open.close(offset, &mut chunks);
            open = Open::at(offset, index + 1);
        }
        if is_marker(line, "...") {
            open.close(end, &mut chunks);
            open = Open::at(end, index + 2);
        } else {
            open.see(line);
        }
        offset = end;
    }
    open.close(offset, &mut chunks);
    chunks
}

/// A document whose end isn't found yet.
struct Open {
    start: usize,
    line: usize,
    /// Past its prefix of comments and directives: a further `---` begins the next one.
    begun: bool,
    content: bool,
}

impl Open {
    fn at(start: usize, line: usize) -> Self {
        Open {
            start,
            line,
            begun: false,
            content: false,
        }
    }

    fn see(&mut self, line: &str) {
        let (line, marker) = match line.strip_prefix("---") {
            Some(rest) if is_marker(line, "---") => (rest, true),
            _ => (line, false),
        };
        let line = line.trim_ascii();
        let directive = !self.begun && line.starts_with('%');
        let content = !(line.is_empty() || line.starts_with('#') || directive);
        self.begun |= content || marker;
        self.content |= content;
    }

    fn close(self, end: usize, chunks: &mut Vec<Chunk>) {
        if self.content {
            chunks.push(Chunk {
                bytes: self.start..end,
                line: self.line,
            });
        }
    }
}

/// Whether a line is a document marker: the three characters, then nothing or white space.
fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::split;

    fn parts(text: &str) -> Vec<(&str, usize)> {
        let chunks = split(text);
        chunks
            .into_iter()
            .map(|chunk| (&text[chunk.bytes], chunk.line))
            .collect()
    }

    #[test]
    fn markers_at_the_start_of_a_line_separate_documents() {
        let text = "a: 1\n---\nb: 2\n--- # third\nc: |\n  ---\n  text\n";
        let expected = [
            ("a: 1\n", 1),
            ("---\nb: 2\n", 2),
            ("--- # third\nc: |\n  ---\n  text\n", 4),
        ];
        assert_eq!(parts(text), expected);
    }

    #[test]
    fn documents_of_nothing_or_comments_are_left_out() {
        assert_eq!(parts(""), []);
        assert_eq!(parts("\n# licence\n\n---\n---\n# only words\n---\n"), []);
        assert_eq!(parts("---\n---\na: 1\n"), [("---\na: 1\n", 2)]);
    }

    #[test]
    fn comments_and_directives_before_the_marker_belong_to_the_document() {
        let text = "# head\n%YAML 1.2\n---\na: 1\n...\n# tail\nb: 2";
        let expected = [
            ("# head\n%YAML 1.2\n---\na: 1\n...\n", 1),
            ("# tail\nb: 2", 6),
        ];
        assert_eq!(parts(text), expected);
    }

    #[test]
    fn a_value_that_begins_with_three_dashes_is_no_marker() {
        assert_eq!(parts("---a: 1\n---b: 2\n").len(), 1);
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
        let text = "\u{feff}---\r\na: 1\r\n---\r\nb: 2\r\n";
        let expected = [("\u{feff}---\r\na: 1\r\n", 1), ("---\r\nb: 2\r\n", 3)];
        assert_eq!(parts(text), expected);
    }
}
