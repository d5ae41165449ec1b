// SPDX-License-Identifier: GPL-2.0

//! Sequences of random calls that set and discipline a clock, the same in every run.

use crate::random::Random;
use crate::sys::Ns;
use crate::timex::{modes, Timex};

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
const DAY: Ns = 86_400 * SEC;

/// Between the begin of a second and its first tick, and the tick interrupt, it depends on the
/// moment what the host says. So no call is made then, nor shortly before.
pub(crate) const SECOND_HAS_BEGUN: Ns = 24 * MSEC;
const SECOND_ENDS: Ns = 950 * MSEC;

/// A call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// By the adjuster with that number.
    Adjust(usize, Timex),
    /// `clock_settime()`.
    Set(Ns),
}

/// A call, and how long after the last one it is made, in time of the clock that it is made on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) delay: Ns,
    pub(crate) action: Action,
}

/// When the clock is set to before the first step, and the steps.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) start: Ns,
    pub(crate) steps: Vec<Step>,
}

/// The next moment, from `time` on, at which a call may be made.
pub(crate) fn quiet(time: Ns) -> Ns {
    let begin = time.div_euclid(SEC) * SEC;
    match time - begin {
        part if part < SECOND_HAS_BEGUN => begin + SECOND_HAS_BEGUN,
        part if part > SECOND_ENDS => begin + SEC + SECOND_HAS_BEGUN,
        _ => time,
    }
}

fn between(random: &mut Random, least: i64, most: i64) -> i64 {
    least + random.below((most - least + 1) as usize) as i64
}

/// A number of about that size either way, and now and then one that is far out.
fn about(random: &mut Random, size: i64) -> i64 {
    const FAR: [i64; 8] = [
        0,
        1,
        -1,
        i32::MAX as i64,
        i32::MIN as i64,
        1 << 40,
        i64::MAX,
        i64::MIN,
    ];
    match random.below(12) {
        0 => random.pick(&FAR),
        1..4 => between(random, -size / 100, size / 100),
        _ => between(random, -size, size),
    }
}

/// Bits of the status: mostly those that somebody sets.
fn status(random: &mut Random) -> i32 {
    const USUAL: [i32; 10] = [
        0,
        libc::STA_PLL,
        libc::STA_PLL,
        libc::STA_PLL | libc::STA_FLL,
        libc::STA_PLL | libc::STA_FREQHOLD,
        libc::STA_PLL | libc::STA_UNSYNC,
        libc::STA_UNSYNC,
        libc::STA_INS,
        libc::STA_DEL,
        libc::STA_PLL | libc::STA_INS,
    ];
    match random.below(6) {
        0 => random.next() as i32,
        1 => (random.next() & 0xff) as i32,
        _ => random.pick(&USUAL),
    }
}

/// What a call changes: mostly what belongs together.
fn some_modes(random: &mut Random) -> u32 {
    const USUAL: [u32; 18] = [
        0,
        0,
        modes::OFFSET,
        modes::OFFSET | modes::STATUS | modes::TIMECONST,
        modes::OFFSET | modes::STATUS | modes::TIMECONST | modes::NANO,
        modes::STATUS | modes::NANO | modes::OFFSET | modes::TIMECONST | modes::MAXERROR,
        modes::FREQUENCY,
        modes::FREQUENCY | modes::TICK,
        modes::TICK,
        modes::STATUS,
        modes::STATUS,
        modes::STATUS | modes::MAXERROR | modes::ESTERROR,
        modes::TAI,
        modes::NANO,
        modes::MICRO,
        modes::SINGLESHOT,
        modes::SINGLESHOT_READ,
        modes::TIMECONST,
    ];
    const ALL: [u32; 12] = [
        modes::OFFSET,
        modes::FREQUENCY,
        modes::MAXERROR,
        modes::ESTERROR,
        modes::STATUS,
        modes::TIMECONST,
        modes::TAI,
        modes::MICRO,
        modes::NANO,
        modes::TICK,
        0x0040,
        0x0200,
    ];
    let mut chosen = random.pick(&USUAL);
    if random.below(4) == 0 {
        for _ in 0..random.below(4) {
            chosen ^= random.pick(&ALL);
        }
    }
    if random.below(10) == 0 {
        chosen |= modes::SETOFFSET;
    }
    if random.below(60) == 0 {
        chosen |= 0x8000;
    }
    chosen
}

/// A request, which may be refused.
pub(crate) fn request(random: &mut Random) -> Timex {
    let modes = some_modes(random);
    let mut request = Timex::of(modes);
    request.offset = match modes & 0x8000 {
        0 if modes & modes::NANO != 0 => about(random, 600_000_000),
        0 => about(random, 600_000),
        _ => about(random, 20_000),
    };
    request.freq = about(random, 600 << 16);
    request.maxerror = about(random, 20_000_000);
    request.esterror = about(random, 20_000_000);
    request.status = status(random);
    request.constant = match modes & modes::TAI {
        0 => between(random, -2, 12),
        _ => about(random, 50),
    };
    request.tick = match random.below(8) {
        0 => about(random, 11_100),
        _ => between(random, 8_990, 11_010),
    };
    request.sec = between(random, -100_000, 100_000);
    request.subsec = match random.below(10) {
        0 => about(random, 2_000_000_000),
        // A whole second, so that the next tick is where it was.
        1..6 => 0,
        _ if modes & modes::NANO != 0 => between(random, 0, 999_999_999),
        _ => between(random, 0, 999_999),
    };
    request
}

/// A time, often just before midnight.
pub(crate) fn time(random: &mut Random) -> Ns {
    let day = between(random, 15_000, 24_000);
    let part = Ns::from(between(random, 100_000_000, 800_000_000));
    let second = match random.below(2) {
        0 => between(random, 0, 86_399),
        _ => between(random, 86_395, 86_399),
    };
    Ns::from(day) * DAY + Ns::from(second) * SEC + part
}

impl Script {
    /// The one with that number. `adjusters` is how many there are to make calls by.
    pub(crate) fn new(number: u64, adjusters: usize) -> Self {
        let mut random = Random::new(number);
        let start = time(&mut random);
        let steps = (0..4 + random.below(14)).map(|_| {
            let delay = match random.below(6) {
                0 => Ns::from(between(&mut random, 0, 2_500)) * MSEC,
                1 => Ns::from(between(&mut random, 0, 400)) * MSEC,
                _ => Ns::from(between(&mut random, 0, 5_000)) * 1000,
            };
            let action = match random.below(14) {
                0 => Action::Set(time(&mut random)),
                _ => Action::Adjust(random.below(adjusters), request(&mut random)),
            };
            Step { delay, action }
        });
        let steps = steps.collect();
        Self { start, steps }
    }
}
