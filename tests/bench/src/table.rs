// SPDX-License-Identifier: GPL-2.0

//! The rows as a table.

use std::fmt::Write;

use crate::row::Row;

/// For a person to read.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            add(&mut text, format_args!("\n{group}\n"));
            let [name, figure, base, ratio, bound] = ["", "figure", "base", "ratio", "at most"];
            add(
                &mut text,
                format_args!("  {name:20}{figure:>10}{base:>10}{ratio:>8}{bound:>12}\n"),
            );
        }
        let Row {
            name, figure, base, ..
        } = row;
        let ratio = ratio(row);
        let (bound, verdict) = match row.bound {
            Some(bound) if row.holds() => (number(bound, 2), "ok"),
            Some(bound) => (number(bound, 2), "FAIL"),
            None => ("-".into(), "reported"),
        };
        let (figure, base) = (number(*figure, 2), number(*base, 2));
        add(
            &mut text,
            format_args!("  {name:20}{figure:>10}{base:>10}{ratio:>8}{bound:>12}  {verdict}\n"),
        );
    }
    let bounded = rows.iter().filter(|row| row.bound.is_some());
    let failed = bounded.clone().filter(|row| !row.holds()).count();
    add(
        &mut text,
        format_args!("\n{} bounds, {failed} failed\n", bounded.count()),
    );
    text
}

/// For a program to read.
pub(crate) fn csv(rows: &[Row]) -> String {
    let mut csv = "group,name,figure,base,bound,ok\n".to_string();
    for row in rows {
        let bound = row.bound.map(|bound| bound.to_string()).unwrap_or_default();
        let Row {
            group,
            name,
            figure,
            base,
            ..
        } = row;
        let ok = row.holds();
        add(
            &mut csv,
            format_args!("{group},{name},{figure},{base},{bound},{ok}\n"),
        );
    }
    csv
}

fn ratio(row: &Row) -> String {
    if row.base == 0.0 {
        "-".into()
    } else {
        format!("{:.3}", row.figure / row.base)
    }
}

/// With so many decimals, but without zeros at their end.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: f64, bound: Option<f64>) -> Row {
        Row {
            group: "a / b",
            name: "TAI".into(),
            figure,
            base: 100.0,
            bound,
        }
    }

    #[test]
    fn verdicts() {
        let rows = [
            row(140.0, Some(140.0)),
            row(141.0, Some(140.0)),
            row(200.0, None),
        ];
        let text = text(&rows);
        let verdicts: Vec<_> = text
            .lines()
            .filter(|line| line.contains("TAI"))
            .filter_map(|line| line.split_whitespace().last())
            .collect();
        assert_eq!(verdicts, ["ok", "FAIL", "reported"]);
        assert!(text.ends_with("\n2 bounds, 1 failed\n"));
        assert_eq!(
            csv(&rows[1..]).lines().nth(1),
            Some("a / b,TAI,141,100,140,false")
        );
    }

    #[test]
    fn numbers() {
        assert_eq!(number(140.0, 2), "140");
        assert_eq!(number(151.2, 2), "151.2");
        assert_eq!(number(0.0, 2), "0");
    }
}
