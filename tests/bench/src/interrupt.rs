// SPDX-License-Identifier: GPL-2.0

//! How many instructions the interrupt takes in which a timer expires.
//!
//! They are those that a sleep takes more when timers expire meanwhile. The first instruction
//! of the interrupt to the last, as nobody waits for these timers.

use std::{thread::sleep, time::Duration};

use crate::{cpu, loops::LOOPS, spinner::Spinner, timer::Timer, Error};

/// Timers that expire one after the other; all of them in less than a tick.
pub(crate) const TIMERS: usize = 20;

/// Between two of them, which is longer than the interrupt takes, ns.
const DISTANCE: u64 = 40_000;

/// The start of the sleep before the first of them, and its end after the last, ns.
const MARGIN: u64 = 200_000;

/// The instructions of an interrupt. `arm` arms one of the timers, all of which has to take less than
/// `lead` ns.
pub(crate) fn count(
    spinner: &Spinner,
    timers: &[Timer; TIMERS],
    lead: u64,
    arm: impl Fn(usize, Deadline) -> Result<(), Error>,
) -> Result<f64, Error> {
    let mut least = [u64::MAX; 2];
    for _ in 0..LOOPS {
        for (least, armed) in least.iter_mut().zip([false, true]) {
            let first = cpu::counter() + lead;
            if armed {
                for index in 0..TIMERS {
                    arm(index, Deadline(first + index as u64 * DISTANCE))?;
                }
            }
            let before = Deadline(first - MARGIN);
            if before.remaining().is_zero() {
                return Err("arming the timers has taken too long".into());
            }
            sleep(before.remaining());
            let after = Deadline(first + TIMERS as u64 * DISTANCE + MARGIN);
            let spent = spinner.without(|| {
                sleep(after.remaining());
                Ok::<_, Error>(())
            })?;
            for timer in timers {
                if !timer.is_idle()? {
                    return Err("a timer has not expired in time".into());
                }
            }
            *least = (*least).min(spent);
        }
    }
    let [without, with] = least;
    Ok((with as f64 - without as f64) / TIMERS as f64)
}

/// A value of the counter. It counts instructions, which take 1 ns each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(u64);

impl Deadline {
    /// The time until then.
    pub(crate) fn remaining(self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(cpu::counter()))
    }
}
