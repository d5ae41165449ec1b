// SPDX-License-Identifier: GPL-2.0

//! Setting clocks: what is compared with what, and the bounds.

use crate::{
    context::Context::{Host, Own},
    figures::{Figures, Kind},
    row::{row, Row},
    setting::NAMES,
    Error,
};

/// What it may cost with an own clock as often as on the host.
const OWN: f64 = 1.2;

/// All rows of setting clocks.
pub(crate) fn rows(mainline: &Figures, patched: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for name in NAMES {
        let base = mainline.get(Host, Kind::Setting, name)?;
        let figure = patched.get(Host, Kind::Setting, name)?;
        let group = "setting the host's clock / mainline";
        rows.push(row(group, name, figure, base, None));
    }
    for name in NAMES {
        let base = patched.get(Host, Kind::Setting, name)?;
        let figure = patched.get(Own, Kind::Setting, name)?;
        let group = "setting an own clock / host";
        rows.push(row(group, name, figure, base, Some(OWN * base)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let figures = |factor: u32| {
            let lines = NAMES.map(|name| {
                format!(
                    "host setting {name} 100\nown setting {name} {}\n",
                    100 * factor
                )
            });
            Figures::parse(&lines.concat()).unwrap()
        };
        let holds = |factor| {
            let rows = rows(&figures(1), &figures(factor)).unwrap();
            rows.iter().all(Row::holds)
        };
        assert!(holds(1));
        assert!(!holds(2));
    }
}
