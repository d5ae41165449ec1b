// SPDX-License-Identifier: GPL-2.0

//! What is true of every discipline, whatever it has been told.

use crate::inputs::{call, cases, NSEC};
use proptest::prelude::*;
use timens_arith::{
    ntp::{
        ideal::{Moment, Ntp},
        timex::{modes, Timex},
    },
    time::FixedNs,
};
use timens_host_tests::random::Random;

/// A call, and how many ns of RAW pass before it.
type Event = (u64, u64);

fn events() -> impl Strategy<Value = Vec<Event>> {
    let gap = prop_oneof![
        4 => 0..3 * NSEC,
        2 => 0..1_000 * NSEC,
        1 => 0..200_000 * NSEC,
    ];
    prop::collection::vec((any::<u64>(), gap), 1..12)
}

/// A clock that starts a little before midnight.
fn start() -> (Ntp<250>, Moment) {
    let now = Moment {
        raw: FixedNs::from_units(0),
        mono: FixedNs::from_units(12_345 << 56),
        sleep: 0,
    };
    let midnight = 86_400 * NSEC as i64 * 20_000;
    (Ntp::new(&now, midnight - 7 * NSEC as i64, 37), now)
}

fn later(raw: FixedNs, ns: u64) -> FixedNs {
    FixedNs::from_units(raw.as_units() + (u128::from(ns) << 56))
}

/// Goes on for `ns` in steps of less than half a second, with a real clock that is the ideal one.
fn walk(ntp: &mut Ntp<250>, now: &mut Moment, ns: u64, steps: &mut Random) {
    let end = later(now.raw, ns);
    while now.raw < end {
        now.raw = later(now.raw, 1 + steps.up_to(NSEC / 3)).min(end);
        now.mono = ntp.ideal_at(now.raw);
        assert!(ntp.advance(now));
    }
}

/// Asks for everything.
fn read(ntp: &Ntp<250>, now: &Moment) -> Timex {
    let mut txc = Timex::default();
    ntp.clone().adjtimex(now, &mut txc).unwrap();
    txc
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// To pass a time at once is to pass it bit by bit.
    #[test]
    fn lazy_is_as_good_as_busy(events in events(), seed in any::<u64>()) {
        let mut steps = Random::new(seed);
        let (mut busy, mut now) = start();
        let mut lazy = busy;
        for (call_seed, gap) in events {
            walk(&mut busy, &mut now, gap.min(5_000 * NSEC), &mut steps);
            now.mono = busy.ideal_at(now.raw);
            while !lazy.advance(&now) {}
            prop_assert_eq!(&lazy, &busy);

            let mut txc = call(&mut Random::new(call_seed));
            let mut same = txc;
            let states = (busy.adjtimex(&now, &mut txc), lazy.adjtimex(&now, &mut same));
            prop_assert_eq!(states.0, states.1);
            prop_assert_eq!(txc, same);
            prop_assert_eq!(&lazy, &busy);
        }
    }

    /// No field ever leaves its range, and MONOTONIC goes on, neither back nor much too fast.
    #[test]
    fn everything_stays_in_its_range(events in events()) {
        let (mut ntp, mut now) = start();
        for (seed, gap) in events {
            let before = now.mono;
            // After a long time the ideal clock may be somewhere else, and is given up.
            now.raw = later(now.raw, gap);
            now.mono = later(ntp.ideal(), gap);
            while !ntp.advance(&now) {}
            now.mono = ntp.ideal_at(now.raw);
            prop_assert!(before <= now.mono);

            let real = read(&ntp, &now);
            // A second that has begun, but for the tick.
            prop_assert!((0..=1).contains(&(real.sec - ntp.second())), "{real:?} {ntp:?} {now:?}");

            let mut txc = call(&mut Random::new(seed));
            ntp.adjtimex(&now, &mut txc).unwrap();
            let txc = read(&ntp, &now);
            prop_assert!(txc.offset.abs() <= 500_000_000);
            prop_assert!(txc.freq.abs() <= 500 << 16);
            prop_assert!((0..=16_000_000).contains(&txc.maxerror));
            prop_assert!((0..=16_000_000).contains(&txc.esterror));
            prop_assert!((0..=10).contains(&txc.constant));
            prop_assert!((9_000..=11_000).contains(&txc.tick));
            // Leap seconds may leave the range that can be set.
            prop_assert!((-12..=100_012).contains(&txc.tai));

            // 10 %, 500 ppm, and a quarter of half a second.
            let advance = ntp.discipline().advance(ntp.discipline().skew());
            let second = (advance * 250) >> 32;
            prop_assert!((770_000_000..=1_230_000_000).contains(&second), "{second}");
        }
    }

    /// A step leaves the frequency and the tick, and nothing else.
    #[test]
    fn steps_clear(events in events(), sec in 1..4_000_000_000i64, nsec in 0..NSEC as i64) {
        let (mut ntp, mut now) = start();
        for (seed, gap) in events {
            walk(&mut ntp, &mut now, gap.min(100 * NSEC), &mut Random::new(seed));
            ntp.adjtimex(&now, &mut call(&mut Random::new(seed))).unwrap();
        }
        now.mono = ntp.ideal_at(now.raw);
        let before = read(&ntp, &now);
        let sec = sec + now.mono.floor().as_signed() / NSEC as i64 + 1;
        ntp.set_realtime(&now, sec, nsec).unwrap();

        let after = read(&ntp, &now);
        prop_assert_eq!((after.freq, after.tick), (before.freq, before.tick));
        prop_assert_eq!((after.constant, after.tai), (before.constant, ntp.tai()));
        prop_assert_eq!((after.maxerror, after.esterror), (16_000_000, 16_000_000));
        prop_assert_eq!(ntp.discipline().left(), (0, 0, 0));
        prop_assert_eq!(after.sec, sec);
        let unit = if after.status & 0x2000 != 0 { 1 } else { 1_000 };
        prop_assert_eq!(after.subsec, nsec / unit);
    }
}

