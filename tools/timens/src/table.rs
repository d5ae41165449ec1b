// SPDX-License-Identifier: GPL-2.0

//! Tables for people to read.

use std::fmt;

/// On which side a column's text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with a heading a column.
#[derive(Clone, Debug)]
pub(crate) struct Table<const N: usize> {
    align: [Align; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headings and no rows.
    pub(crate) fn new(columns: [(&str, Align); N]) -> Table<N> {
        Table {
            align: columns.map(|(_, align)| align),
            rows: vec![columns.map(|(heading, _)| heading.to_owned())],
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

/// The text, as much of it as `width` characters hold.
pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), align) in row.iter().zip(&widths).zip(self.align) {
                line += &match align {
                    Align::Left => format!("{cell:<width$}  "),
                    Align::Right => format!("{cell:>width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([
            ("A", Align::Left),
            ("NUMBER", Align::Right),
            ("C", Align::Left),
        ]);
        table.push(["×××2".into(), "7".into(), "x y".into()]);
        table.push(["abc".into(), "1234567".into(), String::new()]);
        assert_eq!(
            table.to_string(),
            "A      NUMBER  C\n×××2        7  x y\nabc   1234567\n"
        );
    }
}
