// SPDX-License-Identifier: GPL-2.0

//! A real clock that follows the ideal one by courses.

use crate::inputs::{call, cases, NSEC};
use proptest::prelude::*;
use timens_arith::{
    line::Line,
    ntp::{
        course::Course,
        ideal::{Moment, Ntp},
        timex::{modes, status, Timex},
    },
    rate::Rate,
    time::{FixedNs, NsTime},
};
use timens_host_tests::random::Random;

/// As the debug kernel has it. In `steered` it is as the production kernel has it.
const HZ: i64 = 250;

/// A namespace's MONOTONIC and RAW, and the course they are on.
#[derive(Clone, Debug)]
struct Follower {
    ntp: Ntp<HZ>,
    base: Rate,
    /// The reference of the last change, and the lines from there on.
    at: u64,
    mono: Line,
    raw: Line,
    course: Course<HZ>,
    /// At least that many ns of the reference a course.
    at_least: u64,
    /// How many ns the clock was off when the course began.
    error_at_begin: u128,
}

impl Follower {
    fn new(base: Rate, at_least: u64) -> Self {
        let zero = FixedNs::from_units(0);
        let start = Moment {
            raw: zero,
            mono: zero,
            sleep: 0,
        };
        let ntp = Ntp::new(&start, 1_700_000_000_123_456_789, 0);
        let mut follower = Self {
            ntp,
            base,
            at: 0,
            mono: Line::new(zero, base),
            raw: Line::new(zero, base),
            course: ntp.course(&start, 0),
            at_least,
            error_at_begin: 0,
        };
        follower.publish(0);
        follower
    }

    fn moment(&self, at: u64) -> Moment {
        Moment {
            raw: self.raw.fixed_at(at - self.at),
            mono: self.mono.fixed_at(at - self.at),
            sleep: 0,
        }
    }

    /// Takes a new course, of the discipline as it is.
    fn publish(&mut self, at: u64) {
        let now = self.moment(at);
        self.error_at_begin = self.error(at);
        let at_least =
            self.raw.fixed_at(self.at_least).as_units() - self.raw.fixed_at(0).as_units();
        self.course = self.ntp.course(&now, (at_least >> 56) as u64);
        self.mono = Line::new(now.mono, self.course.rate(self.base));
        self.raw = Line::new(now.raw, self.base);
        self.at = at;
    }

    /// How many ns MONOTONIC is from where it should be.
    fn error(&self, at: u64) -> u128 {
        let now = self.moment(at);
        let ideal = self.ntp.ideal_at(now.raw).as_units();
        now.mono.as_units().abs_diff(ideal) >> 56
    }

    /// When the course ends.
    fn end(&self) -> Option<u64> {
        let tick = self.course.end?.tick();
        let first =
            NsTime::from_ns(u64::try_from((tick.as_units() + ((1 << 56) - 1)) >> 56).unwrap());
        Some(self.at + self.raw.delta_for(first)?)
    }

    /// Goes to the reference `until`, and takes each new course `late` ns after the old one's end.
    fn follow(&mut self, until: u64, late: u64) {
        while let Some(end) = self.end() {
            let end = end + late;
            if end > until {
                break;
            }
            self.advance(end);
            self.publish(end);
        }
        self.advance(until);
    }

    fn advance(&mut self, at: u64) {
        let now = self.moment(at);
        while !self.ntp.advance(&now) {}
    }

    fn adjtimex(&mut self, at: u64, txc: &mut Timex) {
        self.advance(at);
        let now = self.moment(at);
        self.ntp.adjtimex(&now, txc).unwrap();
        self.publish(at);
    }

    /// How many ns MONOTONIC is ahead of RAW.
    fn ahead(&self, at: u64) -> i64 {
        let now = self.moment(at);
        now.mono.floor().as_signed() - now.raw.floor().as_signed()
    }
}

fn adjtime(offset: i64) -> Timex {
    Timex {
        modes: modes::ADJTIME | modes::SINGLESHOT,
        offset,
        ..Timex::default()
    }
}

fn phase(offset: i64, constant: i64) -> Timex {
    Timex {
        modes: modes::OFFSET | modes::STATUS | modes::NANO | modes::TIMECONST,
        offset,
        status: status::PLL | status::FREQHOLD,
        constant,
        ..Timex::default()
    }
}

/// All of an `adjtime()` is slewed, 500 ppm fast, and then nothing is any more.
#[test]
fn adjtime_ends_where_it_should() {
    for (micros, base) in [
        (1_000_000, 1),
        (-1_000_000, 1),
        (499, 1),
        (-3, 1),
        (700_001, 7),
    ] {
        let mut clock = Follower::new(Rate::from_parts(base, 0).unwrap(), 0);
        clock.adjtimex(300_000_000 / base as u64, &mut adjtime(micros));
        let half = (micros.unsigned_abs() * 1_000_000 + NSEC) / base as u64;
        clock.follow(half, 0);
        let slewed = clock.ahead(half).abs() - micros.abs() * 500;
        assert!(
            micros.abs() < 500 || slewed.abs() <= 502_000,
            "{micros}: {slewed}"
        );

        let end = 2 * half + 10 * NSEC;
        clock.follow(end, 0);
        assert!((clock.ahead(end) - micros * 1_000).abs() <= 1, "{micros}");
        assert!(clock.course.end.is_none(), "{micros}");
        assert_eq!(clock.course.rate(clock.base), clock.base);
    }
}

