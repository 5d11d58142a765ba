//! Patterns for texts (API: `StringMatch`).

use gatefold_dataplane::text_pattern::TextPattern;
use gatefold_manifest::api::{StringMatch, StringMatchType};
use regex::Regex;

/// Whether upper and lower case differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// They differ.
    Sensitive,
    /// They don't: the pattern is for texts in lower case.
    Lower,
}

/// Reads a pattern.
///
/// # Errors
/// If it isn't a regular expression. Contains the message.
pub(super) fn read(pattern: &StringMatch, case: Case) -> Result<TextPattern, String> {
    let text = match case {
        Case::Sensitive => pattern.value.clone(),
        Case::Lower => pattern.value.to_ascii_lowercase(),
    };
    Ok(match pattern.kind {
        StringMatchType::Exact => TextPattern::Exact(text),
        StringMatchType::Prefix => TextPattern::Prefix(text),
        StringMatchType::Suffix => TextPattern::Suffix(text),
        StringMatchType::RegularExpression => {
            let value = &pattern.value;
            let whole = || match case {
                Case::Sensitive => Regex::new(&format!("^(?:{value})$")),
                Case::Lower => Regex::new(&format!("^(?i:{value})$")),
            };
            // The pattern alone must be an expression, since `a)|(b` is one only between brackets.
            let expression = Regex::new(value).and_then(|_| whole());
            let error = |error| format!("`{value}` isn't a regular expression: {error}");
            TextPattern::Expression(expression.map_err(error)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(value: &str, case: Case) -> Result<TextPattern, String> {
        let kind = StringMatchType::RegularExpression;
        let value = value.to_owned();
        read(&StringMatch { kind, value }, case)
    }

    #[test]
    fn a_pattern_is_an_expression_by_itself() {
        for case in [Case::Sensitive, Case::Lower] {
            assert!(pattern("X-(a|b)", case).is_ok());
            for text in ["a)|(b", "(", "*"] {
                assert!(pattern(text, case).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn an_expression_matches_the_whole_text() {
        let matches = |case, text| pattern("A|ab", case).expect("a pattern").matches(text);
        assert!(matches(Case::Sensitive, "A"));
        assert!(!matches(Case::Sensitive, "a"));
        assert!(!matches(Case::Sensitive, "abc"));
        assert!(matches(Case::Lower, "a"));
    }
}
