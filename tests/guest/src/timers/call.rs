// SPDX-License-Identifier: GPL-2.0

//! What a call that waits is, and the rows of the table that it has.

use std::fmt;
use std::os::fd::OwnedFd;

use crate::clock::Clock;
use crate::failure::{Context, Outcome};
use crate::sys::Ns;
use crate::timers::calls;
use crate::timers::entry::Entry;

/// A timeout's clock, and whether it is a time of that clock or a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout {
    pub(crate) clock: Clock,
    /// Whether it would wake the machine from suspend.
    pub(crate) alarm: bool,
    pub(crate) absolute: bool,
}

impl Timeout {
    /// A length by `clock`.
    pub(crate) const fn relative(clock: Clock) -> Self {
        Self {
            clock,
            alarm: false,
            absolute: false,
        }
    }

    /// A time of `clock`.
    pub(crate) const fn absolute(clock: Clock) -> Self {
        Self {
            absolute: true,
            ..Self::relative(clock)
        }
    }

    /// That of the clock that wakes the machine.
    pub(crate) const fn alarm(self) -> Self {
        Self {
            alarm: true,
            ..self
        }
    }

    /// What almost all calls have.
    pub(crate) const MONOTONIC: &'static [Self] = &[Self::relative(Clock::Monotonic)];
    /// What older calls with a time have.
    pub(crate) const UNTIL_REALTIME: &'static [Self] = &[Self::absolute(Clock::Realtime)];
    /// What timers have.
    pub(crate) const ALL: &'static [Self] = &[
        Self::relative(Clock::Monotonic),
        Self::absolute(Clock::Monotonic),
        Self::relative(Clock::Boottime),
        Self::absolute(Clock::Boottime),
        Self::relative(Clock::Realtime),
        Self::absolute(Clock::Realtime),
        Self::relative(Clock::Realtime).alarm(),
        Self::absolute(Clock::Realtime).alarm(),
        Self::relative(Clock::Boottime).alarm(),
        Self::absolute(Clock::Boottime).alarm(),
    ];
    /// Lengths, by all clocks.
    pub(crate) const LENGTHS: &'static [Self] = &[
        Self::relative(Clock::Monotonic),
        Self::relative(Clock::Boottime),
        Self::relative(Clock::Realtime),
        Self::relative(Clock::Tai),
        Self::relative(Clock::Realtime).alarm(),
        Self::relative(Clock::Boottime).alarm(),
    ];
    /// What timers have besides, where TAI is a clock of theirs.
    pub(crate) const TAI: &'static [Self] =
        &[Self::relative(Clock::Tai), Self::absolute(Clock::Tai)];

    /// The clock id.
    pub(crate) fn clock_id(self) -> i32 {
        match (self.clock, self.alarm) {
            (Clock::Realtime, true) => libc::CLOCK_REALTIME_ALARM,
            (Clock::Boottime, true) => libc::CLOCK_BOOTTIME_ALARM,
            (clock, _) => clock.id(),
        }
    }

    /// The clock by which it ends: a length by REALTIME does not notice steps.
    pub(crate) fn ends_by(self) -> Clock {
        match self.clock {
            Clock::Realtime if !self.absolute && !self.alarm => Clock::Monotonic,
            clock => clock,
        }
    }

    /// Whether steps of REALTIME move its end.
    pub(crate) fn notices_steps(self) -> bool {
        matches!(self.ends_by(), Clock::Realtime | Clock::Tai)
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.absolute { "until" } else { "for" };
        let alarm = if self.alarm { "Alarm" } else { "" };
        write!(f, "{kind}-{}{alarm}", self.clock)
    }
}

/// How exactly a call ends when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// By a high resolution timer.
    Exact,
    /// By the timer wheel. It is converted when it starts, and does not notice changes.
    Ticks,
    /// It looks when something happens, of which [`crate::timers::pace::Pace`] takes care.
    Paced,
}

/// What a call makes of being stopped and continued by signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// It goes on until its time has come.
    GoesOn,
    /// It starts again with what was left, or ends.
    Disturbs,
}

/// Waits, for a length or until a time: once every time that it is called.
pub(crate) type Wait = Box<dyn FnMut(Ns) -> Outcome>;

/// Where a call is made.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) entry: Entry,
    pub(crate) timeout: Timeout,
    /// A process that lives longer than the wait.
    pub(crate) other: i32,
    /// Where datagrams come from, for those that are paced.
    pub(crate) pace: Option<OwnedFd>,
}

/// A call that waits.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) entries: &'static [Entry],
    pub(crate) timeouts: &'static [Timeout],
    /// Its times are multiples of this.
    pub(crate) unit: Ns,
    pub(crate) precision: Precision,
    pub(crate) stopping: Stopping,
    /// Makes all that it needs, so that only the call itself is left to do.
    pub(crate) prepare: fn(Site) -> Outcome<Wait>,
}

impl Call {
    /// One that takes nanoseconds, is exact, goes on, and has all entries.
    pub(crate) const fn new(
        name: &'static str,
        timeouts: &'static [Timeout],
        prepare: fn(Site) -> Outcome<Wait>,
    ) -> Self {
        Self {
            name,
            entries: Entry::ALL,
            timeouts,
            unit: 1,
            precision: Precision::Exact,
            stopping: Stopping::GoesOn,
            prepare,
        }
    }

    /// With other entries.
    pub(crate) const fn entries(self, entries: &'static [Entry]) -> Self {
        Self { entries, ..self }
    }

    /// With times that are multiples of `unit`.
    pub(crate) const fn unit(self, unit: Ns) -> Self {
        Self { unit, ..self }
    }

    /// With that precision.
    pub(crate) const fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// That does not go on after it was stopped.
    pub(crate) const fn disturbed(self) -> Self {
        Self {
            stopping: Stopping::Disturbs,
            ..self
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) call: &'static Call,
    pub(crate) entry: Entry,
    pub(crate) timeout: Timeout,
}

impl Row {
    /// All rows.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        calls::all().flat_map(|call| {
            call.timeouts.iter().flat_map(move |&timeout| {
                call.entries.iter().map(move |&entry| Self {
                    call,
                    entry,
                    timeout,
                })
            })
        })
    }

    /// The row of that name.
    pub(crate) fn named(name: &str) -> Outcome<Self> {
        Self::all()
            .find(|row| row.to_string() == name)
            .context(format_args!("no row {name}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.call.name, self.timeout, self.entry)
    }
}
