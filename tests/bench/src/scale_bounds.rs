// SPDX-License-Identifier: GPL-2.0

//! Many timers and many namespaces: what is compared with what, and the bounds.

use crate::{
    context::Context::{Crowd, Host, Own},
    figures::{Figures, Kind},
    row::{row, Row},
    scale::{ARMED, DUE, NAMESPACES},
    Error,
};

/// What a step may cost as often as with another number of timers.
const STEP: f64 = 1.1;

/// What an interrupt may cost as often as with one namespace.
const INTERRUPT: f64 = 2.0;

/// What timers that become due together may cost as often as mainline's: no more, as far as boots
/// do not differ by themselves.
const TOGETHER: f64 = 1.001;

/// All rows of many timers and namespaces.
pub(crate) fn rows(mainline: &Figures, patched: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();

    let steps: Result<Vec<_>, _> = ARMED
        .iter()
        .map(|number| patched.get(Own, Kind::Step, number))
        .collect();
    let steps = steps?;
    let least = steps.iter().copied().fold(f64::INFINITY, f64::min);
    for (number, figure) in ARMED.into_iter().zip(steps) {
        let group = "a step with so many timers / the least";
        rows.push(row(group, number, figure, least, Some(STEP * least)));
    }

    let one = patched.get(Crowd, Kind::Interrupt, NAMESPACES[0])?;
    for number in NAMESPACES {
        let figure = patched.get(Crowd, Kind::Interrupt, number)?;
        let group = "interrupt among so many own clocks / one";
        rows.push(row(group, number, figure, one, Some(INTERRUPT * one)));
    }

    let base = mainline.get(Host, Kind::Due, DUE)?;
    let figure = patched.get(Own, Kind::Due, DUE)?;
    let group = "timers that become due together / mainline";
    rows.push(row(group, DUE, figure, base, Some(TOGETHER * base)));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(steps: [u32; 3], interrupts: [u32; 3], due: u32) -> Vec<String> {
        let mut text = format!("own due {DUE} {due}\n");
        for index in 0..3 {
            text += &format!("own step {} {}\n", ARMED[index], steps[index]);
            text += &format!(
                "crowd interrupt {} {}\n",
                NAMESPACES[index], interrupts[index]
            );
        }
        let mainline = Figures::parse(&format!("host due {DUE} 1000\n")).unwrap();
        let rows = rows(&mainline, &Figures::parse(&text).unwrap()).unwrap();
        rows.into_iter()
            .filter(|row| !row.holds())
            .map(|row| row.name)
            .collect()
    }

    #[test]
    fn verdicts() {
        assert!(failed([100, 110, 105], [50, 60, 100], 1000).is_empty());
        // The first may be the dearest as well.
        assert_eq!(failed([111, 100, 105], [50, 60, 100], 1000), ["10"]);
        assert_eq!(
            failed([100, 100, 111], [50, 60, 101], 1000),
            ["100000", "10000"]
        );
        assert_eq!(failed([100, 100, 100], [50, 60, 70], 1002), ["100000"]);
    }
}
