// SPDX-License-Identifier: GPL-2.0

//! Timers: what is compared with what, and the bounds.

use crate::{
    context::Context::{Crowd, Host, Own},
    figures::{Figures, Kind},
    row::{row, Row},
    timers::NAMES,
    Error,
};

/// What timers of the host may cost as often as mainline's: while there is no own clock, and while
/// there are many with timers.
const HOST: f64 = 1.005;
const CROWD: f64 = 1.01;

/// What a timer of an own clock may cost as often as one of the host.
const OWN: f64 = 1.10;

/// All rows of timers.
pub(crate) fn rows(mainline: &Figures, patched: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (group, context, reference, bound) in [
        ("timers on the host / mainline", Host, mainline, HOST),
        (
            "timers beside 1000 own clocks / mainline",
            Crowd,
            mainline,
            CROWD,
        ),
        ("timers with an own clock / host", Own, patched, OWN),
    ] {
        for name in NAMES {
            let base = reference.get(Host, Kind::Timer, name)?;
            let figure = patched.get(context, Kind::Timer, name)?;
            rows.push(row(group, name, figure, base, Some(bound * base)));
        }
    }
    let name = "hrtimer";
    let base = mainline.get(Host, Kind::Size, name)?;
    let figure = patched.get(Host, Kind::Size, name)?;
    let group = "bytes of a structure / mainline";
    rows.push(row(group, name, figure, base, Some(base)));
    Ok(rows)
}
