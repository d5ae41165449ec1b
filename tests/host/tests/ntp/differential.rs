// SPDX-License-Identifier: GPL-2.0

//! The same calls and ticks, given to the discipline and to the kernel's own: the same answers,
//! the same state, and the same clock, to the last bit.
//!
//! Ignored, and so counted as skipped, where there is no kernel tree.

#[cfg(kernel_tree)]
use {
    crate::{
        inputs::{any_call, call, number, pick},
        kernel::{Answer, Kernel},
    },
    timens_arith::{
        ntp::{
            discipline::Discipline,
            ideal::{Moment, Ntp},
            timex::{status, validate, Refusal, Timex},
        },
        time::FixedNs,
    },
    timens_host_tests::random::Random,
};

/// Sequences in each test.
#[cfg(kernel_tree)]
const SEQUENCES: u64 = 10_000;

/// What of the discipline nobody sees.
#[cfg(kernel_tree)]
fn assert_same_state<const HZ: i64>(discipline: &Discipline<HZ>, kernel: &Answer, what: &str) {
    assert_eq!(discipline.advance(0), kernel.tick_length, "{what}");
    assert_eq!(discipline.left(), kernel.left, "{what}");
    assert_eq!(discipline.skew(), kernel.skew, "{what}");
    assert_eq!(discipline.next_leap(), kernel.next_leap, "{what}");
}

/// A call and what came of it, but for the fields that only go in.
#[cfg(kernel_tree)]
fn assert_same_answer(txc: &Timex, state: i64, kernel: &Answer, what: &str) {
    let answer = Timex { modes: 0, ..*txc };
    assert_eq!((state, answer), (kernel.result, kernel.txc), "{what}");
}

/// Calls, ends of seconds and ticks in any order.
#[cfg(kernel_tree)]
fn same_discipline<const HZ: i64>(seed: u64) {
    let mut random = Random::new(seed);
    let mut kernel = Kernel::new("discipline", HZ);
    for _ in 0..SEQUENCES {
        kernel.ask("r");
        let mut discipline = Discipline::<HZ>::default();
        let (mut second, mut tai) = (0i64, 0i32);
        let mut trace = String::new();
        for _ in 0..random.up_to(30) {
            match random.up_to(9) {
                0..=3 => {
                    let mut txc = call(&mut random);
                    let nsec = random.up_to(999_999_999) as i64;
                    let sec = second + random.up_to(9) as i64 / 9;
                    trace.push_str(&format!("{txc:?} at {sec} {nsec}\n"));
                    let answer = kernel.adjtimex(&txc, (sec, nsec));
                    let state = discipline.adjtimex(&mut txc, (sec, nsec), second, &mut tai);
                    assert_same_answer(&txc, state as i64, &answer, &trace);
                    assert_same_state(&discipline, &answer, &trace);
                }
                4..=6 => {
                    let seconds = match random.up_to(2) {
                        // Around what the frequency-locked loop needs.
                        0 => *pick(&mut random, &[255, 256, 2_048, 2_049]),
                        _ => 1 + random.of_any_size(5_000),
                    };
                    trace.push_str(&format!("o {seconds}\n"));
                    let answer = kernel.ask(&format!("o {seconds}"));
                    for _ in 0..seconds {
                        second += 1;
                        let leap = discipline.overflow(second);
                        second += leap;
                        tai -= leap as i32;
                    }
                    assert_eq!((second, tai), (answer.second, answer.tai), "{trace}");
                    assert_same_state(&discipline, &answer, &trace);
                }
                7..=8 => {
                    let skew = match random.up_to(2) {
                        0 => number(&mut random, 1 << 50),
                        _ => discipline.skew(),
                    };
                    for _ in 0..1 + random.up_to(20) {
                        // A tick slews less than a second.
                        let skew = skew.clamp(-(1 << 50), 1 << 50);
                        trace.push_str(&format!("d {skew}\n"));
                        let answer = kernel.ask(&format!("d {skew}"));
                        let claim = discipline.drain(skew);
                        assert_eq!(claim, answer.result, "{trace}");
                        assert_same_state(&discipline, &answer, &trace);
                    }
                }
                _ => {
                    // Near midnight, for leap seconds.
                    let day = random.up_to(20_000) as i64 * 86_400;
                    second = (day - random.up_to(5) as i64).max(0);
                    trace.push_str(&format!("s {second} 0\n"));
                    let answer = kernel.ask(&format!("s {second} 0"));
                    discipline.clear();
                    assert_same_state(&discipline, &answer, &trace);
                }
            }
        }
    }
}

