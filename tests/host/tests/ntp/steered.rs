// SPDX-License-Identifier: GPL-2.0

//! Clocks that are steered, by somebody who looks after them as late as he may.

use crate::inputs::{call, cases, NSEC};
use proptest::prelude::*;
use timens_arith::{
    ntp::timex::{modes, status, Timex},
    rate::Rate,
    segment::Clock,
    steered::Steered,
    time::{FixedNs, NsTime, RefTime},
    timeline::{Start, Timeline},
};
use timens_host_tests::random::Random;

/// As the production kernel has it. In `course` it is as the debug kernel has it.
const HZ: i64 = 1000;

/// How far ahead a change takes effect, and how late a worker may be, ns.
const LEAD: u64 = 10_000;
const LATE: u64 = 8_000_000;

const CHANGE_INTERVAL: u64 = 1_000_000;

/// A namespace, with every timeline that was ever published.
struct Namespace {
    clocks: Steered<HZ>,
    now: u64,
    published: Vec<Timeline>,
    /// What readers have seen at `now`, at the latest.
    seen: [u64; 3],
    /// How often somebody looked after the clocks.
    wakes: u64,
    /// How often there was a leap second to tell of.
    leaps: u64,
}

const MONOTONIC: [Clock; 3] = [Clock::Monotonic, Clock::Raw, Clock::Boottime];

impl Namespace {
    fn new(base: Rate, realtime: u64) -> Self {
        let start = Start {
            at: RefTime::from_ns(0),
            sleep: 0,
            rate: base,
            mono: FixedNs::from_units(0),
            raw: FixedNs::from_units(0),
            boottime: NsTime::from_ns(0),
            realtime: NsTime::from_ns(realtime),
            tai_seconds: 37,
        };
        let timeline = Timeline::start(&start).unwrap();
        let clocks = Steered::new(timeline, base, None, start.at, 0);
        Self {
            clocks,
            now: CHANGE_INTERVAL,
            published: vec![*clocks.timeline()],
            seen: [0; 3],
            wakes: 0,
            leaps: 0,
        }
    }

    fn read(&self, clock: Clock) -> u64 {
        let at = RefTime::from_ns(self.now);
        self.clocks.timeline().read(clock, at, 0).as_ns()
    }

    /// Publishes `next`, and checks that no reader can tell whether he got it or what was before.
    fn publish(&mut self, next: Steered<HZ>) {
        let anchor = next.timeline().current().anchor().as_ns();
        let before = *self.clocks.timeline();
        assert!(anchor >= self.now, "published late");
        for reference in [self.now.saturating_sub(CHANGE_INTERVAL), self.now] {
            let at = RefTime::from_ns(reference);
            for clock in MONOTONIC {
                let ahead = reference < anchor.min(before.current().anchor().as_ns());
                if ahead || before.current().anchor().as_ns() <= reference {
                    assert_eq!(
                        before.read(clock, at, 0),
                        next.timeline().read(clock, at, 0),
                        "{clock:?} at {reference}"
                    );
                }
            }
        }
        self.clocks = next;
        self.published.push(*next.timeline());
    }

    /// Lets time pass until `until`, with whatever is to be done then.
    fn pass(&mut self, until: u64) {
        while let Some(wake) = self.clocks.wake() {
            // A course that a leap second cuts short leaves less time.
            let left = self
                .clocks
                .next_course(wake)
                .map_or(u64::MAX, |end| end.since(wake));
            let at = (wake.as_ns() + LATE.min(left / 5 * 4)).max(self.now);
            if at > until {
                break;
            }
            self.go(at);
            self.look_after();
        }
        self.go(until);
    }

    fn go(&mut self, now: u64) {
        self.now = now;
        for (clock, seen) in MONOTONIC.into_iter().zip(&mut self.seen) {
            let at = RefTime::from_ns(now);
            let reading = self.clocks.timeline().read(clock, at, 0).as_ns();
            assert!(reading >= *seen, "{clock:?} went back");
            *seen = reading;
        }
    }

