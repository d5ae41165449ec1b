// SPDX-License-Identifier: GPL-2.0

//! Clocks that change again and again while they are read.

use num_bigint::BigInt;
use proptest::prelude::*;
use timens_arith::{
    rate::Rate,
    segment::Clock,
    time::{FixedNs, NsTime, RefTime, KTIME_MAX},
    timeline::{Start, Timeline},
};
use timens_host_tests::{random::Random, vectors::YEAR, wish::Wish};

use crate::inputs::{cases, change, started, up_to, CLOCKS};

/// A clock's life: what was published one after the other, and the host's sleep time at each.
fn history() -> impl Strategy<Value = Vec<(Timeline, u64)>> {
    let changes = prop::collection::vec((1..=YEAR, change()), 1..20);
    (started(), changes).prop_filter_map(
        "REALTIME too far behind MONOTONIC, or past the end of the reference",
        |(start, changes)| {
            let mut history = vec![start];
            for (gap, (_, slept, change)) in changes {
                let (timeline, sleep) = history[history.len() - 1];
                let at = timeline.current().anchor().saturating_add(gap);
                let sleep = sleep + slept / 64;
                history.push((change.apply(&timeline, at, sleep).ok()?, sleep));
            }
            let (last, _) = history[history.len() - 1];
            (last.current().anchor() < RefTime::MAX).then_some(history)
        },
    )
}

/// Reference times from the start of a history to beyond its end, in order: the ends of
/// all segments and, by `random`, times between them.
fn references(history: &[(Timeline, u64)], random: u64) -> Vec<RefTime> {
    let mut random = Random::new(random);
    let mut references = Vec::new();
    for (index, (timeline, _)) in history.iter().enumerate() {
        let from = timeline.current().anchor().as_ns();
        let to = match history.get(index + 1) {
            Some((next, _)) => next.current().anchor().as_ns() - 1,
            None => (from + YEAR).min(KTIME_MAX),
        };
        references.extend([from, to]);
        references.extend((0..6).map(|_| from + random.up_to(to - from)));
        references.extend((0..2).map(|_| from + random.of_any_size(to - from)));
    }
    references.sort_unstable();
    references.into_iter().map(RefTime::from_ns).collect()
}

/// The timelines that a reader of the reference time `at` may have: the one of the last change and
/// the one of the next, which may be published already.
fn visible<'a>(
    history: &'a [(Timeline, u64)],
    at: RefTime,
) -> impl Iterator<Item = &'a Timeline> + 'a {
    let next = history.partition_point(|(timeline, _)| timeline.current().anchor() <= at);
    let timelines = &history[next - 1..history.len().min(next + 1)];
    timelines.iter().map(|(timeline, _)| timeline)
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn readers_of_old_and_new_parameters_agree(history in history(), random in any::<u64>()) {
        let (_, sleep) = history[history.len() - 1];
        for at in references(&history, random) {
            for clock in CLOCKS {
                let mut readings = visible(&history, at).map(|t| t.read(clock, at, sleep));
                let first = readings.next().unwrap();
                prop_assert!(readings.all(|reading| reading == first));
            }
        }
    }

    #[test]
    fn clocks_never_go_back_and_only_realtime_steps(history in history(), random in any::<u64>()) {
        for clock in CLOCKS {
            let mut last = NsTime::from_ns(0);
            let mut last_at = None;
            for at in references(&history, random) {
                let next = history.partition_point(|(t, _)| t.current().anchor() <= at);
                let (timeline, sleep) = history[next - 1];
                let reading = timeline.read(clock, at, sleep);
                let steps = matches!(clock, Clock::Realtime | Clock::Tai)
                    && last_at.is_some_and(|last_at| last_at < timeline.current().anchor());
                prop_assert!(steps || reading >= last, "{clock:?} at {at:?}");
                last = reading;
                last_at = Some(at);
            }
        }
    }

    #[test]
    fn monotonic_is_the_sum_of_all_segments(history in history(), after in up_to(YEAR)) {
        let (start, _) = history[0];
        let mut mono = BigInt::from(start.current().mono().anchor().as_units());
        let mut raw = BigInt::from(start.current().raw().anchor().as_units());
        for pair in history.windows(2) {
            let [(from, _), (to, _)] = pair else { unreachable!() };
            let rate = from.current().mono().rate().as_units();
            let delta = BigInt::from(to.current().anchor().as_ns()) - from.current().anchor().as_ns();
            mono += &delta * rate;
            raw += delta * rate;
        }
        let (last, sleep) = history[history.len() - 1];
        let at = last.current().anchor().saturating_add(after);
        let delta = BigInt::from(at.as_ns()) - last.current().anchor().as_ns();
        for (clock, sum) in [(Clock::Monotonic, mono), (Clock::Raw, raw)] {
            let ns: BigInt = (sum + &delta * last.current().mono().rate().as_units()) >> 56u32;
            prop_assert_eq!(
                BigInt::from(last.read(clock, at, sleep).as_ns()),
                ns.min(BigInt::from(KTIME_MAX))
            );
        }
    }
}

/// A namespace whose rate is disciplined for some 292 years.
#[test]
fn a_million_changes_lose_less_than_a_nanosecond() {
    const CHANGES: u64 = 1_000_000;
    let mut random = Random::new(2026);
    let mut at = 0;
    let mut timeline = Timeline::start(&Start {
        at: RefTime::from_ns(at),
        sleep: 0,
        rate: Rate::ONE,
        mono: FixedNs::from_units(u128::from(random.bits() >> 8)),
        raw: FixedNs::from_units(0),
        boottime: NsTime::from_ns(0),
        realtime: NsTime::from_ns(0),
        tai_seconds: 0,
    })
    .unwrap();
    let mut exact = BigInt::from(timeline.current().mono().anchor().as_units());

    for _ in 0..CHANGES {
        let gap = 1 + random.up_to(2 * (KTIME_MAX / CHANGES) / 1_001 * 1_000);
        exact += BigInt::from(gap) * timeline.current().mono().rate().as_units();
        at += gap;

        // 1 +- 500 ppm, mostly not a whole number of anything.
        let ppm = Rate::ONE.as_units() / 1_000_000;
        let rate = Rate::ONE.as_units() - 500 * ppm + random.up_to(1_000 * ppm);
        let wish = Wish {
            rate: Rate::from_units(rate).ok(),
            ..Wish::default()
        };
        timeline = wish.apply(&timeline, RefTime::from_ns(at), 0).unwrap();
    }

    assert!(at > 280 * YEAR && at < KTIME_MAX);
    let lost = exact - timeline.current().mono().anchor().as_units();
    assert!(lost >= BigInt::from(0));
    assert!(lost < BigInt::from(1u64 << 56), "{lost} units of 2^-56 ns");
}