/// All of a phase offset is worked off, though that takes long.
#[test]
fn phase_offsets_end_where_they_should() {
    for (offset, constant) in [
        (500_000_000, 0),
        (-123_456_789, 3),
        (1_000_001, 6),
        (40, 10),
    ] {
        let mut clock = Follower::new(Rate::ONE, 0);
        clock.adjtimex(0, &mut phase(offset, constant));
        let end = 400_000 * NSEC;
        clock.follow(end, 0);
        assert!(
            (clock.ahead(end) - offset).abs() <= 1,
            "{offset}: {}",
            clock.ahead(end)
        );
        assert!(clock.course.end.is_none());
    }
}

/// A second of a phase offset is the share of it that the time constant says.
#[test]
fn phase_offsets_decay() {
    let mut clock = Follower::new(Rate::ONE, 0);
    // REALTIME has 0.876543211 s of its second before it.
    clock.adjtimex(0, &mut phase(400_000_000, 0));
    let begin = 876_543_211;
    clock.follow(begin, 0);
    assert_eq!(clock.ahead(begin), 0);
    // A quarter, less what is slewed in the ticks that are at the edge of two seconds.
    let second = begin + 4_000_000 + NSEC;
    clock.follow(second, 0);
    let share = clock.ahead(second);
    assert!((90_000_000..=110_000_000).contains(&share), "{share}");
}

/// What nothing slews has no course to change, and so no work.
#[test]
fn idle_clocks_need_nobody() {
    let clock = Follower::new(Rate::ONE, 0);
    assert!(clock.course.end.is_none());

    // A constant slew takes a course a minute, not a second.
    let mut clock = Follower::new(Rate::ONE, 0);
    clock.adjtimex(0, &mut adjtime(1_000_000));
    let mut courses = 0;
    while let Some(end) = clock.end() {
        clock.advance(end);
        clock.publish(end);
        courses += 1;
    }
    assert!((30..=40).contains(&courses), "{courses}");
}

proptest! {
    #![proptest_config(cases(200))]

    /// A clock whose courses are taken in time is never further from the ideal one than what a
    /// course may deviate and a tick rounds.
    #[test]
    fn courses_stay_close(
        events in prop::collection::vec((any::<u64>(), 0..40 * NSEC), 1..8),
        probes in any::<u64>(),
    ) {
        let mut probes = Random::new(probes);
        let mut clock = Follower::new(Rate::ONE, 0);
        let mut at = 0;
        for (seed, gap) in events {
            for _ in 0..5 {
                let probe = at + probes.up_to(gap);
                let mut later = clock.clone();
                later.follow(probe, 0);
                let error = later.error(probe);
                // Unless it is on its way back from where the ideal clock has jumped away.
                let settled = later.error_at_begin < 20;
                prop_assert!(!settled || error <= 12, "{error}");
                prop_assert!(settled || probe < clock.at + 3 * NSEC);
            }
            at += gap;
            clock.follow(at, 0);
            clock.adjtimex(at, &mut call(&mut Random::new(seed)));
        }
    }

    /// If each course is taken late, by up to half its length, and however fast the namespace is:
    /// MONOTONIC goes on, at no unreasonable rate, and in the end it is where a punctual clock is.
    #[test]
    fn late_courses_make_up_for_it(
        seed in any::<u64>(),
        late in 0..NSEC,
        base in prop_oneof![Just(1u64), 1..50u64],
    ) {
        let base = Rate::from_parts(base as i64, 0).unwrap();
        let mut random = Random::new(seed);
        let mut punctual = Follower::new(base, 0);
        let mut sloppy = Follower::new(base, 2 * NSEC);
        let mut at = 0;
        for _ in 0..4 {
            at += random.up_to(5 * NSEC);
            let micros = random.up_to(20_000) as i64 - 10_000;
            let offset = random.up_to(2_000_000) as i64 - 1_000_000;
            for (clock, late) in [(&mut punctual, 0), (&mut sloppy, late)] {
                clock.follow(at, late);
                clock.adjtimex(at, &mut adjtime(micros));
                clock.adjtimex(at, &mut phase(offset, 4));
                let rate = clock.course.factor >> 46;
                prop_assert!((1000..=1050).contains(&rate), "{rate}");
            }
        }
        at += 3_000 * NSEC;
        punctual.follow(at, 0);
        sloppy.follow(at, late);
        prop_assert!(sloppy.course.end.is_none());
        let apart = punctual.ahead(at) - sloppy.ahead(at);
        prop_assert!(apart.abs() <= 3, "{apart}");
    }
}
