//! Makes text that may quote a manifest safe to print.

use std::borrow::Cow;

/// How many characters of a message are shown.
const LENGTH: usize = 600;

/// Makes a message that may quote a manifest safe to print: bounded in length, on one line, without control
/// characters.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let text = cut(text);
    if !text.chars().any(is_unprintable) {
        return text;
    }
    let escaped = text.chars().map(|character| {
        if is_unprintable(character) {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    });
    Cow::Owned(escaped.collect())
}

/// Truncates a text that is too long to be read.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Whether a character is a control character or changes the direction of writing.
pub(super) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters() {
        assert_eq!(
            clean("a\u{1b}[31mb\nc\u{9b}d\u{202e}"),
            "a\\u{1b}[31mb\\nc\\u{9b}d\\u{202e}"
        );
        assert_eq!(clean("plain `ü`"), "plain `ü`");
    }

    #[test]
    fn truncates_a_long_text() {
        assert_eq!(clean(&"ü".repeat(10_000)).chars().count(), LENGTH + 1);
    }
}