/// Calls and times between them, small and large. The clock passes each time in one go; the kernel's
/// goes through every tick.
#[cfg(kernel_tree)]
fn same_clock<const HZ: i64>(seed: u64) {
    let mut random = Random::new(seed);
    let mut kernel = Kernel::new("clock", HZ);
    for _ in 0..SEQUENCES {
        kernel.ask("r");
        let mut mono = random.of_any_size(1 << 50);
        let mut now = Moment {
            raw: FixedNs::from_units(u128::from(random.bits()) << 24),
            mono: FixedNs::from_units(u128::from(mono) << 56),
            sleep: random.of_any_size(1 << 50),
        };
        let mut ntp = Ntp::<HZ>::new(&now, random.of_any_size(1 << 60) as i64, 0);
        let mut trace = format!("{now:?} {ntp:?}\n");
        let real = mono as i64 + ntp.realtime() + now.sleep as i64;
        kernel.ask(&format!(
            "s {} {}",
            real / 1_000_000_000,
            real % 1_000_000_000
        ));

        for _ in 0..random.up_to(10) {
            let before = ntp.ideal().as_units();
            let answer = match random.up_to(9) {
                0..=3 => {
                    let mut txc = call(&mut random);
                    // A leap second ends a tick here, and not there.
                    txc.status &= !(status::INS | status::DEL);
                    trace.push_str(&format!("{txc:?}\n"));
                    let nsec = |real: i64| (real / 1_000_000_000, real % 1_000_000_000);
                    let real = ntp.ideal().floor().as_signed() + ntp.realtime() + now.sleep as i64;
                    let answer = kernel.adjtimex(&txc, nsec(real));
                    now.mono = ntp.ideal();
                    let state = ntp.adjtimex(&now, &mut txc).unwrap();
                    assert_same_answer(&txc, state as i64, &answer, &trace);
                    answer
                }
                4..=8 => {
                    let seconds = *pick(&mut random, &[1, 1, 3, 10, 100, 300]);
                    let ticks = random.up_to(seconds * HZ as u64);
                    trace.push_str(&format!("t {ticks}\n"));
                    let interval = (1_000_000_000u128 << 32) / HZ as u128;
                    now.raw = FixedNs::from_units(
                        ntp.tick().as_units() + ((u128::from(ticks) * interval) << 24),
                    );
                    let answer = kernel.ask(&format!("t {ticks}"));
                    // The real clock has gone where the kernel's has.
                    now.mono = FixedNs::from_units(before + (answer.advanced << 24));
                    while !ntp.advance(&now) {}
                    answer
                }
                _ => {
                    // A real clock that is where the ideal one is, but for the fraction.
                    mono = ntp.ideal().floor().as_ns();
                    now.mono = FixedNs::from_units(u128::from(mono) << 56);
                    let (sec, nsec) = (
                        2_000_000 + random.up_to(4_000_000_000) as i64,
                        random.up_to(999_999_999) as i64,
                    );
                    trace.push_str(&format!("s {sec} {nsec}\n"));
                    ntp.set_realtime(&now, sec, nsec).unwrap();
                    let answer = kernel.ask(&format!("s {sec} {nsec}"));
                    assert_same_state(ntp.discipline(), &answer, &trace);
                    continue;
                }
            };
            let advanced = ntp.ideal().as_units() - before;
            assert_eq!(advanced, answer.advanced << 24, "{trace}");
            assert_eq!(ntp.tick(), now.raw, "{trace}");
            assert_eq!(
                (ntp.second(), ntp.tai()),
                (answer.second, answer.tai),
                "{trace}"
            );
            assert_same_state(ntp.discipline(), &answer, &trace);
        }
    }
}

/// Calls of anybody, with any numbers.
#[cfg(kernel_tree)]
fn same_refusals() {
    let mut random = Random::new(5);
    let mut kernel = Kernel::new("refusals", 250);
    for _ in 0..SEQUENCES * 10 {
        let txc = any_call(&mut random);
        let permitted = random.up_to(1) == 1;
        let answer = kernel.ask(&format!(
            "v {} {} {} {} {}",
            u8::from(permitted),
            txc.modes,
            txc.freq,
            txc.subsec,
            txc.tick
        ));
        let errno = match validate(&txc, || permitted) {
            Ok(()) => 0,
            Err(Refusal::NotPermitted) => -1,
            Err(Refusal::Invalid) => -22,
        };
        assert_eq!(errno, answer.result, "{permitted} {txc:?}");
    }
}

macro_rules! differential {
    ($($(#[$doc:meta])* $name:ident: $test:expr;)*) => {$(
        $(#[$doc])*
        #[test]
        #[cfg_attr(not(kernel_tree), ignore = "no kernel tree to compare with")]
        fn $name() {
            #[cfg(kernel_tree)]
            $test;
        }
    )*};
}

differential! {
    discipline_is_the_kernels_at_100_hz: same_discipline::<100>(1);
    discipline_is_the_kernels_at_250_hz: same_discipline::<250>(2);
    discipline_is_the_kernels_at_300_hz: same_discipline::<300>(3);
    discipline_is_the_kernels_at_1000_hz: same_discipline::<1000>(4);
    clock_is_the_kernels_at_100_hz: same_clock::<100>(6);
    clock_is_the_kernels_at_250_hz: same_clock::<250>(7);
    clock_is_the_kernels_at_300_hz: same_clock::<300>(8);
    clock_is_the_kernels_at_1000_hz: same_clock::<1000>(9);
    refusals_are_the_kernels: same_refusals();
}
