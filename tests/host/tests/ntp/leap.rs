// SPDX-License-Identifier: GPL-2.0

//! Leap seconds, at their instant.

use crate::inputs::NSEC;
use timens_arith::{
    ntp::{
        ideal::{Moment, Ntp},
        timex::{modes, status, TimeState, Timex},
    },
    time::FixedNs,
};

/// A midnight.
const MIDNIGHT: i64 = 86_400 * 20_000;

/// Where the clocks are `ns` after they start, which is 5.25 s before midnight.
fn after(ns: u64) -> Moment {
    let ns = FixedNs::from_units(u128::from(ns) << 56);
    Moment {
        raw: ns,
        mono: ns,
        sleep: 0,
    }
}

/// A clock that has been told `bits`.
fn told(bits: i32) -> Ntp<250> {
    let start = after(0);
    let ahead = MIDNIGHT * NSEC as i64 - 5_250_000_000;
    let mut ntp = Ntp::new(&start, ahead, 37);
    set_status(&mut ntp, &start, bits);
    ntp
}

fn set_status(ntp: &mut Ntp<250>, now: &Moment, bits: i32) {
    let mut txc = Timex {
        modes: modes::STATUS | modes::MAXERROR,
        status: bits,
        ..Timex::default()
    };
    ntp.adjtimex(now, &mut txc).unwrap();
}

/// The state, seconds from midnight, TAI - UTC and REALTIME - MONOTONIC then.
fn observe(ntp: &mut Ntp<250>, ns: u64) -> (TimeState, i64, i32, i64) {
    let now = after(ns);
    assert!(ntp.advance(&now));
    let mut txc = Timex::default();
    let state = ntp.adjtimex(&now, &mut txc).unwrap();
    assert_eq!((txc.tai, txc.sec), {
        let real = ntp.realtime() + ns as i64;
        (ntp.tai(), real.div_euclid(NSEC as i64))
    });
    let ahead = ntp.realtime() - MIDNIGHT * NSEC as i64;
    (state, txc.sec - MIDNIGHT, txc.tai, ahead)
}

#[test]
fn a_second_is_inserted() {
    let mut ntp = told(status::INS);
    let s = NSEC;
    assert_eq!(
        observe(&mut ntp, 0),
        (TimeState::Ok, -6, 37, -5_250_000_000)
    );
    assert_eq!(
        observe(&mut ntp, 254_000_000),
        (TimeState::Insert, -5, 37, -5_250_000_000)
    );
    assert_eq!(ntp.discipline().next_leap(), MIDNIGHT);
    // Not a nanosecond early or late.
    let instant = 5 * s + 250_000_000;
    assert_eq!(
        observe(&mut ntp, instant - 1),
        (TimeState::Insert, -1, 37, -5_250_000_000)
    );
    assert_eq!(
        observe(&mut ntp, instant),
        (TimeState::InProgress, -1, 38, -6_250_000_000)
    );
    assert_eq!(
        observe(&mut ntp, instant + s - 1),
        (TimeState::InProgress, -1, 38, -6_250_000_000)
    );
    assert_eq!(
        observe(&mut ntp, instant + s),
        (TimeState::Wait, 0, 38, -6_250_000_000)
    );
    // Asked for still, it does not come again.
    let later = instant + 7_200 * s;
    assert_eq!(
        observe(&mut ntp, later),
        (TimeState::Wait, 7_199, 38, -6_250_000_000)
    );

    set_status(&mut ntp, &after(later), 0);
    assert_eq!(observe(&mut ntp, later + 2 * s).0, TimeState::Ok);
}

#[test]
fn a_second_is_deleted() {
    let mut ntp = told(status::DEL);
    let s = NSEC;
    assert_eq!(
        observe(&mut ntp, 254_000_000),
        (TimeState::Delete, -5, 37, -5_250_000_000)
    );
    let instant = 4 * s + 250_000_000;
    assert_eq!(
        observe(&mut ntp, instant - 1),
        (TimeState::Delete, -2, 37, -5_250_000_000)
    );
    assert_eq!(
        observe(&mut ntp, instant),
        (TimeState::Wait, 0, 36, -4_250_000_000)
    );
    assert_eq!(
        observe(&mut ntp, instant + s),
        (TimeState::Wait, 1, 36, -4_250_000_000)
    );
}

#[test]
fn nobody_looked_for_a_month() {
    let mut ntp = told(status::INS);
    let month = 30 * 86_400 * NSEC;
    assert_eq!(
        observe(&mut ntp, month),
        (TimeState::Error, 30 * 86_400 - 7, 38, -6_250_000_000)
    );
}

