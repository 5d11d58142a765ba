//! Renders diagnostics for a terminal, in the style of rustc.

use super::clean::clean;
use super::excerpt::{self, Excerpt, Mark};
use super::{Diagnostic, Severity};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

/// Whether rendered diagnostics are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal, with colour.
    Colour,
    /// For a file or a pipe.
    Plain,
}

/// Renders a diagnostic as rustc does: the message, the affected lines with a caret, and the help text. The result has
/// several lines, without a line break at the end.
///
/// Lines that may contain a value of a Secret are never shown.
pub fn render(diagnostic: &Diagnostic, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level
        .primary_title(clean(&diagnostic.message))
        .id(diagnostic.code.as_str());
    let excerpts = excerpt::excerpts(&marks(diagnostic));
    let mut elements: Vec<Element<'_>> = excerpts.iter().flat_map(elements_of).collect();
    if excerpts.is_empty()
        && let Some(path) = diagnostic.place.path()
    {
        elements.push(Origin::path(clean(&path.to_string_lossy()).into_owned()).into());
    }
    let resource = diagnostic
        .resource
        .as_ref()
        .filter(|resource| !resource.name.is_empty());
    if let Some(resource) = resource {
        let text = format!("in {}", clean(&resource.to_string()));
        elements.push(Level::NOTE.message(text).into());
    }
    for note in &diagnostic.notes {
        elements.push(Level::NOTE.message(clean(note)).into());
    }
    if let Some(help) = &diagnostic.help {
        elements.push(Level::HELP.message(clean(help)).into());
    }
    let renderer = match style {
        Style::Colour => Renderer::styled(),
        Style::Plain => Renderer::plain(),
    };
    renderer.render(&[Group::with_title(title).elements(elements)])
}

/// Every place of the diagnostic that can be shown, the primary one first.
fn marks(diagnostic: &Diagnostic) -> Vec<Mark<'_>> {
    let primary = Mark::of(&diagnostic.place, &diagnostic.caption, true);
    let labels = diagnostic
        .labels
        .iter()
        .map(|label| Mark::of(&label.place, &label.text, false));
    std::iter::once(primary).chain(labels).flatten().collect()
}

fn elements_of(excerpt: &Excerpt) -> Vec<Element<'_>> {
    let origin = Origin::path(&excerpt.path)
        .line(excerpt.line)
        .char_column(excerpt.column);
    let Some(text) = &excerpt.text else {
        return vec![origin.into()];
    };
    let annotations = excerpt.annotations.iter().map(|annotation| {
        let kind = if annotation.primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let label = Some(annotation.text.as_str()).filter(|text| !text.is_empty());
        kind.span(annotation.bytes.clone()).label(label)
    });
    let snippet = Snippet::source(text)
        .line_start(excerpt.first_line)
        .annotations(annotations);
    if excerpt.cut {
        // The renderer would count the column from where the line was truncated.
        return vec![origin.into(), snippet.into()];
    }
    vec![snippet.path(excerpt.path.as_str()).into()]
}
