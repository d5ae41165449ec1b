// SPDX-License-Identifier: GPL-2.0

//! A clock as the vDSO page has it: `struct vdso_timens_clock` without the sequence.

use timens_arith::{
    line::Line,
    segment::{Clock, Segment},
    timeline::Timeline,
};

/// `struct vdso_timens_line`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLine {
    /// Low word of the anchor value, a 64.56 fixed-point number of ns.
    pub lo: u64,
    /// High word of it.
    pub hi: u64,
    /// The 8.56 fixed-point rate.
    pub rate: u64,
    /// Its reciprocal.
    pub reciprocal: u64,
}

impl From<&Line> for PageLine {
    fn from(line: &Line) -> Self {
        let (lo, hi) = line.anchor().words();
        Self {
            lo,
            hi,
            rate: line.rate().as_units(),
            reciprocal: line.reciprocal().word(),
        }
    }
}

/// `struct vdso_timens_segment`, of whose offsets those that are not always 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSegment {
    /// The reference time of the anchor.
    pub reference: u64,
    /// MONOTONIC.
    pub mono: PageLine,
    /// MONOTONIC_RAW.
    pub raw: PageLine,
    /// REALTIME - MONOTONIC - sleep.
    pub realtime: i64,
    /// BOOTTIME - MONOTONIC - sleep.
    pub boottime: i64,
    /// TAI - MONOTONIC - sleep.
    pub tai: i64,
}

impl PageSegment {
    /// The offset of `clock`.
    pub fn offset(&self, clock: Clock) -> i64 {
        match clock {
            Clock::Monotonic | Clock::Raw => 0,
            Clock::Realtime => self.realtime,
            Clock::Boottime => self.boottime,
            Clock::Tai => self.tai,
        }
    }
}

impl From<&Segment> for PageSegment {
    fn from(segment: &Segment) -> Self {
        Self {
            reference: segment.anchor().as_ns(),
            mono: segment.mono().into(),
            raw: segment.raw().into(),
            realtime: segment.offsets().realtime(),
            boottime: segment.offsets().boottime(),
            tai: segment.offsets().tai(),
        }
    }
}

/// The two segments of `struct vdso_timens_clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageClock {
    /// `segment[0]`.
    pub previous: PageSegment,
    /// `segment[1]`.
    pub current: PageSegment,
}

impl From<&Timeline> for PageClock {
    fn from(timeline: &Timeline) -> Self {
        Self {
            previous: timeline.previous().into(),
            current: timeline.current().into(),
        }
    }
}
