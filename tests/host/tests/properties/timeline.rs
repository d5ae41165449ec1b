// SPDX-License-Identifier: GPL-2.0

//! Reading clocks, and finding when they read what.

use proptest::prelude::*;
use timens_arith::{
    rate::Rate,
    segment::Clock,
    time::{NsTime, RefTime, KTIME_MAX},
    timeline::Timeline,
};
use timens_host_tests::{oracle, page::PageClock, vectors::YEAR, wish::Wish};

use crate::inputs::{
    cases, changed, clock, rate, reference_near, started, up_to, CLOCKS, SETTABLE_MAX,
};

fn before(at: RefTime) -> RefTime {
    RefTime::from_ns(at.as_ns() - 1)
}

/// Clocks, the host's sleep time, and a reference time.
fn moment() -> impl Strategy<Value = (Timeline, u64, RefTime)> {
    (changed(), up_to(YEAR)).prop_flat_map(|((timeline, sleep), more)| {
        reference_near(timeline).prop_map(move |at| (timeline, sleep + more, at))
    })
}

/// Panics unless `found` is the first reference time from `from` on at which `clock` reads at
/// least `time`.
fn assert_first(
    timeline: &Timeline,
    clock: Clock,
    time: NsTime,
    sleep: u64,
    from: RefTime,
    found: RefTime,
) {
    let read = |at: RefTime| timeline.read(clock, at, sleep);
    assert!(found >= from);

    // The clock only rises on each side of the change, so there are at most two places to look at.
    let change = timeline.current().anchor();
    if found > from {
        assert!(read(before(found)) < time || found == change);
    }
    if from < change && change <= found {
        assert!(read(before(change)) < time);
    }
    if found < RefTime::MAX {
        assert!(read(found) >= time);
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn reading_is_the_oracles((timeline, sleep, at) in moment()) {
        let page = PageClock::from(&timeline);
        for clock in CLOCKS {
            prop_assert_eq!(
                timeline.read(clock, at, sleep).as_ns(),
                oracle::read(&page, clock, at.as_ns(), sleep)
            );
        }
    }

    /// The theorem that makes timers exact: neither early nor late.
    #[test]
    fn to_ref_is_the_first_time(
        (timeline, sleep, at) in moment(),
        clock in clock(),
        any_time in up_to(KTIME_MAX - 1),
        close in -2..=2i64,
    ) {
        let reached = timeline.read(clock, at, sleep).as_ns();
        let reached = reached.saturating_add_signed(close).min(KTIME_MAX - 1);
        let start = timeline.previous().anchor();
        for time in [any_time, reached].map(NsTime::from_ns) {
            let found = timeline.to_ref(clock, time, sleep);
            assert_first(&timeline, clock, time, sleep, start, found);
        }
    }

    #[test]
    fn to_ref_from_is_the_first_time_from_there(
        (timeline, sleep, from) in moment(),
        clock in clock(),
        ahead in up_to(KTIME_MAX),
        any_time in up_to(KTIME_MAX - 1),
    ) {
        let now = timeline.read(clock, from, sleep).as_ns();
        let soon = now.saturating_add(ahead).min(KTIME_MAX - 1);
        for time in [any_time, now.min(KTIME_MAX - 1), soon].map(NsTime::from_ns) {
            let found = timeline.to_ref_from(clock, time, sleep, from);
            // Nothing is known before the previous segment.
            let from = from.max(timeline.previous().anchor());
            assert_first(&timeline, clock, time, sleep, from, found);
        }
    }

    #[test]
    fn before_all_segments_is_as_at_the_first((timeline, sleep) in changed(), at in up_to(KTIME_MAX)) {
        let start = timeline.previous().anchor();
        let at = RefTime::from_ns(at).min(start);
        for clock in CLOCKS {
            // Unless both begin at once, when the later one rules from there on.
            if start < timeline.current().anchor() {
                let first = timeline.read(clock, start, sleep);
                prop_assert_eq!(timeline.read(clock, at, sleep), first);
                if first < NsTime::MAX {
                    prop_assert_eq!(timeline.to_ref(clock, first, sleep), start);
                }
            }
        }
    }

    #[test]
    fn frozen_clocks_stand_still(
        (timeline, sleep) in changed(),
        later in up_to(KTIME_MAX),
        ahead in 1..=KTIME_MAX,
    ) {
        let at = timeline.current().anchor();
        let freeze = Wish { rate: Some(Rate::ZERO), ..Wish::default() };
        let frozen = freeze.apply(&timeline, at, sleep).unwrap();
        for clock in CLOCKS {
            let reading = frozen.read(clock, at, sleep);
            prop_assert_eq!(frozen.read(clock, at.saturating_add(later), sleep), reading);
            let time = NsTime::from_ns(reading.as_ns().saturating_add(ahead));
            prop_assert_eq!(frozen.to_ref_from(clock, time, sleep, at), RefTime::MAX);
        }
    }

    #[test]
    fn no_timeout_is_never((timeline, sleep, from) in moment(), clock in clock()) {
        prop_assert_eq!(timeline.to_ref(clock, NsTime::MAX, sleep), RefTime::MAX);
        prop_assert_eq!(timeline.to_ref_from(clock, NsTime::MAX, sleep, from), RefTime::MAX);
    }

    #[test]
    fn a_clock_at_its_end_stays_there((timeline, sleep, at) in moment(), later in up_to(KTIME_MAX)) {
        let at = at.max(timeline.current().anchor());
        let later = at.saturating_add(later);
        for clock in CLOCKS {
            if timeline.read(clock, at, sleep) == NsTime::MAX {
                prop_assert_eq!(timeline.read(clock, later, sleep), NsTime::MAX);
            }
            // The fastest clock reaches its end, if there is time enough.
            let fast = Wish { rate: Some(Rate::MAX), ..Wish::default() };
            let fast = fast.apply(&timeline, at, sleep).unwrap();
            if at.as_ns() < KTIME_MAX - 2 * YEAR && clock == Clock::Monotonic {
                prop_assert_eq!(fast.read(clock, RefTime::MAX, sleep), NsTime::MAX);
            }
        }
    }

    #[test]
    fn a_clock_started_reads_what_it_was_set_to((timeline, sleep) in started()) {
        let at = timeline.current().anchor();
        prop_assert_eq!(timeline.previous(), timeline.current());
        let page = PageClock::from(&timeline);
        for clock in CLOCKS {
            prop_assert_eq!(
                timeline.read(clock, at, sleep).as_ns(),
                oracle::read(&page, clock, at.as_ns(), sleep)
            );
        }
    }

    #[test]
    fn realtime_reads_what_it_was_set_to(
        (timeline, sleep) in changed(),
        gap in up_to(YEAR),
        slept in up_to(YEAR),
        realtime in up_to(SETTABLE_MAX),
        rate in proptest::option::of(rate()),
    ) {
        let at = timeline.current().anchor().saturating_add(gap);
        let sleep = sleep + slept;
        let realtime = NsTime::from_ns(realtime);
        let change = Wish { rate, realtime: Some(realtime) };
        let Ok(stepped) = change.apply(&timeline, at, sleep) else {
            // Refused only where the offset has no place in 64 bits.
            let mono = timeline.read(Clock::Monotonic, at, sleep).as_ns();
            prop_assert!(
                i128::from(realtime.as_ns()) - i128::from(mono) - i128::from(sleep)
                    < i128::from(i64::MIN)
            );
            return Ok(());
        };
        prop_assert_eq!(stepped.read(Clock::Realtime, at, sleep), realtime);
        let tai = realtime.as_ns() + stepped.current().offsets().tai_seconds() as u64 * 1_000_000_000;
        prop_assert_eq!(stepped.read(Clock::Tai, at, sleep), NsTime::from_ns(tai));
        prop_assert_eq!(
            stepped.current().offsets().tai_seconds(),
            timeline.current().offsets().tai_seconds()
        );
        for clock in [Clock::Monotonic, Clock::Raw, Clock::Boottime] {
            prop_assert_eq!(stepped.read(clock, at, sleep), timeline.read(clock, at, sleep));
        }
    }

    #[test]
    fn times_that_cannot_be_set_are_refused(
        (timeline, sleep) in changed(),
        past in SETTABLE_MAX + 1..=KTIME_MAX,
    ) {
        let change = Wish { realtime: Some(NsTime::from_ns(past)), ..Wish::default() };
        let at = timeline.current().anchor();
        prop_assert!(change.apply(&timeline, at, sleep).is_err());
    }
}
