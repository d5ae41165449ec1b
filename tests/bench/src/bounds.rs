// SPDX-License-Identifier: GPL-2.0

//! Clock reads: what is compared with what, and the bounds.

use std::{fs, path::Path};

use crate::{
    context::Context::{Beside, Host, Own, Plain},
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
    let mut rows = Vec::new();

    for name in functions() {
        let base = mainline.get(Host, Kind::Vdso, name)?;
        let figure = patched.get(Host, Kind::Vdso, name)?;
        rows.push(row(
            "vDSO on the host / mainline",
            name,
            figure,
            base,
            Some(base),
        ));
    }
    for name in functions() {
        let base = mainline.get(Plain, Kind::Vdso, name)?;
        let figure = patched.get(Plain, Kind::Vdso, name)?;
        let bound = Some(base + PLAIN_MORE);
        rows.push(row(
            "vDSO in a plain namespace / mainline",
            name,
            figure,
            base,
            bound,
        ));
    }
    for name in functions() {
        let base = patched.get(Plain, Kind::Vdso, name)?;
        let figure = patched.get(Own, Kind::Vdso, name)?;
        let bound = is_clock(name).then_some(OWN_INSTRUCTIONS * base);
        rows.push(row(
            "vDSO with an own clock / plain",
            name,
            figure,
            base,
            bound,
        ));
    }
    for name in functions() {
        let figure = patched.get(Own, Kind::Trapped, name)?;
        rows.push(row(
            "system calls of the vDSO",
            name,
            figure,
            0.0,
            Some(0.0),
        ));
    }
    rows.extend(native(&fs::read_to_string(directory.join("native"))?)?);
    Ok(rows)
}

/// The rows of the system call.
pub(crate) fn syscalls(mainline: &Figures, patched: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();

    for (name, _) in CLOCKS {
        let base = mainline.get(Host, Kind::Syscall, name)?;
        let figure = patched.get(Host, Kind::Syscall, name)?;
        let bound = Some(base + SYSCALL_MORE);
        rows.push(row(
            "system call on the host / mainline",
            name,
            figure,
            base,
            bound,
        ));
    }
    for (name, _) in CLOCKS {
        let base = mainline.get(Host, Kind::Syscall, name)?;
        let figure = patched.get(Beside, Kind::Syscall, name)?;
        rows.push(row(
            "system call beside an own clock / mainline",
            name,
            figure,
            base,
            None,
        ));
    }
    Ok(rows)
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
