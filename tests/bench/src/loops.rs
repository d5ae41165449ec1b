// SPDX-License-Identifier: GPL-2.0

//! Counting with loops.
//!
//! Under `-icount shift=0` the time stamp counter of the virtual machine goes on by one with each
//! instruction. The difference of two loops has neither their start nor their end in it, and
//! the fastest of many loops was not interrupted: the result is exact.

use std::{fs, thread::sleep, time::Duration};

use crate::{cpu, Error};

/// How often everything is counted.
pub(crate) const LOOPS: usize = 40;

/// Between two loops; all loops of a clock read together take more than a second. Around the end of
/// a second it takes some instructions more, and this is not about them. In the virtual
/// machine idle time takes no time.
const PAUSE: Duration = Duration::from_millis(30);

/// The instructions of one of `calls` calls. `count` says what so many take.
///
/// Twice as many have to take much less than a tick.
pub(crate) fn one_of(
    calls: u32,
    mut count: impl FnMut(u32) -> Result<u64, Error>,
) -> Result<f64, Error> {
    let mut least = |calls| {
        (0..LOOPS).try_fold(u64::MAX, |least, _| {
            Ok::<_, Error>(least.min(count(calls)?))
        })
    };
    let (short, long) = (least(calls)?, least(2 * calls)?);
    Ok((long as f64 - short as f64) / f64::from(calls))
}

/// Waits, so that not all loops are in the same part of a second.
pub(crate) fn pause() {
    sleep(PAUSE);
}

/// Fails unless the counter counts instructions, and the vDSO reads the counter.
pub(crate) fn check_counter() -> Result<(), Error> {
    const ROUNDS: u32 = 10_000;
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(source)?;
    if source.trim() != "tsc" {
        return Err(format!("the clock source is {}", source.trim()).into());
    }
    let pair = one_of(ROUNDS, |rounds| {
        pause();
        Ok(cpu::count_pairs(rounds.into()))
    })?;
    if pair != 2.0 {
        return Err(format!(
            "the counter does not count instructions (scripts/vm --warp): {pair} for 2"
        )
        .into());
    }
    Ok(())
}
