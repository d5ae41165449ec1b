// SPDX-License-Identifier: GPL-2.0

//! How many instructions it takes to ask how a clock is disciplined, and to set it.

use std::{thread::sleep, time::Duration};

use crate::{
    call::Call,
    context::Context,
    cpu,
    figures::{Figure, Kind},
    loops, Error,
};

/// What is counted.
pub(crate) const NAMES: [&str; 3] = [READ, "clock_settime", "settimeofday"];
const READ: &str = "adjtimex";

/// Calls in the short loop: of those that only read.
const READS: u32 = 500;
/// Of those that set the clock.
const SETS: u32 = 4;

/// Between two of these. One that comes at once has to wait for the last one to be seen by all
/// readers, which is not what it takes.
const APART: Duration = Duration::from_millis(3);

/// Counts all of it.
pub(crate) fn measure(context: Context) -> Result<(), Error> {
    for name in NAMES {
        Figure::print(context, Kind::Setting, name, count(name)?);
    }
    Ok(())
}

fn count(name: &str) -> Result<f64, Error> {
    match name {
        READ => {
            let call = Call::adjtimex();
            loops::one_of(READS, |calls| {
                loops::pause();
                counted(|| call.repeat(calls))
            })
        }
        "clock_settime" => count_setting(&Call::clock_settime()),
        "settimeofday" => count_setting(&Call::settimeofday()),
        _ => Err(format!("nothing is named {name}").into()),
    }
}

fn count_setting(call: &Call) -> Result<f64, Error> {
    loops::one_of(SETS, |calls| {
        (0..calls).try_fold(0, |sum, _| {
            sleep(APART);
            Ok::<_, Error>(sum + counted(|| call.repeat(1))?)
        })
    })
}

/// The instructions of `work`, which does not sleep.
fn counted(work: impl FnOnce() -> Result<(), Error>) -> Result<u64, Error> {
    let start = cpu::counter();
    work()?;
    Ok(cpu::counter() - start)
}