    fn look_after(&mut self) {
        self.wakes += 1;
        let now = RefTime::from_ns(self.now);
        let moment = self.clocks.moment(now, 0);
        let mut ntp = *self.clocks.ntp();
        while !ntp.advance(&moment) {}
        while !self.clocks.advance(&moment) {}
        assert_eq!(*self.clocks.ntp(), ntp);
        self.leaps += u64::from(self.clocks.take_leap(now));
        let before = self.clocks;
        if let Some(end) = before.next_course(now) {
            assert!(end.as_ns() > self.now, "too late");
            let mut next = before;
            // What is known from before is what it comes to.
            let (mut ntp, then) = (*before.ntp(), before.moment(end, 0));
            while !ntp.advance(&then) {}
            let plotted = before.plot(end, 0);
            assert_eq!(*plotted.ntp(), ntp);
            next.schedule(&plotted);
            self.publish(next);
        }
    }

    /// Carries a call out, when it is its turn.
    fn call(&mut self, txc: &mut Timex) {
        loop {
            let at = RefTime::from_ns(self.now + LEAD);
            let turn = self.clocks.turn(at);
            if turn.as_ns() <= self.now {
                break;
            }
            self.pass(turn.as_ns());
        }
        let at = RefTime::from_ns(self.now + LEAD);
        let mut next = self.clocks;
        let then = next.moment(at, 0);
        while !next.advance(&then) {}
        if next.adjtimex(&then, txc).is_ok() {
            next.steer(at, &then);
            next.call_off_leap(at);
            self.publish(next);
        }
        self.pass(self.now + LEAD);
    }

    /// How far the ideal clock is from the real one, ns.
    fn error(&self) -> i128 {
        let at = RefTime::from_ns(self.now);
        let mut clocks = self.clocks;
        let now = clocks.moment(at, 0);
        while !clocks.advance(&now) {}
        let ideal = clocks.ntp().ideal_at(now.raw).as_units() as i128;
        (ideal - now.mono.as_units() as i128) >> 56
    }
}

fn base() -> impl Strategy<Value = Rate> {
    prop_oneof![
        Just(Rate::ONE),
        Just(Rate::ZERO),
        (0..255u64, 0..NSEC)
            .prop_map(|(secs, nsecs)| Rate::from_parts(secs as i64, nsecs as i64).unwrap()),
    ]
}

