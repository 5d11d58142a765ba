use serde_json::Value;

/// Which columns are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Those of the first rank.
    Usual,
    /// All of them.
    Wide,
}

/// Whether each row begins with its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    /// It does.
    Shown,
    /// It is known anyway.
    Hidden,
}

/// Draws a `Table` as kubectl does; nothing when it has no rows.
pub(super) fn draw(table: &Value, columns: Columns, namespace: Namespace) -> Option<String> {
    let rows = table["rows"].as_array().filter(|rows| !rows.is_empty())?;
    let definitions = table["columnDefinitions"].as_array()?;
    let shown = |column: &Value| columns == Columns::Wide || column["priority"] == 0;
    let pick = |cells: &mut dyn Iterator<Item = String>, first: &str| {
        let mut line: Vec<String> = match namespace {
            Namespace::Shown => vec![first.to_owned()],
            Namespace::Hidden => Vec::new(),
        };
        let cells = definitions.iter().zip(cells);
        line.extend(
            cells
                .filter(|(column, _)| shown(column))
                .map(|(_, cell)| cell),
        );
        line
    };
    let mut names = definitions
        .iter()
        .map(|column| text(&column["name"]).to_uppercase());
    let mut lines = vec![pick(&mut names, "NAMESPACE")];
    for row in rows {
        let mut cells = row["cells"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cell| text(cell).to_owned());
        lines.push(pick(
            &mut cells,
            text(&row["object"]["metadata"]["namespace"]),
        ));
    }
    Some(align(&lines))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Aligns rows in columns: three spaces between them, none at the end of a line.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}   "))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = align(&[
            row(["NAME", "AGE"]),
            row(["a-long-name", "1d"]),
            row(["b", ""]),
        ]);
        assert_eq!(text, "NAME          AGE\na-long-name   1d\nb\n");
    }

    #[test]
    fn columns_of_the_second_rank_are_for_wide_tables() {
        let table = json!({
            "columnDefinitions": [{"name": "Name", "priority": 0}, {"name": "More", "priority": 1}],
            "rows": [{"cells": ["one", "x"], "object": {"metadata": {"namespace": "shop"}}}],
        });
        let usual = draw(&table, Columns::Usual, Namespace::Shown);
        assert_eq!(
            usual.as_deref(),
            Some("NAMESPACE   NAME\nshop        one\n")
        );
        let wide = draw(&table, Columns::Wide, Namespace::Hidden);
        assert_eq!(wide.as_deref(), Some("NAME   MORE\none    x\n"));
    }
}
