// SPDX-License-Identifier: GPL-2.0

//! What happens to a clock, or to a process, while the process waits.

use std::fmt;

use crate::sys::Ns;

/// A rate, as a line for it has it.
pub(crate) type Parts = (u64, u32);

const SEC: Ns = 1_000_000_000;

/// In ns of the clock for a second of reference time.
pub(crate) fn per_second((secs, nsecs): Parts) -> Ns {
    Ns::from(secs) * SEC + Ns::from(nsecs)
}

/// The parts of a rate.
fn parts(per_second: Ns) -> Parts {
    ((per_second / SEC) as u64, (per_second % SEC) as u32)
}

/// A kind of disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Undisturbed,
    RateUp,
    RateDown,
    /// Not past the time that is waited for.
    StepForward,
    StepPast,
    StepBack,
    /// For longer than the wait, and then thawed.
    Frozen,
    /// The process is stopped and continued by signals.
    Stopped,
    /// And not before the time has come.
    StoppedForLong,
    /// Another process traces it, and has it stopped until after the time has come.
    Traced,
    /// Its control group is frozen until after the time has come.
    GroupFrozen,
}

/// One thing that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Rate(Parts),
    /// By how much REALTIME goes on.
    Step(Ns),
    Stop,
    Continue,
    Trace,
    LetGo,
    FreezeGroup,
    ThawGroup,
}

impl Scenario {
    /// What is done while a process waits for `length` of reference time, at `rate`, and after
    /// which part of it. All but the last leave the wait unfinished.
    pub(crate) fn changes(self, length: Ns, rate: Parts) -> Vec<(Ns, Change)> {
        let soon = length / 4;
        let advance = length * per_second(rate) / SEC;
        match self {
            Self::Undisturbed => vec![],
            Self::RateUp => vec![(soon, Change::Rate(parts(per_second(rate) * 2)))],
            Self::RateDown => vec![(soon, Change::Rate(parts(per_second(rate) / 4)))],
            Self::StepForward => vec![(soon, Change::Step(advance / 4))],
            Self::StepPast => vec![(soon, Change::Step(advance * 10))],
            Self::StepBack => vec![(soon, Change::Step(-advance))],
            Self::Frozen => vec![
                (soon, Change::Rate((0, 0))),
                (soon + length, Change::Rate(rate)),
            ],
            Self::Stopped => vec![(soon, Change::Stop), (soon * 2, Change::Continue)],
            Self::StoppedForLong => vec![(soon, Change::Stop), (length * 2, Change::Continue)],
            Self::Traced => vec![(soon, Change::Trace), (length * 2, Change::LetGo)],
            Self::GroupFrozen => vec![(soon, Change::FreezeGroup), (length * 2, Change::ThawGroup)],
        }
    }

    /// Whether it is one of a clock, and not of the process.
    pub(crate) fn changes_clock(self) -> bool {
        !matches!(self, Self::Undisturbed) && !self.stops_process()
    }

    /// Whether the process does not run for a while.
    pub(crate) fn stops_process(self) -> bool {
        matches!(
            self,
            Self::Stopped | Self::StoppedForLong | Self::Traced | Self::GroupFrozen
        )
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
