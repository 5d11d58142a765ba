//! Splits a file into documents.
//!
//! A YAML document marker is at the start of a line and ends everything before it, even an open quoted string.
//! Therefore a file can be split before it is parsed: a syntax error affects only its document, and each document can
//! be parsed again on its own.

use std::ops::Range;

/// The text of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChunk {
    /// Its bytes in the file, including the comments and directives before it.
    pub bytes: Range<usize>,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Splits a file into documents. Documents with nothing but blank lines and comments are left out.
pub fn split(text: &str) -> Vec<DocumentChunk> {
    let mut chunks = Vec::new();
    let mut open = OpenDocument::at(0, 1);
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if is_marker(line, "---") && open.begun {
            open.close(offset, &mut chunks);
            open = OpenDocument::at(offset, index + 1);
        }
        if is_marker(line, "...") {
            open.close(end, &mut chunks);
            open = OpenDocument::at(end, index + 2);
        } else {
            open.see(line);
        }
        offset = end;
    }
    open.close(offset, &mut chunks);
    chunks
}

/// A document whose end hasn't been found yet.
struct OpenDocument {
    start: usize,
    line: usize,
    /// Whether its prefix of comments and directives has ended, so that the next `---` begins another document.
    begun: bool,
    content: bool,
}

impl OpenDocument {
    fn at(start: usize, line: usize) -> Self {
        OpenDocument {
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

    fn close(self, end: usize, chunks: &mut Vec<DocumentChunk>) {
        if self.content {
            chunks.push(DocumentChunk {
                bytes: self.start..end,
                line: self.line,
            });
        }
    }
}

/// Whether a line is a document marker: the three characters, followed by white space or the end of the line.
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
    fn splits_at_markers_at_the_start_of_a_line() {
        let text = "a: 1\n---\nb: 2\n--- # third\nc: |\n  ---\n  text\n";
        let expected = [
            ("a: 1\n", 1),
            ("---\nb: 2\n", 2),
            ("--- # third\nc: |\n  ---\n  text\n", 4),
        ];
        assert_eq!(parts(text), expected);
    }

    #[test]
    fn leaves_out_documents_with_only_comments() {
        assert_eq!(parts(""), []);
        assert_eq!(parts("\n# licence\n\n---\n---\n# only words\n---\n"), []);
        assert_eq!(parts("---\n---\na: 1\n"), [("---\na: 1\n", 2)]);
    }

    #[test]
    fn keeps_comments_and_directives_with_the_document_after_them() {
        let text = "# head\n%YAML 1.2\n---\na: 1\n...\n# tail\nb: 2";
        let expected = [
            ("# head\n%YAML 1.2\n---\na: 1\n...\n", 1),
            ("# tail\nb: 2", 6),
        ];
        assert_eq!(parts(text), expected);
    }

    #[test]
    fn does_not_split_at_a_value_that_begins_with_three_dashes() {
        assert_eq!(parts("---a: 1\n---b: 2\n").len(), 1);
    }

    #[test]
    fn accepts_a_byte_order_mark_and_windows_line_ends() {
        let text = "\u{feff}---\r\na: 1\r\n---\r\nb: 2\r\n";
        let expected = [("\u{feff}---\r\na: 1\r\n", 1), ("---\r\nb: 2\r\n", 3)];
        assert_eq!(parts(text), expected);
    }
}
