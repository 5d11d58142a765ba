use super::clean::clean;
use super::excerpt::{self, Excerpt, Mark};
use super::{Diagnostic, Severity};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal, with colour.
    Colour,
    /// For a file or a pipe.
    Plain,
}

/// Draws a diagnostic as rustc does: what is wrong, the lines in question with a caret, and what to do.
/// Several lines, without a line break at the end.
///
/// Of a Secret no line is shown that may hold one of its values.
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
    let mut elements: Vec<Element<'_>> = excerpts.iter().flat_map(draw).collect();
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

/// Every place of the diagnostic that can be shown, its own first.
fn marks(diagnostic: &Diagnostic) -> Vec<Mark<'_>> {
    let own = Mark::of(&diagnostic.place, &diagnostic.caption, true);
    let labels = diagnostic
        .labels
        .iter()
        .map(|label| Mark::of(&label.place, &label.text, false));
    std::iter::once(own).chain(labels).flatten().collect()
}

fn draw(excerpt: &Excerpt) -> Vec<Element<'_>> {
    let origin = Origin::path(&excerpt.path)
        .line(excerpt.line)
        .char_column(excerpt.column);
    let Some(text) = &excerpt.text else {
        return vec![origin.into()];
    };
    let annotations = excerpt.annotations.iter().map(|annotation| {
        let kind = match annotation.primary {
            true => AnnotationKind::Primary,
            false => AnnotationKind::Context,
        };
        let label = Some(annotation.text.as_str()).filter(|text| !text.is_empty());
        kind.span(annotation.bytes.clone()).label(label)
    });
    let snippet = Snippet::source(text)
        .line_start(excerpt.first_line)
        .annotations(annotations);
    if excerpt.cut {
        // The renderer would count the column from where the line was cut.
        return vec![origin.into(), snippet.into()];
    }
    vec![snippet.path(excerpt.path.as_str()).into()]
}
