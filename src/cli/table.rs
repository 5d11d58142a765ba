//! Prints tables of the admin API as kubectl does.

use crate::status::table::align;
use serde_json::Value;

/// The columns to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Those with priority 0.
    Usual,
    /// All of them.
    Wide,
}

/// Whether each row begins with the namespace of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamespaceColumn {
    /// It does.
    Shown,
    /// All objects are in the namespace that the user gave.
    Hidden,
}

/// Formats a `Table` of the Kubernetes API. `None` if it has no rows.
pub(super) fn format_table(
    table: &Value,
    columns: Columns,
    namespace: NamespaceColumn,
) -> Option<String> {
    let rows = table["rows"].as_array().filter(|rows| !rows.is_empty())?;
    let definitions = table["columnDefinitions"].as_array()?;
    let is_shown = |column: &Value| columns == Columns::Wide || column["priority"] == 0;
    let line = |first: &str, cells: &mut dyn Iterator<Item = String>| {
        let first = (namespace == NamespaceColumn::Shown).then(|| first.to_owned());
        let cells = definitions.iter().zip(cells);
        let cells = cells.filter(|(column, _)| is_shown(column));
        let line: Vec<String> = first
            .into_iter()
            .chain(cells.map(|(_, cell)| cell))
            .collect();
        line
    };
    let mut names = definitions
        .iter()
        .map(|column| text(&column["name"]).to_uppercase());
    let mut lines = vec![line("NAMESPACE", &mut names)];
    for row in rows {
        let cells = row["cells"].as_array().into_iter().flatten();
        let mut cells = cells.map(|cell| text(cell).to_owned());
        let namespace = text(&row["object"]["metadata"]["namespace"]);
        lines.push(line(namespace, &mut cells));
    }
    Some(align(lines.iter()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_wide_tables_have_columns_of_lower_priority() {
        let table = json!({
            "columnDefinitions": [{"name": "Name", "priority": 0}, {"name": "More", "priority": 1}],
            "rows": [{"cells": ["one", "x"], "object": {"metadata": {"namespace": "shop"}}}],
        });
        let usual = format_table(&table, Columns::Usual, NamespaceColumn::Shown);
        assert_eq!(
            usual.as_deref(),
            Some("NAMESPACE   NAME\nshop        one\n")
        );
        let wide = format_table(&table, Columns::Wide, NamespaceColumn::Hidden);
        assert_eq!(wide.as_deref(), Some("NAME   MORE\none    x\n"));
    }
}
