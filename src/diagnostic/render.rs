use super::Diagnostic;

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal, with colour.
    Colour,
    /// For a file or a pipe.
    Plain,
}

/// Draws a diagnostic as rustc does.
pub fn render(diagnostic: &Diagnostic, style: Style) -> String {
    let _ = style;
    format!("{diagnostic:?}")
}

/// One line: `file:line:column: error[GF0104]: message`.
pub fn summary_line(diagnostic: &Diagnostic) -> String {
    diagnostic.message.clone()
}
