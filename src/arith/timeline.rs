// SPDX-License-Identifier: GPL-2.0

//! A namespace's clocks with their last change.
//!
//! A change takes effect a little ahead in reference time. Until then readers need the segment
//! before it, and so do those that sampled the reference a moment ago: a timeline has both. So all
//! readers of one reference time get one namespace time, whether they already see the change or
//! not, provided that
//!
//! - a change is published before the reference reaches its anchor, and after it has reached that
//!   of the change before, unless it takes the place of that; and
//! - no reader uses a reference time older than the anchor of the change before the last.
//!
//! Both are the publisher's business: it keeps changes far enough ahead and apart.

use super::{
    error::Error,
    line::Line,
    offsets::{
        Ahead,
        Offsets, //
    },
    rate::Rate,
    segment::{
        Clock,
        Segment, //
    },
    time::{
        FixedNs,
        NsTime,
        RefTime, //
    }, //
};

/// What a namespace's clocks read when they start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The reference time of the readings.
    pub at: RefTime,
    /// How many ns the host has slept until then.
    pub sleep: u64,
    /// How fast the clocks run.
    pub rate: Rate,
    /// What MONOTONIC reads.
    pub mono: FixedNs,
    /// What MONOTONIC_RAW reads.
    pub raw: FixedNs,
    /// What BOOTTIME reads.
    pub boottime: NsTime,
    /// What REALTIME reads.
    pub realtime: NsTime,
    /// TAI - UTC in seconds.
    pub tai_seconds: i32,
}

/// What changes at a reference time. What is [`None`] stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// How fast all clocks but RAW run from then on.
    pub mono: Option<Rate>,
    /// How fast RAW runs from then on.
    pub raw: Option<Rate>,
    /// Where REALTIME and TAI are then.
    pub ahead: Option<Ahead>,
}

/// What the last change does to those who wait for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The reference time from which on it holds.
    pub at: RefTime,
    /// How far it steps REALTIME, ns.
    pub step: i64,
    /// The rate of all clocks but RAW from then on, if that is another one.
    pub rate: Option<Rate>,
    /// Whether a time may come earlier than was to be expected before.
    pub earlier: bool,
}

impl Effect {
    /// Of a change from the segment `old` to `new`.
    fn between(old: &Segment, new: &Segment) -> Self {
        Self {
            at: new.anchor(),
            // Where MONOTONIC is the same.
            step: new
                .offsets()
                .realtime()
                .saturating_sub(old.offsets().realtime()),
            rate: (new.mono().rate() != old.mono().rate()).then_some(new.mono().rate()),
            earlier: new.is_ahead_of(old),
        }
    }
}

/// A namespace's clocks: the segment in effect, or about to be, and the one before.
///
/// # Invariants
///
/// `previous` is not anchored after `current`, and where `current` begins, MONOTONIC, RAW and
/// BOOTTIME read the same in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    previous: Segment,
    current: Segment,
}

impl Timeline {
    /// The clocks that start as `start` says. Before that they read the same.
    pub fn start(start: &Start) -> Result<Self, Error> {
        let offsets = Offsets::new(
            start.mono.floor(),
            start.sleep,
            start.boottime,
            start.realtime,
            start.tai_seconds,
        )?;
        let segment = Segment::new(
            start.at,
            Line::new(start.mono, start.rate),
            Line::new(start.raw, start.rate),
            offsets,
        );
        // INVARIANT: Both segments are the same.
        Ok(Self {
            previous: segment,
            current: segment,
        })
    }

    /// The timeline that was published as these segments.
    #[inline]
    pub fn from_published(previous: Segment, current: Segment) -> Self {
        // INVARIANT: The segments are those of a timeline.
        Self { previous, current }
    }

    /// Makes `change` at the reference time `at`, when the host has slept for `sleep` ns.
    ///
    /// If the last change is still to come then, this one takes its place. It cannot be before the
    /// one before that.
    pub fn change(&mut self, at: RefTime, sleep: u64, change: &Change) -> Result<(), Error> {
        if at < self.previous.anchor() {
            return Err(Error::BeforeAnchor);
        }
        // INVARIANT: `at` was checked, the next segment continues the lines of the one before; and
        // the offset of BOOTTIME never changes.
        if at >= self.current.anchor() {
            self.previous = self.current;
        }
        let mut next = self.previous.continued(
            at,
            change.mono.unwrap_or(self.previous.mono().rate()),
            change.raw.unwrap_or(self.previous.raw().rate()),
        );
        if let Some(ahead) = &change.ahead {
            let mono = next.mono().anchor().floor();
            next = next.with_offsets(next.offsets().with(mono, sleep, ahead));
        }
        self.current = next;
        Ok(())
    }

