//! Tables of statuses, as `gatefold check` prints them, in the style of `kubectl get`.
//!
//! In: rows of cells. Out: text with aligned columns. `rows` makes the rows of each table.

pub(super) mod rows;

use gatefold_diagnostic::ResourceId;
use gatefold_manifest::Kind;
use std::fmt;

/// A table. Each row has as many cells as there are columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusTable {
    /// The title.
    pub title: &'static str,
    /// The kind of the objects in the rows. `None` for the tables of listeners and of routes that can't be read.
    pub kind: Option<Kind>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    columns: &'static [StatusColumn],
}

/// A column of a [`StatusTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatusColumn {
    Namespace,
    Name,
    Kind,
    Controller,
    Class,
    Address,
    Gateway,
    Listener,
    Protocol,
    Port,
    Hostname,
    Hostnames,
    Parent,
    Routes,
    Targets,
    Accepted,
    ResolvedRefs,
    Programmed,
}

impl StatusColumn {
    fn header(self) -> &'static str {
        match self {
            StatusColumn::Namespace => "NAMESPACE",
            StatusColumn::Name => "NAME",
            StatusColumn::Kind => "KIND",
            StatusColumn::Controller => "CONTROLLER",
            StatusColumn::Class => "CLASS",
            StatusColumn::Address => "ADDRESS",
            StatusColumn::Gateway => "GATEWAY",
            StatusColumn::Listener => "LISTENER",
            StatusColumn::Protocol => "PROTOCOL",
            StatusColumn::Port => "PORT",
            StatusColumn::Hostname => "HOSTNAME",
            StatusColumn::Hostnames => "HOSTNAMES",
            StatusColumn::Parent => "PARENT",
            StatusColumn::Routes => "ROUTES",
            StatusColumn::Targets => "TARGETS",
            StatusColumn::Accepted => "ACCEPTED",
            StatusColumn::ResolvedRefs => "RESOLVEDREFS",
            StatusColumn::Programmed => "PROGRAMMED",
        }
    }
}

impl StatusTable {
    /// Adds a row for an object that is not in force because its fields have errors.
    pub fn add_refused(&mut self, id: &ResourceId) {
        let cells = self.columns.iter().map(|column| match column {
            StatusColumn::Namespace => id.namespace.clone(),
            StatusColumn::Kind => id.kind.clone(),
            StatusColumn::Name => id.name.clone(),
            StatusColumn::Accepted => "<refused>".to_owned(),
            StatusColumn::Controller
            | StatusColumn::Class
            | StatusColumn::Address
            | StatusColumn::Gateway
            | StatusColumn::Listener
            | StatusColumn::Protocol
            | StatusColumn::Port
            | StatusColumn::Hostname
            | StatusColumn::Hostnames
            | StatusColumn::Parent
            | StatusColumn::Routes
            | StatusColumn::Targets
            | StatusColumn::ResolvedRefs
            | StatusColumn::Programmed => "<none>".to_owned(),
        });
        let row = cells.collect();
        self.rows.push(row);
    }
}

/// Prints the header and the rows. Prints nothing if there are no rows.
impl fmt::Display for StatusTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let header = self.columns.iter().map(|column| column.header().to_owned());
        let header: Vec<String> = header.collect();
        f.write_str(&align(std::iter::once(&header).chain(&self.rows)))
    }
}

/// Aligns rows in columns as kubectl does: three spaces between columns, and none at the end of a line.
pub fn align<'r>(rows: impl Iterator<Item = &'r Vec<String>> + Clone) -> String {
    let columns = rows.clone().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.clone().filter_map(|row| row.get(column));
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

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["NAME", "AGE"]),
            row(["a-long-name", "1d"]),
            row(["b", ""]),
        ];
        let text = align(rows.iter());
        assert_eq!(text, "NAME          AGE\na-long-name   1d\nb\n");
    }
}
