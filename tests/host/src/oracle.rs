// SPDX-License-Identifier: GPL-2.0

//! Reading a clock in big-integer arithmetic, by the formula that the vDSO is specified with.
//!
//! Knows the page's fields only and calls nothing of what it is to judge.

use num_bigint::BigInt;
use timens_arith::segment::Clock;

use crate::page::PageClock;

/// The kernel's `KTIME_MAX`.
pub const KTIME_MAX: u64 = (1 << 63) - 1;

/// The reading of `clock` before it is limited to `KTIME_MAX`, with the reading of
/// its line limited.
pub fn unlimited(page: &PageClock, clock: Clock, reference: u64, sleep: u64) -> BigInt {
    let segment = if reference >= page.current.reference {
        &page.current
    } else {
        &page.previous
    };
    let line = match clock {
        Clock::Raw => &segment.raw,
        _ => &segment.mono,
    };
    let delta = (BigInt::from(reference) - segment.reference).max(BigInt::from(0));
    let anchor = (BigInt::from(line.hi) << 64u32) + line.lo;
    let total: BigInt = (delta * line.rate + anchor) >> 56u32;

    let mut reading = total.min(BigInt::from(KTIME_MAX)) + segment.offset(clock);
    if matches!(clock, Clock::Realtime | Clock::Boottime | Clock::Tai) {
        reading += sleep;
    }
    reading
}

/// What `clock` reads at `reference` when the host has slept for `sleep` ns.
///
/// # Panics
///
/// If the clock was made such that it reads less than 0 there.
pub fn read(page: &PageClock, clock: Clock, reference: u64, sleep: u64) -> u64 {
    unlimited(page, clock, reference, sleep)
        .min(BigInt::from(KTIME_MAX))
        .try_into()
        .expect("a clock of the namespace is negative")
}
