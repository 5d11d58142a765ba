//! Escaping: what a client sends must not end a line or a value of the log.

use std::io::Write as _;

/// Appends bytes to a line of text. Quotation marks, backslashes and everything that isn't printable ASCII is escaped, so a
/// value never ends a quoted field or a line, and never contains a control sequence for a terminal.
pub fn escape_text(bytes: &[u8], line: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'"' => line.extend_from_slice(b"\\\""),
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            b' '..=b'~' => line.push(*byte),
            // Writing to a vector can't fail.
            _ => _ = write!(line, "\\x{byte:02x}"),
        }
    }
}

/// Appends bytes to a JSON string (RFC 8259, section 7), without its quotation marks. Bytes that aren't UTF-8 become U+FFFD.
/// Control characters are escaped, including those that JSON permits.
pub fn escape_json(bytes: &[u8], line: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => line.extend_from_slice(b"\\\""),
                '\\' => line.extend_from_slice(b"\\\\"),
                '\n' => line.extend_from_slice(b"\\n"),
                '\r' => line.extend_from_slice(b"\\r"),
                '\t' => line.extend_from_slice(b"\\t"),
                ' '..='~' => line.push(character as u8),
                // Writing to a vector can't fail. The line separators of JavaScript end a line for some readers.
                '\u{2028}' | '\u{2029}' => _ = write!(line, "\\u{:04x}", u32::from(character)),
                _ if character.is_control() => _ = write!(line, "\\u{:04x}", u32::from(character)),
                _ => _ = write!(line, "{character}"),
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut line = Vec::new();
        escape_text(bytes, &mut line);
        String::from_utf8(line).expect("ASCII")
    }

    fn json(bytes: &[u8]) -> String {
        let mut line = Vec::new();
        escape_json(bytes, &mut line);
        String::from_utf8(line).expect("UTF-8")
    }

    #[test]
    fn a_value_ends_neither_a_line_nor_a_field() {
        assert_eq!(
            text(b"a\"\nb\\\x1b[2J\xc3\xa4"),
            r#"a\"\nb\\\x1b[2J\xc3\xa4"#
        );
        assert_eq!(
            json("a\"\nb\\\x1b[2Jä\u{85}\u{2028}".as_bytes()),
            r#"a\"\nb\\\u001b[2Jä\u0085\u2028"#
        );
        assert_eq!(json(b"a\xffb"), "a\u{fffd}b");
    }
}