    /// What the last change does, when the clocks were known as `before` until then.
    pub fn effect(&self, before: &Self) -> Effect {
        let new = &self.current;
        let mut effect = Effect::between(before.at(new.anchor()), new);
        let expected = &before.current;
        // If the change takes the place of one that was still to come, that one was expected.
        if expected.anchor() > new.anchor() {
            effect.earlier |= new.is_ahead_of(expected);
        }
        effect
    }

    /// The same, when the change before had taken effect.
    pub fn last_effect(&self) -> Effect {
        Effect::between(&self.previous, &self.current)
    }

    /// The segment in effect at the reference time `at`.
    #[inline]
    pub fn at(&self, at: RefTime) -> &Segment {
        if at >= self.current.anchor() {
            &self.current
        } else {
            &self.previous
        }
    }

    /// What `clock` reads at the reference time `at` when the host has slept for `sleep` ns.
    #[inline]
    pub fn read(&self, clock: Clock, at: RefTime, sleep: u64) -> NsTime {
        self.at(at).read(clock, at, sleep)
    }

    /// The smallest reference time at which `clock` reads at least `time`: never, that is
    /// [`RefTime::MAX`], if it does not get there.
    ///
    /// Knows nothing before the anchor of the previous segment, which is the answer for a time
    /// that has passed by then. For all others
    ///
    /// ```text
    /// read(to_ref(time)) >= time > read(to_ref(time) - 1)
    /// ```
    ///
    /// The time [`NsTime::MAX`] is never: it stands for "no timeout", and for
    /// whatever comes after the end of a clock that has stopped there. If it
    /// were due on that clock, an interval timer would be due again at once, forever.
    #[inline]
    pub fn to_ref(&self, clock: Clock, time: NsTime, sleep: u64) -> RefTime {
        self.to_ref_from(clock, time, sleep, self.previous.anchor())
    }

    /// The smallest reference time, from `from` on, at which `clock` reads at least `time`.
    ///
    /// Differs from the later of [`Timeline::to_ref`] and `from` when the last change stepped
    /// REALTIME back: it may have read `time` before, and will again.
    #[inline]
    pub fn to_ref_from(&self, clock: Clock, time: NsTime, sleep: u64, from: RefTime) -> RefTime {
        if time == NsTime::MAX {
            return RefTime::MAX;
        }
        let change = self.current.anchor();
        if from < change {
            let at = self.previous.to_ref(clock, time, sleep);
            if at < change {
                return at.max(from);
            }
        }
        self.current.to_ref(clock, time, sleep).max(from)
    }

    /// The segment before the last change.
    #[inline]
    pub fn previous(&self) -> &Segment {
        &self.previous
    }

