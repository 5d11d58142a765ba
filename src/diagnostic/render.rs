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
    let mut text = summary_line(diagnostic);
    if let Some(help) = &diagnostic.help {
        text.push_str("\n  = help: ");
        text.push_str(help);
    }
    text
}

/// One line: `file:line:column: error[GF0104]: message`.
pub fn summary_line(diagnostic: &Diagnostic) -> String {
    let Diagnostic {
        severity,
        code,
        message,
        ..
    } = diagnostic;
    let place = match (diagnostic.place.locate(), diagnostic.place.path()) {
        (Some(at), _) => format!("{}:{}:{}: ", at.path.display(), at.line, at.column),
        (None, Some(path)) => format!("{}: ", path.display()),
        (None, None) => String::new(),
    };
    format!("{place}{severity}[{code}]: {message}")
}
