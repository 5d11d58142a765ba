//! Texts that match a regular expression.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Maximum length of a text, in bytes. Longer URLs aren't useful in a table.
const LONGEST: usize = 1_024;
/// The most parts of an expression that are visited for a text, each as often as it is repeated. A part that matches the empty text
/// may be repeated very often: `((a*){1000}){1000}`.
const MOST_PARTS: usize = 5_000;

/// Returns a text that matches the whole expression. `None` if the expression is invalid, or matches no text of moderate length.
pub(super) fn matching_text(expression: &str) -> Option<String> {
    let hir = regex_syntax::parse(expression).ok()?;
    let mut text = Vec::new();
    let mut parts_left = MOST_PARTS;
    append(&hir, &mut text, &mut parts_left)?;
    String::from_utf8(text).ok()
}

/// Appends a text that matches `hir`, and visits at most `parts_left` parts. Assertions such as `^` and `\b` are taken as true, which is
/// the usual case.
fn append(hir: &Hir, text: &mut Vec<u8>, parts_left: &mut usize) -> Option<()> {
    *parts_left = parts_left.checked_sub(1)?;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.extend_from_slice(&literal.0),
        HirKind::Class(class) => {
            let mut utf8 = [0; 4];
            text.extend_from_slice(character(class)?.encode_utf8(&mut utf8).as_bytes());
        }
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                append(&repetition.sub, text, parts_left)?;
            }
        }
        HirKind::Capture(capture) => append(&capture.sub, text, parts_left)?,
        HirKind::Concat(parts) => {
            for part in parts {
                append(part, text, parts_left)?;
            }
        }
        HirKind::Alternation(branches) => {
            let before = text.len();
            branches.iter().find_map(|branch| {
                text.truncate(before);
                append(branch, text, parts_left)
            })?;
        }
    }
    (text.len() <= LONGEST).then_some(())
}

/// Returns a character of a class: a lower-case letter or a digit if it has one, else its first one that can be printed.
fn character(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|it| (it.start(), it.end())).collect(),
        Class::Bytes(class) => {
            let ranges = class.iter();
            ranges
                .map(|it| (it.start().into(), it.end().into()))
                .collect()
        }
    };
    let contains = |wanted: &char| {
        ranges
            .iter()
            .any(|(from, to)| (from..=to).contains(&wanted))
    };
    let preferred = ('a'..='z').chain('0'..='9').find(|it| contains(it));
    preferred
        .or_else(|| ('!'..='~').find(|it| contains(it)))
        .or_else(|| Some(ranges.first()?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_matches_the_expression() {
        for expression in [
            "/users/[0-9]+/posts",
            "^/v[12]/.*$",
            "/(a|b)/c{3}",
            r"/\d{4}-\d{2}",
            "/[^/]+/x",
            "(?i)/Shop",
            r"/\bx\b",
            "",
        ] {
            let text = matching_text(expression).expect(expression);
            let whole = regex::Regex::new(&format!("^(?:{expression})$")).expect("valid");
            assert!(whole.is_match(&text), "{expression}: {text}");
        }
        assert_eq!(matching_text("("), None);
        assert_eq!(matching_text("a{5000}"), None);
    }

    #[test]
    fn an_expression_that_repeats_an_empty_text_very_often_has_no_text() {
        let nested = "/(((((a*){1000}){1000}){1000}){1000}){1000}";
        assert_eq!(matching_text(nested), None);
        assert_eq!(matching_text("/(a*){1000}").as_deref(), Some("/"));
    }
}
