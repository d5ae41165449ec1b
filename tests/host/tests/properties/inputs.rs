// SPDX-License-Identifier: GPL-2.0

//! What the properties are tried on.

use proptest::prelude::*;
use timens_arith::{
    rate::Rate,
    segment::Clock,
    time::{FixedNs, NsTime, RefTime, KTIME_MAX},
    timeline::{Start, Timeline},
};
use timens_host_tests::{vectors::YEAR, wish::Wish};

/// All clocks of a namespace.
pub(crate) const CLOCKS: [Clock; 5] = [
    Clock::Monotonic,
    Clock::Raw,
    Clock::Boottime,
    Clock::Realtime,
    Clock::Tai,
];

/// The last time that a clock can be set to.
pub(crate) const SETTABLE_MAX: u64 = KTIME_MAX - 30 * YEAR;

/// Runs a property that often. A failure prints its input, so no file of inputs is kept.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Numbers up to `max`: of all sizes, evenly spread ones, and those at both ends.
pub(crate) fn up_to(max: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..=max, 0..u64::BITS).prop_map(|(number, shift)| number >> shift),
        4 => 0..=max,
        1 => (0..=max.min(3)).prop_map(move |less| max - less),
        1 => 0..=max.min(3),
    ]
}

/// Rates: the slowest, 1 +- 500 ppm, the fastest, and any. Not 0.
pub(crate) fn running_rate() -> impl Strategy<Value = Rate> {
    let one = Rate::ONE.as_units();
    let ppm = one / 1_000_000;
    prop_oneof![
        Just(1),
        Just(one),
        one - 500 * ppm..=one + 500 * ppm,
        Just(Rate::MAX.as_units()),
        (0..255u64, 1..1_000_000_000i64)
            .prop_map(|(s, ns)| Rate::from_parts(s as i64, ns).unwrap().as_units()),
        up_to(Rate::MAX.as_units() - 1).prop_map(|units| units + 1),
    ]
    .prop_map(|units| Rate::from_units(units).unwrap())
}

/// Rates, one in ten of them 0.
pub(crate) fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![
        9 => running_rate(),
        1 => Just(Rate::ZERO),
    ]
}

/// Readings of all sizes, with fractions of all sizes.
pub(crate) fn fixed() -> impl Strategy<Value = FixedNs> {
    (up_to(KTIME_MAX), up_to((1 << 56) - 1))
        .prop_map(|(ns, frac)| FixedNs::from_units((u128::from(ns) << 56) | u128::from(frac)))
}

/// Clocks as they start, anywhere in 292 years, and the host's sleep time then.
pub(crate) fn started() -> impl Strategy<Value = (Timeline, u64)> {
    (
        up_to(KTIME_MAX),
        up_to(25 * YEAR),
        rate(),
        fixed(),
        fixed(),
        up_to(SETTABLE_MAX),
        up_to(SETTABLE_MAX),
        0..=100_000i32,
    )
        .prop_filter_map(
            "REALTIME or BOOTTIME too far behind MONOTONIC",
            |(at, sleep, rate, mono, raw, boottime, realtime, tai_seconds)| {
                let start = Start {
                    at: RefTime::from_ns(at),
                    sleep,
                    rate,
                    mono,
                    raw,
                    boottime: NsTime::from_ns(boottime),
                    realtime: NsTime::from_ns(realtime),
                    tai_seconds,
                };
                Some((Timeline::start(&start).ok()?, sleep))
            },
        )
}

/// A change, how long after the change before it, and how long the host slept between them.
pub(crate) fn change() -> impl Strategy<Value = (u64, u64, Wish)> {
    (
        up_to(KTIME_MAX),
        up_to(YEAR),
        proptest::option::of(rate()),
        proptest::option::of(up_to(SETTABLE_MAX)),
    )
        .prop_map(|(gap, sleep, rate, realtime)| {
            let realtime = realtime.map(NsTime::from_ns);
            (gap, sleep, Wish { rate, realtime })
        })
}

/// Clocks that have been changed up to three times, and the host's sleep time then.
pub(crate) fn changed() -> impl Strategy<Value = (Timeline, u64)> {
    (started(), prop::collection::vec(change(), 0..=3)).prop_filter_map(
        "REALTIME too far behind MONOTONIC",
        |((mut timeline, mut sleep), changes)| {
            for (gap, slept, change) in changes {
                sleep += slept;
                let at = timeline.current().anchor().saturating_add(gap);
                timeline = change.apply(&timeline, at, sleep).ok()?;
            }
            Some((timeline, sleep))
        },
    )
}

/// Any clock of a namespace.
pub(crate) fn clock() -> impl Strategy<Value = Clock> {
    prop::sample::select(CLOCKS.to_vec())
}

/// Reference times: some where `timeline` changes, most anywhere.
pub(crate) fn reference_near(timeline: Timeline) -> impl Strategy<Value = RefTime> {
    let previous = timeline.previous().anchor().as_ns();
    let current = timeline.current().anchor().as_ns();
    prop_oneof![
        2 => up_to(KTIME_MAX),
        1 => (0..=4u64).prop_map(move |ns| (previous + ns).saturating_sub(2)),
        1 => (0..=4u64).prop_map(move |ns| (current + ns).saturating_sub(2)),
        2 => previous..=current,
        2 => up_to(KTIME_MAX - current).prop_map(move |ns| current + ns),
    ]
    .prop_map(RefTime::from_ns)
}
