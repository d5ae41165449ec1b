// SPDX-License-Identifier: GPL-2.0

//! Calls as clients make them, and as nobody does.

use proptest::test_runner::Config as ProptestConfig;
use timens_arith::ntp::timex::{modes, status, Timex};
use timens_host_tests::random::Random;

/// A number of any size and sign, most within `usual`.
pub(crate) fn number(random: &mut Random, usual: i64) -> i64 {
    match random.up_to(9) {
        0 => random.bits() as i64,
        1 => random.of_any_size(u64::MAX) as i64,
        2 => *pick(random, &[i64::MIN, -1, 0, 1, i64::MAX, usual, -usual]),
        _ => {
            let size = random.of_any_size(usual as u64) as i64;
            if random.up_to(1) == 0 {
                size
            } else {
                -size
            }
        }
    }
}

/// One of `choices`.
pub(crate) fn pick<'a, T>(random: &mut Random, choices: &'a [T]) -> &'a T {
    &choices[random.up_to(choices.len() as u64 - 1) as usize]
}

/// A call that may fail.
pub(crate) fn any_call(random: &mut Random) -> Timex {
    let usual = [
        0,
        0x8001,
        0xa001,
        modes::OFFSET,
        modes::OFFSET | modes::STATUS | modes::NANO,
        modes::OFFSET | modes::STATUS | modes::TIMECONST,
        modes::FREQUENCY | modes::TICK,
        modes::STATUS,
        modes::TIMECONST,
        modes::STATUS | modes::MAXERROR | modes::ESTERROR,
        modes::TAI,
    ];
    let modes = match random.up_to(3) {
        0 => random.bits() as u32 & 0xffff,
        1 => 1u32 << random.up_to(15),
        _ => *pick(random, &usual),
    };
    let offset = if modes & modes::ADJTIME != 0 {
        number(random, 1_000_000)
    } else {
        number(random, 500_000_000)
    };
    let status = match random.up_to(3) {
        0 => random.bits() as i32,
        1 => status::PLL,
        2 => status::PLL | (random.bits() as i32 & 0x00f8),
        _ => random.bits() as i32 & 0x00f9,
    };
    let tick = match random.up_to(2) {
        0 => 10_000,
        1 => 9_000 + random.up_to(2_000) as i64,
        _ => number(random, 11_000),
    };
    Timex {
        modes,
        offset,
        freq: number(random, 600 << 16),
        maxerror: number(random, 20_000_000),
        esterror: number(random, 20_000_000),
        status,
        constant: number(random, 12),
        sec: 0,
        subsec: number(random, 1_000_000),
        tick,
        ..Timex::default()
    }
}

/// A call that is carried out, without a step.
pub(crate) fn call(random: &mut Random) -> Timex {
    loop {
        let mut txc = any_call(random);
        txc.modes &= !modes::SETOFFSET;
        if timens_arith::ntp::timex::validate(&txc, || true).is_ok() {
            return txc;
        }
    }
}

/// ns in a second.
pub(crate) const NSEC: u64 = 1_000_000_000;

/// Runs a property that often. A failure prints its input, so no file of inputs is kept.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}