proptest! {
    #![proptest_config(cases(64))]

    /// Calls at any time: no clock goes back, nobody reads two times at once, nobody is late.
    #[test]
    fn clocks_are_continuous(
        base in base(),
        seed in any::<u64>(),
        gaps in prop::collection::vec(1..20 * NSEC, 1..20),
    ) {
        let mut random = Random::new(seed);
        let mut namespace = Namespace::new(base, 1_700_000_000_123_456_789);
        for gap in gaps {
            let mut txc = call(&mut random);
            txc.modes &= !modes::SETOFFSET;
            namespace.call(&mut txc);
            namespace.pass(namespace.now + gap);
        }
    }

    /// The real clock stays at the ideal one.
    #[test]
    fn the_clock_is_where_the_discipline_wants_it(
        adjust in -400_000..400_000i64,
        offset in -100_000_000..100_000_000i64,
        freq in -500 * 65_536..500 * 65_536i64,
        later in 3 * NSEC..300 * NSEC,
    ) {
        let mut namespace = Namespace::new(Rate::ONE, 1_700_000_000_123_456_789);
        namespace.call(&mut Timex {
            modes: modes::ADJTIME | modes::SINGLESHOT,
            offset: adjust,
            ..Timex::default()
        });
        namespace.call(&mut Timex {
            modes: modes::STATUS | modes::NANO | modes::OFFSET | modes::FREQUENCY,
            status: status::PLL,
            constant: 6,
            offset,
            freq,
            ..Timex::default()
        });
        for _ in 0..4 {
            namespace.pass(namespace.now + later);
            let error = namespace.error();
            prop_assert!(error.abs() <= 2_000, "{error} ns off");
        }
        prop_assert_eq!(namespace.leaps, 0);
        // Mostly one a second.
        prop_assert!(namespace.wakes <= 4 * (namespace.now / NSEC) + 8);
    }

    /// REALTIME does not read the instant of a leap second before it leaps.
    #[test]
    fn no_clock_reads_the_second_that_is_not_its_turn(
        insert in any::<bool>(),
        rate in prop_oneof![Just(NSEC as i64), 1_000_000..254 * NSEC as i64],
        freq in -500 * 65_536..500 * 65_536i64,
        offset in -1_000_000..1_000_000i64,
        before in 10 * NSEC..100 * NSEC,
        again in prop_oneof![Just(None), (0..40_000_000u64).prop_map(Some)],
    ) {
        const MIDNIGHT: u64 = 1_700_006_400 * NSEC;
        let base = Rate::from_parts(rate / NSEC as i64, rate % NSEC as i64).unwrap();
        let mut namespace = Namespace::new(base, MIDNIGHT - before);
        namespace.call(&mut Timex {
            modes: modes::STATUS | modes::NANO | modes::OFFSET | modes::FREQUENCY,
            status: status::PLL | if insert { status::INS } else { status::DEL },
            constant: 2,
            offset,
            freq,
            ..Timex::default()
        });
        // Another call when it has been published already, perhaps.
        if let Some(again) = again {
            let fast = u128::from(base.as_units());
            let left = (u128::from(before - if insert { 0 } else { NSEC }) << 56) / fast;
            namespace.pass((left as u64).saturating_sub(again).max(namespace.now));
            namespace.call(&mut Timex {
                modes: modes::FREQUENCY,
                freq: freq / 2,
                ..Timex::default()
            });
        }
        while namespace.leaps == 0 {
            namespace.pass(namespace.now + before);
        }
        // Something after it.
        namespace.call(&mut Timex {
            modes: modes::FREQUENCY,
            ..Timex::default()
        });
        // Those that the call did not take the place of.
        let leaps: Vec<_> = namespace
            .published
            .windows(2)
            .filter(|pair| {
                let (old, new) = (pair[0].previous().offsets(), pair[0].current().offsets());
                let stays = pair[1].current().anchor() > pair[0].current().anchor();
                old.realtime() != new.realtime() && stays
            })
            .map(|pair| pair[0])
            .collect();
        prop_assert_eq!(leaps.len(), 1);
        let anchor = leaps[0].current().anchor();
        let earlier = RefTime::from_ns(anchor.as_ns() - 1);
        let (instant, after) = match insert {
            true => (MIDNIGHT, MIDNIGHT - NSEC),
            false => (MIDNIGHT - NSEC, MIDNIGHT),
        };
        prop_assert!(leaps[0].read(Clock::Realtime, earlier, 0).as_ns() < instant);
        let read = leaps[0].read(Clock::Realtime, anchor, 0).as_ns();
        let step = base.as_units().div_ceil(1 << 56);
        prop_assert!((after - 1..=after + step).contains(&read));
    }

    /// Whatever grid the wake-ups are on, a course is published while the one before lasts.
    #[test]
    fn nobody_is_woken_for_nothing(base in base(), later in 1..1_000 * NSEC) {
        let mut namespace = Namespace::new(base, 1_700_000_000_123_456_789);
        namespace.pass(later);
        prop_assert_eq!(namespace.wakes, 0);
        prop_assert_eq!(namespace.clocks.wake(), None);
    }
}

/// A leap second is published before it, at the exact reference, and is told of once.
#[test]
fn a_leap_second_is_published_ahead() {
    let begin = 1_700_006_390 * NSEC;
    for (asked, edge, then) in [(status::INS, 10, 9), (status::DEL, 9, 10)] {
        let (edge, then) = (edge * NSEC, then * NSEC);
        let mut namespace = Namespace::new(Rate::ONE, begin);
        namespace.call(&mut Timex {
            modes: modes::STATUS,
            status: asked,
            ..Timex::default()
        });
        namespace.pass(edge - 1);
        assert_eq!(namespace.read(Clock::Realtime), begin + edge - 1);
        assert_eq!(namespace.clocks.wake(), Some(RefTime::from_ns(edge)));
        namespace.go(edge);
        assert_eq!(namespace.read(Clock::Realtime), begin + then);
        assert!(namespace.clocks.take_leap(RefTime::from_ns(edge)));
        assert!(!namespace.clocks.take_leap(RefTime::from_ns(edge)));
    }
}

/// One that is asked for instead of one of the other kind is noticed a second later, and published
/// ahead like any other.
#[test]
fn a_leap_second_instead_of_another_is_published_ahead() {
    let begin = 1_700_006_390 * NSEC;
    for (first, then, read) in [
        (status::INS, status::DEL, 11),
        (status::DEL, status::INS, 9),
    ] {
        let mut namespace = Namespace::new(Rate::ONE, begin);
        for status in [first, then] {
            namespace.call(&mut Timex {
                modes: modes::STATUS,
                status,
                ..Timex::default()
            });
            namespace.pass(namespace.now + 2 * NSEC);
        }
        namespace.pass(10 * NSEC);
        assert_eq!(namespace.read(Clock::Realtime), begin + read * NSEC);
    }
}
