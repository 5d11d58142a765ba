//! Escapes in regular expressions that no normal path contains.

use gatefold_dataplane::path_normalization::is_matched_escape;

/// Returns the digits of the first escape of a regular expression that matches nothing, because paths are compared in their normal
/// form.
pub(crate) fn dead_escape(pattern: &str) -> Option<&str> {
    // A case-insensitive `%2f` matches `%2F`.
    if pattern.starts_with("(?i)") {
        return None;
    }
    let mut escapes = pattern.match_indices('%').filter_map(|(start, _)| {
        let digits = pattern.get(start + 1..start + 3)?;
        let is_escape = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_escape.then_some(digits)
    });
    escapes.find(|digits| !is_matched(digits))
}

/// Whether a normal path may contain the escape with these digits.
pub(crate) fn is_matched(digits: &str) -> bool {
    matches!(digits.as_bytes(), [high, low] if is_matched_escape(*high, *low))
}
