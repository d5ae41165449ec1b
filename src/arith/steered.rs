// SPDX-License-Identifier: GPL-2.0

//! A namespace's clocks with what makes them run as they do.
//!
//! ```text
//!  rate R ---> RAW -----------.
//!                             v
//!  adjtimex ---> discipline ---> course ---> MONOTONIC, BOOTTIME
//!                    |                          |
//!  settime ----------+--- REALTIME's offset ----+---> REALTIME, TAI
//! ```
//!
//! RAW runs at the **base** rate. MONOTONIC runs on a **course** that the discipline plots, and so
//! changes its rate now and then by itself: the course after the present one is published **ahead**,
//! while the present one lasts, so that no clock depends on how punctual the publisher is.
//!
//! Somebody who changes a clock has to take **turns**: see [`Steered::turn`].

use super::{
    error::Error,
    ntp::{
        course::Course,
        ideal::{
            CatchUp,
            Moment,
            Ntp, //
        },
        timex::{
            Refusal,
            TimeState,
            Timex, //
        }, //
    },
    offsets::Ahead,
    rate::Rate,
    time::{
        NsTime,
        RefTime,
        FRAC_BITS, //
    },
    timeline::{
        Change,
        Effect,
        Timeline, //
    }, //
};

/// Time between changes of one clock, ns.
///
/// Readers know two segments. One that sampled its reference longer ago than that reads
/// the start of the older one.
const CHANGE_INTERVAL: u64 = 1_000_000;

/// At the end of a course the clock is where the discipline wants it, and gets there this long
/// before it at most, ns of the reference, unless it is led back to it. Less than a tick of the
/// fastest clock.
const TOGETHER: u64 = 1_000;

/// A course lasts at least that long, ns of the reference.
const COURSE_MIN: u64 = 20_000_000;

/// The next course should be published so long before it begins, ns, or half of the present one:
/// so late may a worker be.
const MARGIN: u64 = 250_000_000;

/// A course lasts at least that long on a clock that is so fast that it has many seconds in one
/// of the reference.
const COURSE_MIN_FAST: u64 = 500_000_000;

/// A base rate above this is fast.
const FAST: u64 = 2 << FRAC_BITS;

/// A course is published no earlier than so long before it begins, ns: the host's sleep would move
/// a leap second that has been published.
const AHEAD_MAX: u64 = 1 << 30;

/// The clocks, the base rate and the discipline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steered<const HZ: i64> {
    timeline: Timeline,
    base: Rate,
    ntp: Ntp<HZ>,
    /// Where the course of the timeline's last segment ends. [`None`] if it does not.
    end: Option<RefTime>,
    /// The discipline there, if the host does not sleep until then.
    arrival: Option<Ntp<HZ>>,
    /// The same where that course begins, if it was published ahead.
    departure: Option<Ntp<HZ>>,
    /// Where REALTIME steps by itself, as long as nobody has been told.
    leap: Option<RefTime>,
}

/// A course that begins where the present one ends.
#[derive(Clone, Copy, Debug)]
pub struct Plotted<const HZ: i64> {
    course: Course<HZ>,
    /// The discipline where it begins.
    ntp: Ntp<HZ>,
    /// Whether the clock is too far off to be led back then. Who looks at it before may not find so.
    is_lost: bool,
    begin: RefTime,
    sleep: u64,
}

impl<const HZ: i64> Plotted<HZ> {
    /// The discipline where it begins.
    pub fn ntp(&self) -> &Ntp<HZ> {
        &self.ntp
    }
}

impl<const HZ: i64> Steered<HZ> {
    /// The clocks of `timeline` from `at` on, at the rate `base`. They go on with the discipline
    /// `ntp`, if there is one, that [`Ntp::rebase`] or [`Ntp::advance`] has brought up to that.
    pub fn new(
        timeline: Timeline,
        base: Rate,
        ntp: Option<Ntp<HZ>>,
        at: RefTime,
        sleep: u64,
    ) -> Self {
        let now = moment(&timeline, at, sleep);
        let offsets = timeline.at(at).offsets();
        // CAST: See `Offsets`.
        let tai = offsets.tai_seconds() as i32;
        let mut steered = Self {
            timeline,
            base,
            ntp: ntp.unwrap_or_else(|| Ntp::new(&now, offsets.realtime(), tai)),
            end: None,
            arrival: None,
            departure: None,
            leap: None,
        };
        steered.steer(at, &now);
        steered
    }

    /// What is to be published.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The rate of RAW.
    pub fn base(&self) -> Rate {
        self.base
    }

    /// The discipline.
    pub fn ntp(&self) -> &Ntp<HZ> {
        &self.ntp
    }

    /// When a change may be published that takes effect at `at`.
    ///
    /// There has to be a while between two of them, except that one takes the place of one that is
    /// still to come. Not of a leap second that is: it might not be published again in time.
    pub fn turn(&self, at: RefTime) -> RefTime {
        let near = |leap: &RefTime| leap.since(at) < COURSE_MIN;
        self.leap
            .filter(near)
            .unwrap_or(RefTime::from_ns(0))
            .max(self.timeline.at(at).anchor())
            .saturating_add(CHANGE_INTERVAL)
    }

