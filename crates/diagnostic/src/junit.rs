//! Renders diagnostics as JUnit XML, which CI services show as a test report.
//!
//! In: the files, and their diagnostics. Out: one test suite with a test case for each file.

use super::{Diagnostic, Severity, Style, render, summary_line};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The test case of diagnostics about no file.
const NO_FILE: &str = "gatefold";

/// Renders a report. A file fails if it has a diagnostic that is at least as severe as `fails`; its other diagnostics are its
/// output. Diagnostics about no file are a test case of their own.
pub fn junit(files: &[String], diagnostics: &[Diagnostic], fails: Severity) -> String {
    let mut cases: BTreeMap<Cow<'_, str>, Vec<&Diagnostic>> = BTreeMap::new();
    for file in files {
        cases.entry(Cow::Borrowed(file)).or_default();
    }
    for found in diagnostics {
        let path = found.place.path().map(|path| path.display().to_string());
        let name = path.map_or(Cow::Borrowed(NO_FILE), Cow::Owned);
        cases.entry(name).or_default().push(found);
    }
    let failed = |found: &&&Diagnostic| found.severity <= fails;
    let failures = cases
        .values()
        .filter(|found| found.iter().any(|it| failed(&it)));
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\"",
        cases.len(),
        failures.count()
    );
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gatefold check\" {counts}>\n  \
         <testsuite name=\"gatefold check\" {counts}>\n"
    );
    for (name, found) in &cases {
        let (failures, others): (Vec<_>, Vec<_>) = found.iter().partition(|it| failed(it));
        test_case(&mut xml, name, &failures, &others);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn test_case(xml: &mut String, name: &str, failures: &[&&Diagnostic], others: &[&&Diagnostic]) {
    let name = escape(name);
    let _ = write!(
        xml,
        "    <testcase classname=\"gatefold check\" name=\"{name}\" file=\"{name}\""
    );
    if failures.is_empty() && others.is_empty() {
        xml.push_str("/>\n");
        return;
    }
    xml.push_str(">\n");
    // Some services read only one failure of a test case, so that all problems of a file are one.
    if let Some(first) = failures.first() {
        let more = match failures.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let message = summary_line(first) + &more;
        let texts: Vec<String> = failures.iter().map(|it| render(it, Style::Plain)).collect();
        let _ = writeln!(
            xml,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>",
            first.code,
            escape(&message),
            escape(&texts.join("\n\n"))
        );
    }
    if !others.is_empty() {
        let lines: Vec<String> = others.iter().map(|it| summary_line(it)).collect();
        let _ = writeln!(
            xml,
            "      <system-out>{}</system-out>",
            escape(&lines.join("\n"))
        );
    }
    xml.push_str("    </testcase>\n");
}

/// Escapes a text for an element or an attribute. Characters that XML 1.0 can't contain (section 2.2) are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Place};

    fn found(code: Code, file: &str, message: &str) -> Diagnostic {
        Diagnostic::new(code, Place::File(file.into()), message)
    }

    #[test]
    fn reports_a_test_case_for_each_file() {
        let files = [
            "a.yaml".to_owned(),
            "b.yaml".to_owned(),
            "c.yaml".to_owned(),
        ];
        let diagnostics = [
            found(Code::Syntax, "a.yaml", "<&\"'\u{1}\u{ffff}"),
            found(Code::Syntax, "a.yaml", "second"),
            found(Code::BooleanKey, "b.yaml", "a warning"),
            Diagnostic::new(Code::NotAManifest, Place::Nowhere, "nowhere"),
        ];
        let xml = junit(&files, &diagnostics, Severity::Error);
        for expected in [
            "<testsuites name=\"gatefold check\" tests=\"4\" failures=\"1\" errors=\"0\"",
            "name=\"c.yaml\" file=\"c.yaml\"/>",
            "<failure type=\"GF0104\" message=\"a.yaml: error[GF0104]: &lt;&amp;&quot;&apos;",
            " (and 1 more)\"",
            "<system-out>b.yaml: warning[GF0108]: a warning</system-out>",
            "name=\"gatefold\"",
        ] {
            assert!(xml.contains(expected), "{expected} isn't in\n{xml}");
        }
        assert!(!xml.contains(['\u{1}', '\u{ffff}']), "{xml}");
        let strict = junit(&files, &diagnostics, Severity::Warning);
        assert!(strict.contains("failures=\"2\""), "{strict}");
    }
}
