// SPDX-License-Identifier: GPL-2.0

//! Clock reads: what is compared with what, and the bounds.

use std::{fs, path::Path};

use crate::{
    context::Context::{self, Beside, Host, Own, Plain},
    figures::{Figures, Kind, CLOCKS},
    row::{row, Row, ROUNDING},
    Error,
};

/// What a plain time namespace may cost more than mainline's, instructions.
const PLAIN_MORE: f64 = 2.0;

/// What a system call may cost more than mainline's, instructions.
const SYSCALL_MORE: f64 = 3.0;

/// What an own clock may cost as often as a plain namespace: instructions, and time.
const OWN_INSTRUCTIONS: f64 = 1.4;
const OWN_TIME: f64 = 1.1;

/// The vDSO's rows, from what the kernels have counted and what was measured on the bare processor.
pub(crate) fn vdso(
    directory: &Path,
    mainline: &Figures,
    patched: &Figures,
) -> Result<Vec<Row>, Error> {
    let native = native(&fs::read_to_string(directory.join("native"))?)?;
    if native.len() != CLOCKS.len() {
        return Err("not every clock was timed".into());
    }
    let parts = [
        compare(
            "vDSO on the host / mainline",
            functions(),
            Kind::Vdso,
            (patched, Host),
            (mainline, Host),
            |_, base| Some(base),
        )?,
        compare(
            "vDSO in a plain namespace / mainline",
            functions(),
            Kind::Vdso,
            (patched, Plain),
            (mainline, Plain),
            |_, base| Some(base + PLAIN_MORE),
        )?,
        compare(
            "vDSO with an own clock / plain",
            functions(),
            Kind::Vdso,
            (patched, Own),
            (patched, Plain),
            |name, base| is_clock(name).then_some(OWN_INSTRUCTIONS * base),
        )?,
        trapped(patched)?,
        native,
    ];
    Ok(parts.into_iter().flatten().collect())
}

/// The rows of the system call.
pub(crate) fn syscalls(mainline: &Figures, patched: &Figures) -> Result<Vec<Row>, Error> {
    let names = || CLOCKS.into_iter().map(|(name, _)| name);
    let mut rows = compare(
        "system call on the host / mainline",
        names(),
        Kind::Syscall,
        (patched, Host),
        (mainline, Host),
        |_, base| Some(base + SYSCALL_MORE),
    )?;
    rows.extend(compare(
        "system call beside an own clock / mainline",
        names(),
        Kind::Syscall,
        (patched, Beside),
        (mainline, Host),
        |_, _| None,
    )?);
    Ok(rows)
}

/// A row for each of `names`: what it takes by the figures of one kernel and place, and what by those
/// that are the base, of which `bound` is made.
fn compare(
    group: &'static str,
    names: impl Iterator<Item = &'static str>,
    kind: Kind,
    (figures, context): (&Figures, Context),
    (base_figures, base_context): (&Figures, Context),
    bound: impl Fn(&str, f64) -> Option<f64>,
) -> Result<Vec<Row>, Error> {
    names
        .map(|name| {
            let figure = figures.get(context, kind, name)?;
            let base = base_figures.get(base_context, kind, name)?;
            Ok(row(group, name, figure, base, bound(name, base)))
        })
        .collect()
}

/// With an own clock, no function of the vDSO makes a system call.
fn trapped(patched: &Figures) -> Result<Vec<Row>, Error> {
    functions()
        .map(|name| {
            let figure = patched.get(Own, Kind::Trapped, name)?;
            let group = "system calls of the vDSO";
            Ok(row(group, name, figure, 0.0, Some(0.0)))
        })
        .collect()
}

/// The vDSO's functions that read a clock.
fn functions() -> impl Iterator<Item = &'static str> {
    CLOCKS
        .iter()
        .map(|&(name, _)| name)
        .chain(["gettimeofday", "time"])
}

/// Whether it is a clock of `clock_gettime()`. The other functions are reported: time() copies one
/// number in a plain namespace.
fn is_clock(name: &str) -> bool {
    CLOCKS.iter().any(|&(clock, _)| clock == name)
}

/// Whether `clock_gettime()` reads the counter for that clock. The others take 3 ns in a plain
/// namespace, which is no more than a multiplication and a division by a constant.
fn reads_counter(name: &str) -> bool {
    is_clock(name) && !name.ends_with("COARSE")
}

/// What `vdso-time` prints: clock id, ns in a plain namespace and with an own clock.
fn native(text: &str) -> Result<Vec<Row>, Error> {
    text.lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut next = || words.next().ok_or("a number is missing");
            let clock: usize = next()?.parse()?;
            let (base, figure): (f64, f64) = (next()?.parse()?, next()?.parse()?);
            let (name, _) = CLOCKS
                .into_iter()
                .find(|&(_, id)| id == clock)
                .ok_or("no such clock")?;
            // The bound is of the ratio, the rounding of whole numbers is not for it.
            let bound = reads_counter(name).then_some(OWN_TIME * base - ROUNDING);
            Ok(row(
                "ns with an own clock / plain",
                name,
                figure,
                base,
                bound,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_rows() {
        let rows = native("1 20.00 22.00\n4 20.00 22.01\n6 3.0 9.0\n").unwrap();
        let holds: Vec<_> = rows.iter().map(Row::holds).collect();
        assert_eq!(holds, [true, false, true]);
        assert_eq!(rows[1].name, "MONOTONIC_RAW");
        assert!(native("1 20.00\n").is_err());
    }
}