/// What a slew that goes on over the leap second comes to is what was asked for.
#[test]
fn a_slew_is_as_long_as_without() {
    for amount in [20_000, -20_000] {
        let gained = |bits| {
            let mut ntp = told(bits);
            let now = after(NSEC);
            let mut txc = Timex {
                modes: modes::ADJTIME | modes::SINGLESHOT,
                offset: amount,
                ..Timex::default()
            };
            ntp.adjtimex(&now, &mut txc).unwrap();
            let now = after(3_600 * NSEC);
            while !ntp.advance(&now) {}
            assert_eq!(ntp.discipline().left(), (0, 0, 0));
            let gained = ntp.ideal_at(now.raw).as_units() as i128 - now.raw.as_units() as i128;
            (gained >> 56) as i64
        };
        // With a nanosecond for what is cut off.
        for bits in [status::INS, status::DEL] {
            let differ = gained(bits) - gained(0);
            assert!(differ.abs() <= 1, "{amount} us, {bits:#x}: {differ} ns");
        }
    }
}

/// The seconds of a fast clock are over sooner.
#[test]
fn nobody_looked_for_a_fast_day() {
    let mut ntp = told(0);
    let now = after(6 * NSEC);
    ntp.advance(&now);
    let mut txc = Timex {
        modes: modes::STATUS | modes::TICK,
        status: status::INS,
        tick: 11_000,
        ..Timex::default()
    };
    ntp.adjtimex(&now, &mut txc).unwrap();

    let mut now = after(100_000 * NSEC);
    let fast = 6 * NSEC + (100_000 - 6) * NSEC / 10 * 11;
    now.mono = after(fast).mono;
    assert!(ntp.advance(&now));
    assert_eq!(ntp.tai(), 38);
    assert_eq!(ntp.ideal_at(now.raw).floor(), now.mono.floor());
}

#[test]
fn a_step_cancels_it() {
    let mut ntp = told(status::INS);
    observe(&mut ntp, NSEC);
    ntp.set_realtime(&after(NSEC), MIDNIGHT - 1, 0).unwrap();
    set_status(&mut ntp, &after(NSEC), status::INS);
    // As on the host: only who asks anew gets it.
    let (state, second, tai, _) = observe(&mut ntp, 3 * NSEC);
    assert_eq!((state, second, tai), (TimeState::Insert, 1, 37));
}

#[test]
fn sleeping_through_it_cancels_it() {
    let mut ntp = told(status::INS);
    observe(&mut ntp, NSEC);
    let mut now = after(2 * NSEC);
    now.sleep = 10 * NSEC;
    ntp.advance(&now);
    assert_eq!((ntp.second(), ntp.tai()), (MIDNIGHT + 6, 37));
    assert_eq!(ntp.discipline().next_leap(), i64::MAX);
    now = after(3 * 86_400 * NSEC);
    now.sleep = 10 * NSEC;
    ntp.advance(&now);
    assert_eq!(ntp.tai(), 37);
}

/// Every course up to midnight ends at the instant, and the one after has the leap.
#[test]
fn a_course_ends_at_the_instant() {
    for (freq, slew) in [
        (-500 << 16, 0),
        (0, 0),
        (12_345_678, -1_000_000),
        (500 << 16, 1_000_000),
    ] {
        let mut ntp = told(status::INS);
        let mut now = after(0);
        for (modes, offset) in [(modes::FREQUENCY, 0), (0x8001, slew)] {
            let mut txc = Timex {
                modes,
                offset,
                freq,
                ..Timex::default()
            };
            ntp.adjtimex(&now, &mut txc).unwrap();
        }
        while ntp.tai() == 37 {
            let course = ntp.course(&now, 0);
            ntp = course.end.unwrap();
            let length = ntp.tick().as_units() - now.raw.as_units();
            let units = (length >> 56) * u128::from(course.factor)
                + (((length & ((1 << 56) - 1)) * u128::from(course.factor)) >> 56);
            now.mono = FixedNs::from_units(now.mono.as_units() + units);
            now.raw = ntp.tick();
        }
        // To a nanosecond, which the real clock may lack.
        let instant = 5_250_000_000;
        assert!(
            now.mono.floor().as_ns().abs_diff(instant) <= 1,
            "{freq}: {now:?}"
        );
        assert_eq!(ntp.ideal().floor().as_ns(), instant);
        assert_eq!(ntp.second(), MIDNIGHT - 1);
    }
}
