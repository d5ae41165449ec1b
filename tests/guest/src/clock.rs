// SPDX-License-Identifier: GPL-2.0

//! The clocks of a time namespace, and the two ways to read one.

use std::ffi::c_int;
use std::fmt;

use crate::failure::{Context, Outcome};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::vdso::Vdso;

/// A clock that belongs to a time namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Realtime,
    Monotonic,
    Raw,
    RealtimeCoarse,
    MonotonicCoarse,
    Boottime,
    Tai,
}

impl Clock {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Realtime,
        Self::Monotonic,
        Self::Raw,
        Self::RealtimeCoarse,
        Self::MonotonicCoarse,
        Self::Boottime,
        Self::Tai,
    ];

    /// Those that never step.
    pub(crate) const STEADY: [Self; 4] = [
        Self::Monotonic,
        Self::Raw,
        Self::MonotonicCoarse,
        Self::Boottime,
    ];

    /// The clock id.
    pub(crate) fn id(self) -> c_int {
        match self {
            Self::Realtime => libc::CLOCK_REALTIME,
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::Raw => libc::CLOCK_MONOTONIC_RAW,
            Self::RealtimeCoarse => libc::CLOCK_REALTIME_COARSE,
            Self::MonotonicCoarse => libc::CLOCK_MONOTONIC_COARSE,
            Self::Boottime => libc::CLOCK_BOOTTIME,
            Self::Tai => libc::CLOCK_TAI,
        }
    }

    /// Whether the clock advances by ticks.
    pub(crate) fn is_coarse(self) -> bool {
        matches!(self, Self::RealtimeCoarse | Self::MonotonicCoarse)
    }

    /// The clock that advances by nanoseconds and otherwise reads the same.
    pub(crate) fn fine(self) -> Self {
        match self {
            Self::RealtimeCoarse => Self::Realtime,
            Self::MonotonicCoarse => Self::Monotonic,
            fine => fine,
        }
    }

    /// What the clock reads by way of the system call.
    pub(crate) fn now(self) -> Outcome<Ns> {
        sys::clock_gettime(self.id()).context(self)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A way to read a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Syscall,
    Vdso,
}

impl Way {
    /// Both of them.
    pub(crate) const ALL: [Self; 2] = [Self::Syscall, Self::Vdso];

    /// What `clock` reads now.
    pub(crate) fn read(self, clock: Clock) -> Outcome<Ns> {
        match self {
            Self::Syscall => clock.now(),
            Self::Vdso => Vdso::get()?
                .clock_gettime(clock.id())
                .context(format_args!("vDSO, {clock}")),
        }
    }
}

/// What RAW reads, and how far MONOTONIC is ahead of it: the best of some readings.
pub(crate) fn ahead_of_raw() -> Outcome<(Ns, Span)> {
    let mut best: Option<(Ns, Span)> = None;
    for _ in 0..10 {
        let before = Clock::Raw.now()?;
        let time = Clock::Monotonic.now()?;
        let after = Clock::Raw.now()?;
        let span = Span::new(time - after, time - before);
        if best.is_none_or(|best| span.width() < best.1.width()) {
            best = Some((before, span));
        }
    }
    best.context("no reading")
}
