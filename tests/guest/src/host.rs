// SPDX-License-Identifier: GPL-2.0

//! The host's clocks: those of the time namespace that the tests were started in.

use std::thread;
use std::time::Duration;

use rustix::time::{clock_getres, ClockId};

use crate::clock::Clock;
use crate::failure::{Context, Outcome};
use crate::span::Span;
use crate::sys::{self, Ns};

/// How far the host's clocks are ahead of its CLOCK_MONOTONIC, the reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases {
    pub(crate) raw: Span,
    pub(crate) boottime: Span,
    pub(crate) realtime: Span,
    /// TAI less REALTIME.
    pub(crate) tai_ahead: Ns,
}

impl Bases {
    /// Measures them, as of now.
    pub(crate) fn measure() -> Outcome<Self> {
        Ok(Self {
            raw: ahead(Clock::Raw)?,
            boottime: ahead(Clock::Boottime)?,
            realtime: ahead(Clock::Realtime)?,
            tai_ahead: Ns::from(sys::discipline().context("adjtimex")?.tai) * 1_000_000_000,
        })
    }

    /// What they may have been at any time between two measurements.
    pub(crate) fn hull(&self, later: &Self) -> Self {
        Self {
            raw: self.raw.hull(later.raw),
            boottime: self.boottime.hull(later.boottime),
            realtime: self.realtime.hull(later.realtime),
            tai_ahead: later.tai_ahead,
        }
    }
}

/// How far `clock` is ahead of the reference: the narrowest of some measurements.
pub(crate) fn ahead(clock: Clock) -> Outcome<Span> {
    let mut best: Option<Span> = None;
    for _ in 0..8 {
        let before = reference()?;
        let time = clock.now()?;
        let after = reference()?;
        let span = Span::new(time - after, time - before);
        if best.is_none_or(|best| span.width() < best.width()) {
            best = Some(span);
        }
    }
    Ok(best.unwrap_or(Span::new(0, 0)))
}

/// The reference now.
pub(crate) fn reference() -> Outcome<Ns> {
    Clock::Monotonic.now()
}

/// The shortest interval of a timer, and how late one may be: 1 ns, or a jiffy where timers expire
/// with the tick.
pub(crate) fn resolution() -> Ns {
    resolution_of(ClockId::Monotonic)
}

/// A jiffy, by which the timer wheel is as late as it happens to be.
pub(crate) fn tick() -> Ns {
    resolution_of(ClockId::MonotonicCoarse)
}

fn resolution_of(clock: ClockId) -> Ns {
    let resolution = clock_getres(clock);
    Ns::from(resolution.tv_sec) * 1_000_000_000 + Ns::from(resolution.tv_nsec)
}

/// Lets the reference advance by at least `ns`.
pub(crate) fn pass(ns: Ns) -> Outcome {
    let until = reference()? + ns;
    pass_until(Clock::Monotonic, until)
}

/// Lets `clock` of the host advance to at least `time`.
pub(crate) fn pass_until(clock: Clock, time: Ns) -> Outcome {
    loop {
        let left = time - clock.now()?;
        if left <= 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_nanos(left.min(1_000_000_000) as u64));
    }
}