    /// What the clocks read at `at` when the host has slept for `sleep` ns, as everything that is
    /// done as of `at` needs to know. It holds until [`Steered::steer`].
    pub fn moment(&self, at: RefTime, sleep: u64) -> Moment {
        moment(&self.timeline, at, sleep)
    }

    /// Does what the discipline was to do until `now`. Returns whether that was all: else call it
    /// again. Before anything else is done as of `now`.
    pub fn advance(&mut self, now: &Moment) -> bool {
        if let Some(departure) = &self.departure {
            if departure.sleep() == now.sleep && departure.tick() <= now.raw {
                // What has been done until then need not be done again.
                if departure.tick() > self.ntp.tick() {
                    self.ntp = *departure;
                }
                self.departure = None;
            }
        }
        let caught_up = self.ntp.catch_up(now);
        if caught_up == CatchUp::Lost {
            self.departure = None;
            self.arrival = None;
        }
        caught_up != CatchUp::Again
    }

    /// `clock_settime()`. To be published by [`Steered::steer`], as is whatever follows.
    pub fn set_realtime(&mut self, now: &Moment, (sec, nsec): (i64, i64)) -> Result<(), Refusal> {
        self.ntp.set_realtime(now, sec, nsec)
    }

    /// Sets REALTIME to `realtime`, which may be before MONOTONIC.
    pub fn put_realtime(&mut self, now: &Moment, realtime: NsTime) -> Result<(), Error> {
        let tai_seconds = self.ntp.tai();
        let ahead = Ahead::reading(realtime, now.mono.floor(), now.sleep, tai_seconds)?;
        self.ntp.rebase(now, ahead.realtime);
        self.ntp.clear();
        Ok(())
    }

    /// Sets the base rate.
    pub fn set_base(&mut self, base: Rate) {
        self.base = base;
    }

    /// `adjtimex()`, after [`validate`](super::ntp::timex::validate).
    pub fn adjtimex(&mut self, now: &Moment, txc: &mut Timex) -> Result<TimeState, Refusal> {
        self.ntp.adjtimex(now, txc)
    }

    /// Plots the course from `at` on, which is `now`.
    pub fn steer(&mut self, at: RefTime, now: &Moment) {
        let course = self.ntp.course(now, self.course_min());
        self.departure = None;
        self.take(&course, ahead(&self.ntp), at, now.sleep);
    }

    /// Takes a course from `at` on, where the clocks that can be set are `ahead`.
    fn take(&mut self, course: &Course<HZ>, ahead: Ahead, at: RefTime, sleep: u64) {
        let change = Change {
            mono: Some(course.rate(self.base)),
            raw: Some(self.base),
            ahead: Some(ahead),
        };
        // It cannot fail from the turn on, and before there is nothing to do.
        if self.timeline.change(at, sleep, &change).is_ok() {
            self.arrival = course.end;
            self.end = course.end.as_ref().and_then(|end| {
                let tick = end.tick();
                let after = NsTime::from_ns(tick.floor().as_ns().saturating_add(1));
                let time = if tick.frac() == 0 {
                    tick.floor()
                } else {
                    after
                };
                let segment = self.timeline.current();
                let delta = segment.raw().delta_for(time)?;
                if end.realtime() == ahead.realtime {
                    return Some(at.saturating_add(delta));
                }
                // A leap second: at the time that REALTIME reads.
                let instant = segment.mono().delta_for(end.ideal().floor())?;
                let near = delta.saturating_sub(instant) < TOGETHER;
                Some(at.saturating_add(if near { delta.min(instant) } else { delta }))
            });
        }
    }

    /// Whether MONOTONIC and RAW run from `at` on as they did `before`, so that nothing but
    /// REALTIME and TAI has changed.
    pub fn runs_as(&self, before: &Self, at: RefTime) -> bool {
        let (old, new) = (before.timeline.at(at), self.timeline.current());
        old.mono().rate() == new.mono().rate() && old.raw().rate() == new.raw().rate()
    }

    /// Whether no reader finds a difference to what is published already, `before`, from `at` on.
    pub fn reads_as(&self, before: &Self, at: RefTime) -> bool {
        before.timeline.current().anchor() <= at
            && self.runs_as(before, at)
            && before.timeline.current().offsets() == self.timeline.current().offsets()
    }

    /// Leaves what was published `before`, as nobody would find a difference.
    pub fn keep_timeline_of(&mut self, before: &Self) {
        self.timeline = before.timeline;
    }

    /// Whether nothing that [`Steered::advance`] would do makes a difference if REALTIME is set now.
    pub fn may_forget(&self, now: &Moment) -> bool {
        self.ntp.may_forget(now)
    }

