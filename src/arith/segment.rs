// SPDX-License-Identifier: GPL-2.0

//! All clocks of a namespace while nothing about them changes.

use super::{
    line::Line,
    offsets::Offsets,
    rate::Rate,
    time::{
        NsTime,
        RefTime,
        KTIME_MAX, //
    }, //
};

/// The clocks that a namespace has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`: runs at the namespace's rate and never steps.
    Monotonic,
    /// `CLOCK_MONOTONIC_RAW`: as MONOTONIC, without NTP's part of the rate.
    Raw,
    /// `CLOCK_BOOTTIME`: MONOTONIC and the time that the host slept.
    Boottime,
    /// `CLOCK_REALTIME`: as BOOTTIME, and it can be stepped.
    Realtime,
    /// `CLOCK_TAI`: REALTIME and the leap seconds.
    Tai,
}

impl Clock {
    /// Whether the clock can be set, and so go back.
    #[inline]
    pub fn steps(self) -> bool {
        match self {
            Self::Monotonic | Self::Raw | Self::Boottime => false,
            Self::Realtime | Self::Tai => true,
        }
    }

    /// Whether the clock goes on while the host sleeps.
    #[inline]
    pub fn counts_sleep(self) -> bool {
        match self {
            Self::Monotonic | Self::Raw => false,
            Self::Boottime | Self::Realtime | Self::Tai => true,
        }
    }
}

/// All clocks of a namespace from one reference time on, the anchor.
///
/// Before the anchor they read what they read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    anchor: RefTime,
    mono: Line,
    raw: Line,
    offsets: Offsets,
}

impl Segment {
    /// The clocks that start at `anchor` from the anchors of `mono` and `raw`.
    pub fn new(anchor: RefTime, mono: Line, raw: Line, offsets: Offsets) -> Self {
        Self {
            anchor,
            mono,
            raw,
            offsets,
        }
    }

    /// The same clocks anchored at the later time `at`, from there on at the rates `mono` and
    /// `raw`.
    pub fn continued(&self, at: RefTime, mono: Rate, raw: Rate) -> Self {
        let delta = at.since(self.anchor);
        Self {
            anchor: at,
            mono: self.mono.continued(delta, mono),
            raw: self.raw.continued(delta, raw),
            offsets: self.offsets,
        }
    }

    /// The same clocks with other offsets.
    pub fn with_offsets(self, offsets: Offsets) -> Self {
        Self { offsets, ..self }
    }

    /// What `clock` reads at the reference time `at` when the host has slept for `sleep` ns.
    #[inline]
    pub fn read(&self, clock: Clock, at: RefTime, sleep: u64) -> NsTime {
        let line = self.line(clock).value(at.since(self.anchor));

        // Only the upper end can overflow (`line` is not negative), and what follows adds only:
        // saturating after each step is saturating the sum.
        let reading = line
            .as_signed()
            .saturating_add(self.offset(clock))
            .saturating_add_unsigned(if clock.counts_sleep() { sleep } else { 0 });
        NsTime::from_ns(reading.max(0).unsigned_abs())
    }

    /// The smallest reference time, from the anchor on, at which `clock` reads at least
    /// `time`, if the host has slept for `sleep` ns then.
    ///
    /// [`RefTime::MAX`], that is never, if there is none.
    #[inline]
    pub fn to_ref(&self, clock: Clock, time: NsTime, sleep: u64) -> RefTime {
        // Sums of three 64-bit numbers, far from the ends of 128 bits.
        let sleep = if clock.counts_sleep() { sleep } else { 0 };
        let line = i128::from(time.as_ns())
            .wrapping_sub(i128::from(self.offset(clock)))
            .wrapping_sub(i128::from(sleep));

        // The line is never below 0 and stops at KTIME_MAX.
        let delta = match u64::try_from(line.max(0)) {
            Ok(line) if line <= KTIME_MAX => self.line(clock).delta_for(NsTime::from_ns(line)),
            _ => None,
        };
        match delta {
            Some(delta) => self.anchor.saturating_add(delta),
            None => RefTime::MAX,
        }
    }

    /// Whether some time may come earlier here than by `other`, from where both hold.
    pub fn is_ahead_of(&self, other: &Self) -> bool {
        let at = self.anchor.max(other.anchor);
        self.mono.rate() > other.mono.rate()
            || self.offsets.realtime() > other.offsets.realtime()
            || self.offsets.tai() > other.offsets.tai()
            || self.read(Clock::Monotonic, at, 0) > other.read(Clock::Monotonic, at, 0)
    }

    /// The reference time from which the segment holds.
    #[inline]
    pub fn anchor(&self) -> RefTime {
        self.anchor
    }

