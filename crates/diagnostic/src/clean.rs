use std::borrow::Cow;

/// How many characters of a message are shown.
const LENGTH: usize = 600;

/// A text of ours that may quote the user's, fit to be printed: of bounded length, on one line, and with
/// nothing in it that a terminal would obey.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let text = cut(text);
    if !text.chars().any(is_unprintable) {
        return text;
    }
    let escaped = text
        .chars()
        .map(|character| match is_unprintable(character) {
            true => Cow::Owned(character.escape_default().to_string()),
            false => Cow::Owned(character.to_string()),
        });
    Cow::Owned(escaped.collect())
}

/// Cuts what is too long to be read.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Control characters, and those that turn the direction of writing.
pub(super) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(
            clean("a\u{1b}[31mb\nc\u{9b}d\u{202e}"),
            "a\\u{1b}[31mb\\nc\\u{9b}d\\u{202e}"
        );
        assert_eq!(clean("plain `ü`"), "plain `ü`");
    }

    #[test]
    fn a_very_long_text_is_cut() {
        assert_eq!(clean(&"ü".repeat(10_000)).chars().count(), LENGTH + 1);
    }
}
