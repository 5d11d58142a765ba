//! Recognises the templates of Helm charts.
//!
//! In: the path and the text of a file. Out: the chart that the file is a template of, and diagnostics. A template isn't a
//! manifest until Helm has rendered it. Runs no command.

use gatefold_diagnostic::{Code, Diagnostic, Place};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Whether a file with this text is a template if it is part of a chart.
pub(super) fn may_be_template(text: &str) -> bool {
    text.contains("{{")
}

/// The folder of the chart that a file is a template of: a folder `templates` above the file is beside a `Chart.yaml`.
pub(super) fn chart_of(path: &Path) -> Option<PathBuf> {
    // A path that was given as `.` doesn't name the folders above.
    let absolute = std::path::absolute(path).ok();
    let written = chart_above(path).map(Path::to_owned);
    written.or_else(|| chart_above(&absolute?).map(Path::to_owned))
}

fn chart_above(path: &Path) -> Option<&Path> {
    let mut folders = path.ancestors().skip(1);
    folders.find_map(|folder| {
        let chart = folder.parent()?;
        let templates = folder.file_name()? == "templates";
        (templates && chart.join("Chart.yaml").is_file()).then_some(chart)
    })
}

/// The diagnostic for a template whose file had objects before.
pub(super) fn unrendered(path: &Path, chart: &Path) -> Diagnostic {
    let message = "a template of a Helm chart isn't a manifest until it is rendered";
    let found = Diagnostic::new(Code::Syntax, Place::File(path.to_owned()), message);
    found.help(help(chart))
}

/// One diagnostic for each chart; `charts` has the chart of each template.
pub(super) fn of_charts<'c>(charts: impl Iterator<Item = &'c PathBuf>) -> Vec<Diagnostic> {
    let mut templates: BTreeMap<&Path, usize> = BTreeMap::new();
    for chart in charts {
        *templates.entry(chart).or_default() += 1;
    }
    let found = templates.into_iter().map(|(chart, count)| {
        let message = match count {
            1 => "1 template of this Helm chart isn't loaded, because it isn't rendered".to_owned(),
            _ => format!(
                "{count} templates of this Helm chart aren't loaded, because they aren't rendered"
            ),
        };
        let place = Place::File(chart.join("Chart.yaml"));
        Diagnostic::new(Code::HelmTemplates, place, message).help(help(chart))
    });
    found.collect()
}

fn help(chart: &Path) -> String {
    let chart = match chart.to_string_lossy() {
        empty if empty.is_empty() => ".".into(),
        path => path,
    };
    format!("load what Helm renders: `--render 'helm template {chart}'`")
}