    /// CLOCK_MONOTONIC.
    #[inline]
    pub fn mono(&self) -> &Line {
        &self.mono
    }

    /// CLOCK_MONOTONIC_RAW.
    #[inline]
    pub fn raw(&self) -> &Line {
        &self.raw
    }

    /// What the other clocks are ahead of CLOCK_MONOTONIC.
    #[inline]
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// The line that `clock` follows.
    #[inline]
    fn line(&self, clock: Clock) -> &Line {
        match clock {
            Clock::Raw => &self.raw,
            Clock::Monotonic | Clock::Boottime | Clock::Realtime | Clock::Tai => &self.mono,
        }
    }

    /// What `clock` is ahead of its line and the sleep time that it counts.
    #[inline]
    fn offset(&self, clock: Clock) -> i64 {
        match clock {
            Clock::Monotonic | Clock::Raw => 0,
            Clock::Boottime => self.offsets.boottime(),
            Clock::Realtime => self.offsets.realtime(),
            Clock::Tai => self.offsets.tai(),
        }
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_segment))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    fn ns(ns: u64) -> NsTime {
        NsTime::from_ns(ns)
    }

    fn at(ns: u64) -> RefTime {
        RefTime::from_ns(ns)
    }

    /// From reference time 1000 on at double speed: MONOTONIC from 50, RAW from 60, BOOTTIME from
    /// 500, REALTIME from 20, after 5 ns of sleep.
    fn segment() -> Option<Segment> {
        let rate = Rate::from_parts(2, 0).ok()?;
        let offsets = Offsets::new(ns(50), 5, ns(500), ns(20), 1).ok()?;
        Some(Segment::new(
            at(1000),
            Line::new(ns(50).into(), rate),
            Line::new(ns(60).into(), rate),
            offsets,
        ))
    }

    fn read(clock: Clock, reference: u64, sleep: u64) -> Option<u64> {
        Some(segment()?.read(clock, at(reference), sleep).as_ns())
    }

    fn to_ref(clock: Clock, time: u64, sleep: u64) -> Option<u64> {
        Some(segment()?.to_ref(clock, ns(time), sleep).as_ns())
    }

    #[test]
    fn every_clock_reads_its_line_and_offset() {
        assert_eq!(read(Clock::Monotonic, 1010, 5), Some(70));
        assert_eq!(read(Clock::Raw, 1010, 5), Some(80));
        assert_eq!(read(Clock::Boottime, 1010, 5), Some(520));
        assert_eq!(read(Clock::Realtime, 1010, 5), Some(40));
        assert_eq!(read(Clock::Tai, 1010, 5), Some(1_000_000_040));
    }

    #[test]
    fn some_clocks_count_sleep() {
        assert_eq!(read(Clock::Monotonic, 1010, 105), Some(70));
        assert_eq!(read(Clock::Raw, 1010, 105), Some(80));
        assert_eq!(read(Clock::Boottime, 1010, 105), Some(620));
        assert_eq!(read(Clock::Realtime, 1010, 105), Some(140));
        assert_eq!(read(Clock::Tai, 1010, 105), Some(1_000_000_140));
    }

    #[test]
    fn before_the_anchor_is_as_at_the_anchor() {
        assert_eq!(read(Clock::Monotonic, 0, 5), Some(50));
        assert_eq!(to_ref(Clock::Monotonic, 0, 5), Some(1000));
        assert_eq!(to_ref(Clock::Monotonic, 50, 5), Some(1000));
    }

    #[test]
    fn first_time_of_a_reading() {
        assert_eq!(to_ref(Clock::Monotonic, 51, 5), Some(1001));
        assert_eq!(to_ref(Clock::Raw, 63, 5), Some(1002));
        assert_eq!(to_ref(Clock::Boottime, 503, 5), Some(1002));
        assert_eq!(to_ref(Clock::Boottime, 503, 7), Some(1001));
        assert_eq!(to_ref(Clock::Realtime, 40, 5), Some(1010));
    }

    #[test]
    fn a_clock_stops_where_its_line_does() {
        // REALTIME is 35 behind MONOTONIC, which stops at KTIME_MAX.
        assert_eq!(read(Clock::Realtime, KTIME_MAX, 5), Some(KTIME_MAX - 30));
        assert_eq!(
            to_ref(Clock::Realtime, KTIME_MAX - 29, 5),
            Some(RefTime::MAX.as_ns())
        );
        assert_eq!(
            to_ref(Clock::Realtime, KTIME_MAX - 30, 5),
            Some(1000 + (KTIME_MAX - 49) / 2)
        );
        // BOOTTIME is ahead of it and stops there as well.
        assert_eq!(read(Clock::Boottime, KTIME_MAX, 5), Some(KTIME_MAX));
    }
}