/// Whether a step to `sec` is refused when MONOTONIC reads 10 s.
fn refused(sec: i64, nsec: i64) -> bool {
    let (mut ntp, mut now) = start();
    now.mono = FixedNs::from_units((10 * u128::from(NSEC)) << 56);
    now.raw = now.mono;
    ntp.advance(&now);
    let before = ntp;
    let refused = ntp.set_realtime(&now, sec, nsec).is_err();
    assert!(!refused || ntp == before);
    refused
}

#[test]
fn realtime_is_not_before_monotonic_nor_near_the_end() {
    assert!(refused(9, 999_999_999));
    assert!(!refused(10, 0));
    assert!(refused(11, 1_000_000_000));
    assert!(refused(11, -1));
    assert!(refused(-1, 0));
    // 2232-04-18, 30 years of 365 days before the end.
    let end = i64::MAX / NSEC as i64 - 30 * 365 * 86_400;
    assert!(!refused(end - 1, 999_999_999));
    assert!(refused(end, 0));
    assert!(refused(i64::MAX, 0));
}

#[test]
fn an_offset_steps_as_far_as_it_says() {
    let (mut ntp, now) = start();
    let before = ntp.realtime();
    let mut txc = Timex {
        modes: modes::SETOFFSET,
        sec: -3,
        subsec: 250_000,
        ..Timex::default()
    };
    ntp.adjtimex(&now, &mut txc).unwrap();
    assert_eq!(ntp.realtime(), before - 2_750_000_000);
    // The answer has the time from before.
    assert_eq!(txc.sec, (before + 12_345) / NSEC as i64);

    let mut txc = Timex {
        modes: modes::SETOFFSET | modes::NANO,
        sec: 1,
        subsec: 7,
        ..Timex::default()
    };
    ntp.adjtimex(&now, &mut txc).unwrap();
    assert_eq!(ntp.realtime(), before - 1_749_999_993);

    let mut txc = Timex {
        modes: modes::SETOFFSET,
        sec: i64::MIN,
        ..Timex::default()
    };
    let same = ntp;
    assert!(ntp.adjtimex(&now, &mut txc).is_err());
    assert_eq!(ntp, same);
}
