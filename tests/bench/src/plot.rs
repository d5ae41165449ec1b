// SPDX-License-Identifier: GPL-2.0

//! The rows as a picture: a panel for each group, a pair of bars for each row, and the bound as a
//! line across the pair.

use std::fmt::Write;

use crate::{row::Row, table::number};

const PANEL_WIDTH: f64 = 560.0;
const PANEL_HEIGHT: f64 = 230.0;
const COLUMNS: usize = 2;
const TITLE: f64 = 40.0;
const LABELS: f64 = 70.0;
const MARGIN: f64 = 20.0;
/// The most that a pair of bars takes.
const WIDEST: f64 = 120.0;

const BASE: &str = "#9aa5b1";
const FIGURE: &str = "#2f6fab";
const FAILED: &str = "#c0392b";

/// The picture.
pub(crate) fn svg(rows: &[Row]) -> String {
    // System calls that do not happen make no picture.
    let groups: Vec<&[Row]> = rows
        .chunk_by(|a, b| a.group == b.group)
        .filter(|group| group.iter().any(|row| row.figure > 0.0))
        .collect();
    let width = PANEL_WIDTH * COLUMNS as f64;
    let height = PANEL_HEIGHT * groups.len().div_ceil(COLUMNS) as f64;
    let mut svg = String::new();
    add(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
        ),
    );
    for (index, group) in groups.into_iter().enumerate() {
        let x = (index % COLUMNS) as f64 * PANEL_WIDTH;
        let y = (index / COLUMNS) as f64 * PANEL_HEIGHT;
        add(
            &mut svg,
            format_args!("<g transform=\"translate({x} {y})\">\n"),
        );
        panel(&mut svg, group);
        add(&mut svg, format_args!("</g>\n"));
    }
    add(&mut svg, format_args!("</svg>\n"));
    svg
}

fn panel(svg: &mut String, rows: &[Row]) {
    let title = rows.first().map_or("", |row| row.group);
    add(
        svg,
        format_args!("<text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{title}</text>\n"),
    );
    let highest = rows
        .iter()
        .flat_map(|row| [row.figure, row.base, row.bound.unwrap_or_default()])
        .fold(0.0, f64::max);
    let room = PANEL_HEIGHT - TITLE - LABELS;
    let bottom = TITLE + room;
    let step = ((PANEL_WIDTH - 2.0 * MARGIN) / rows.len() as f64).min(WIDEST);
    let bar = step * 0.35;

    for (index, row) in rows.iter().enumerate() {
        let left = MARGIN + step * index as f64;
        let color = if row.holds() { FIGURE } else { FAILED };
        for (place, value, color) in [(0.0, row.base, BASE), (1.0, row.figure, color)] {
            let height = value / highest * room;
            let (x, top) = (left + place * bar, bottom - height);
            add(
                svg,
                format_args!(
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{bar:.1}\" \
                     height=\"{height:.1}\" fill=\"{color}\"/>\n\
                     <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"9\" \
                     text-anchor=\"middle\">{}</text>\n",
                    x + bar / 2.0,
                    top - 3.0,
                    number(value, usize::from(value < 1000.0)),
                ),
            );
        }
        if let Some(bound) = row.bound {
            let y = bottom - bound / highest * room;
            add(
                svg,
                format_args!(
                    "<path d=\"M{left:.1} {y:.1}h{:.1}\" stroke=\"black\" \
                     stroke-dasharray=\"3 2\"/>\n",
                    2.0 * bar
                ),
            );
        }
        let (x, y) = (left + bar, bottom + 12.0);
        add(
            svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"9\" text-anchor=\"end\" \
                 transform=\"rotate(-35 {x:.1} {y:.1})\">{}</text>\n",
                row.name
            ),
        );
    }
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string does not fail");
}