    /// Where the present course ends, if the next one may be published at `now`.
    pub fn next_course(&self, now: RefTime) -> Option<RefTime> {
        let in_effect = now >= self.turn(self.timeline.current().anchor());
        self.end
            .filter(|end| in_effect && end.since(now) <= AHEAD_MAX.saturating_mul(2))
    }

    /// Plots the course after the present one, which is in effect and ends at `end`. The discipline
    /// gets there by itself.
    pub fn plot(&self, end: RefTime, sleep: u64) -> Plotted<HZ> {
        let then = self.moment(end, sleep);
        let mut ntp = match &self.arrival {
            Some(known) if known.sleep() == sleep => *known,
            _ => self.ntp,
        };
        let caught_up = loop {
            match ntp.catch_up(&then) {
                CatchUp::Again => {}
                caught_up => break caught_up,
            }
        };
        Plotted {
            course: ntp.course(&then, self.course_min()),
            ntp,
            is_lost: caught_up == CatchUp::Lost,
            begin: end,
            sleep,
        }
    }

    /// Takes a course that was plotted just before, to be published ahead. Returns what it does.
    pub fn schedule(&mut self, next: &Plotted<HZ>) -> Effect {
        self.take(&next.course, ahead(&next.ntp), next.begin, next.sleep);
        if next.is_lost {
            self.arrival = None;
            self.departure = None;
        } else {
            self.departure = Some(next.ntp);
        }

        let effect = self.timeline.last_effect();
        self.leap = self.leap.or((effect.step != 0).then_some(effect.at));
        effect
    }

    /// For clocks that nobody reads, and for which nothing is published: runs through the courses that
    /// would have been until `at`, one at a time. Returns whether that was all: else call it again.
    pub fn run_to(&mut self, at: RefTime, sleep: u64) -> bool {
        let Some(end) = self.end.filter(|end| *end <= at) else {
            return self.advance(&self.moment(at, sleep));
        };
        let then = self.moment(end, sleep);
        if self.advance(&then) {
            self.steer(end, &then);
        }
        false
    }

    /// Gives up what is left to slew, and a leap second that is to come. From `at` on the clocks run
    /// by themselves.
    pub fn give_up(&mut self, at: RefTime, sleep: u64) {
        let now = self.moment(at, sleep);
        let realtime = self.timeline.at(at).offsets().realtime();
        self.ntp.rebase(&now, realtime);
        self.ntp.clear();
        self.end = None;
        self.steer(at, &now);
    }

    /// Whether REALTIME has stepped by itself until `now` since the last time.
    pub fn take_leap(&mut self, now: RefTime) -> bool {
        self.leap.take_if(|leap| *leap <= now).is_some()
    }

    /// What was to come has been called off by a change at `at`.
    pub fn call_off_leap(&mut self, at: RefTime) {
        self.leap = self.leap.filter(|leap| *leap <= at);
    }

    /// When somebody has to look after the clocks: to publish the next course, or to tell of a
    /// leap second. [`None`] if they run by themselves.
    ///
    /// Many clocks get the same answer, so that one interrupt is enough for them.
    pub fn wake(&self) -> Option<RefTime> {
        let course = self.end.map(|end| {
            let anchor = self.timeline.current().anchor();
            let earliest = self.turn(anchor);
            let margin = MARGIN.min(end.since(anchor) / 2);
            let latest = end.as_ns().saturating_sub(margin);
            let room = latest.saturating_sub(earliest.as_ns()).min(AHEAD_MAX);
            let grid = 1u64
                .checked_shl(room.checked_ilog2().unwrap_or(0))
                .unwrap_or(1);
            RefTime::from_ns(latest & !grid.wrapping_sub(1)).max(earliest)
        });
        match (course, self.leap) {
            (Some(course), Some(leap)) => Some(course.min(leap)),
            (course, leap) => course.or(leap),
        }
    }

    /// The shortest course, ns of RAW.
    fn course_min(&self) -> u64 {
        let base = self.base.as_units();
        let ns = if base > FAST {
            COURSE_MIN_FAST
        } else {
            COURSE_MIN
        };
        // CAST: Less than 2^29 * 2^8. The product has 29 + 64 bits.
        (u128::from(ns).wrapping_mul(u128::from(base)) >> FRAC_BITS) as u64
    }
}

/// How far the discipline wants the clocks ahead that can be set.
fn ahead<const HZ: i64>(ntp: &Ntp<HZ>) -> Ahead {
    Ahead {
        realtime: ntp.realtime(),
        tai_seconds: ntp.tai(),
    }
}

/// What the clocks of `timeline` read at `at` when the host has slept for `sleep` ns.
pub fn moment(timeline: &Timeline, at: RefTime, sleep: u64) -> Moment {
    let segment = timeline.at(at);
    let delta = at.since(segment.anchor());
    Moment {
        raw: segment.raw().fixed_at(delta),
        mono: segment.mono().fixed_at(delta),
        sleep,
    }
}