    /// The segment of the last change.
    #[inline]
    pub fn current(&self) -> &Segment {
        &self.current
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_timeline))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    fn at(ns: u64) -> RefTime {
        RefTime::from_ns(ns)
    }

    fn ns(ns: u64) -> NsTime {
        NsTime::from_ns(ns)
    }

    /// Starts at reference time 1000 at rate 1: MONOTONIC and RAW at 0, BOOTTIME at 100, REALTIME
    /// at 500. At 2000 the rate becomes 3 and REALTIME is set to `realtime`.
    fn stepped(realtime: u64) -> Result<Timeline, Error> {
        let mut timeline = Timeline::start(&Start {
            at: at(1000),
            sleep: 0,
            rate: Rate::ONE,
            mono: ns(0).into(),
            raw: ns(0).into(),
            boottime: ns(100),
            realtime: ns(500),
            tai_seconds: 0,
        })?;
        let rate = Some(Rate::from_parts(3, 0)?);
        let change = Change {
            mono: rate,
            raw: rate,
            ahead: Some(Ahead::reading(ns(realtime), ns(1000), 0, 0)?),
        };
        timeline.change(at(2000), 0, &change)?;
        Ok(timeline)
    }

    fn read(realtime: u64, clock: Clock, reference: u64) -> Result<u64, Error> {
        Ok(stepped(realtime)?.read(clock, at(reference), 0).as_ns())
    }

    fn to_ref_from(realtime: u64, clock: Clock, time: u64, from: u64) -> Result<u64, Error> {
        let timeline = stepped(realtime)?;
        Ok(timeline.to_ref_from(clock, ns(time), 0, at(from)).as_ns())
    }

    fn to_ref(realtime: u64, clock: Clock, time: u64) -> Result<u64, Error> {
        let timeline = stepped(realtime)?;
        Ok(timeline.to_ref(clock, ns(time), 0).as_ns())
    }

    #[test]
    fn a_change_takes_effect_at_its_anchor() {
        assert_eq!(read(9000, Clock::Monotonic, 999), Ok(0));
        assert_eq!(read(9000, Clock::Monotonic, 1999), Ok(999));
        assert_eq!(read(9000, Clock::Monotonic, 2000), Ok(1000));
        assert_eq!(read(9000, Clock::Monotonic, 2001), Ok(1003));
        assert_eq!(read(9000, Clock::Boottime, 2001), Ok(1103));
        assert_eq!(read(9000, Clock::Realtime, 1999), Ok(1499));
        assert_eq!(read(9000, Clock::Realtime, 2000), Ok(9000));
        assert_eq!(read(9000, Clock::Realtime, 2001), Ok(9003));
    }

    #[test]
    fn times_are_found_on_both_sides_of_a_change() {
        assert_eq!(to_ref(9000, Clock::Monotonic, 0), Ok(1000));
        assert_eq!(to_ref(9000, Clock::Monotonic, 999), Ok(1999));
        assert_eq!(to_ref(9000, Clock::Monotonic, 1001), Ok(2001));
        assert_eq!(to_ref(9000, Clock::Monotonic, 1004), Ok(2002));
    }

    #[test]
    fn a_step_ahead_skips_times() {
        assert_eq!(to_ref(9000, Clock::Realtime, 1499), Ok(1999));
        assert_eq!(to_ref(9000, Clock::Realtime, 1500), Ok(2000));
        assert_eq!(to_ref(9000, Clock::Realtime, 9000), Ok(2000));
        assert_eq!(to_ref(9000, Clock::Realtime, 9001), Ok(2001));
    }

    #[test]
    fn a_step_back_repeats_times() {
        assert_eq!(to_ref(600, Clock::Realtime, 900), Ok(1400));
        assert_eq!(to_ref_from(600, Clock::Realtime, 900, 1300), Ok(1400));
        assert_eq!(to_ref_from(600, Clock::Realtime, 900, 1700), Ok(1700));
        assert_eq!(to_ref_from(600, Clock::Realtime, 900, 2000), Ok(2100));
        assert_eq!(to_ref_from(600, Clock::Realtime, 900, 2500), Ok(2500));
    }

    #[test]
    fn no_timeout_is_never_due() {
        assert_eq!(
            to_ref(600, Clock::Monotonic, u64::MAX),
            Ok(RefTime::MAX.as_ns())
        );
    }

    #[test]
    fn changes_have_an_order() {
        let change = |reference| stepped(0)?.change(at(reference), 0, &Change::default());
        assert_eq!(change(999), Err(Error::BeforeAnchor));
        assert_eq!(change(2000), Ok(()));
    }

    #[test]
    fn a_change_takes_the_place_of_one_that_is_to_come() {
        let slower = Change {
            mono: Some(Rate::ZERO),
            ..Change::default()
        };
        let read = |clock, reference| {
            let mut timeline = stepped(9000)?;
            timeline.change(at(1500), 0, &slower)?;
            Ok::<_, Error>(timeline.read(clock, at(reference), 0).as_ns())
        };
        assert_eq!(read(Clock::Monotonic, 1499), Ok(499));
        assert_eq!(read(Clock::Monotonic, 2500), Ok(500));
        assert_eq!(read(Clock::Raw, 2500), Ok(1500));
        assert_eq!(read(Clock::Realtime, 2500), Ok(1000));
    }
}
