// SPDX-License-Identifier: GPL-2.0

//! Test vectors: clocks as the vDSO page has them, and what they read.
//!
//! Written one a line, so that a test in any language can use them. A line is 28 decimal
//! numbers with a space between:
//!
//! | number  | meaning |
//! |---------|---------|
//! | 1       | clock id, as `clock_gettime()` takes it |
//! | 2       | `ref`: the host's MONOTONIC in ns (MONOTONIC_COARSE for a coarse clock) |
//! | 3       | `sleep`: the host's BOOTTIME - MONOTONIC in ns |
//! | 4 - 15  | `segment[0]` of the page |
//! | 16 - 27 | `segment[1]` of the page |
//! | 28      | the clock's reading in ns |
//!
//! and a segment is 12 of them: `ref`; `lo`, `hi`, `rate` and `reciprocal` of `mono`; the same of
//! `raw`; and the `offset` of REALTIME, BOOTTIME and TAI, the only ones that can be
//! negative. The offsets of MONOTONIC and RAW are 0, that of a coarse clock is that of its fine one.
//!
//! The readings come from [`crate::oracle`]. No sum on the way to them is negative
//! or takes more than 64 bits, as the kernel module guarantees of the clocks it publishes.

use std::fmt;

use timens_arith::{
    rate::Rate,
    segment::Clock,
    time::{FixedNs, NsTime, RefTime, KTIME_MAX},
    timeline::{Start, Timeline},
};

use crate::{
    oracle,
    page::{PageClock, PageLine, PageSegment},
    random::Random,
    wish::Wish,
};

/// A year of 365 days, in ns.
pub const YEAR: u64 = 365 * 86_400 * 1_000_000_000;

/// How many clocks the vectors have.
const CLOCKS: u64 = 80;

/// The clock ids and which clock each one is.
pub const CLOCK_IDS: [(u32, Clock); 7] = [
    (0, Clock::Realtime),
    (1, Clock::Monotonic),
    (4, Clock::Raw),
    (5, Clock::Realtime),
    (6, Clock::Monotonic),
    (7, Clock::Boottime),
    (11, Clock::Tai),
];

/// One reading of one clock.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The clock id.
    pub clock_id: u32,
    /// Which clock that is.
    pub clock: Clock,
    /// The reference time of the reading, in ns.
    pub reference: u64,
    /// How many ns the host has slept.
    pub sleep: u64,
    /// The namespace's clocks.
    pub timeline: Timeline,
    /// What the clock reads, in ns.
    pub reading: u64,
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = PageClock::from(&self.timeline);
        write!(f, "{} {} {} ", self.clock_id, self.reference, self.sleep)?;
        write_segment(f, &page.previous)?;
        write_segment(f, &page.current)?;
        write!(f, "{}", self.reading)
    }
}

fn write_segment(f: &mut fmt::Formatter<'_>, segment: &PageSegment) -> fmt::Result {
    write!(f, "{} ", segment.reference)?;
    for PageLine {
        lo,
        hi,
        rate,
        reciprocal,
    } in [segment.mono, segment.raw]
    {
        write!(f, "{lo} {hi} {rate} {reciprocal} ")?;
    }
    let PageSegment {
        realtime,
        boottime,
        tai,
        ..
    } = segment;
    write!(f, "{realtime} {boottime} {tai} ")
}

/// All vectors: the same ones each time.
pub fn vectors() -> Vec<Vector> {
    (0..CLOCKS).flat_map(vectors_of_clock).collect()
}

/// One namespace's clocks, read with every clock id at the reference times where something
/// happens and some others.
fn vectors_of_clock(seed: u64) -> Vec<Vector> {
    let mut random = Random::new(seed << 32);
    let (timeline, mut sleep) = random_timeline(&mut random);
    if random.up_to(1) == 1 {
        sleep += random.of_any_size(YEAR);
    }
    let page = PageClock::from(&timeline);

    references(&mut random, &timeline)
        .into_iter()
        .flat_map(|reference| CLOCK_IDS.map(|(id, clock)| (reference, id, clock)))
        .map(|(reference, clock_id, clock)| Vector {
            clock_id,
            clock,
            reference,
            sleep,
            timeline,
            reading: oracle::read(&page, clock, reference, sleep),
        })
        .collect()
}

fn references(random: &mut Random, timeline: &Timeline) -> Vec<u64> {
    let previous = timeline.previous().anchor().as_ns();
    let current = timeline.current().anchor().as_ns();
    let line = timeline.current().mono();
    let mut references = vec![0, KTIME_MAX];
    let mut around = |reference: u64| {
        references.extend(reference.checked_sub(1));
        references.push(reference);
        references.push(reference + 1);
    };
    around(previous);
    around(current);
    if let Some(stop) = line
        .delta_for(NsTime::MAX)
        .and_then(|delta| current.checked_add(delta))
    {
        around(stop.min(KTIME_MAX - 1));
    }
    references.push(previous + random.up_to(current - previous));
    references.push(current + random.of_any_size(KTIME_MAX - current));
    references.push(current + random.up_to(KTIME_MAX - current));
    references.retain(|&reference| reference <= KTIME_MAX);
    references
}

/// Clocks after up to two changes, and how long the host has slept then.
fn random_timeline(random: &mut Random) -> (Timeline, u64) {
    let mut sleep = match random.up_to(3) {
        0 => 0,
        _ => random.of_any_size(20 * YEAR),
    };
    let mut at = random.of_any_size(200 * YEAR);
    let mono = random_fixed(random);
    let start = Start {
        at: RefTime::from_ns(at),
        sleep,
        rate: random_rate(random),
        mono,
        raw: random_fixed(random),
        boottime: NsTime::from_ns(random.of_any_size(200 * YEAR)),
        realtime: NsTime::from_ns(random.of_any_size(200 * YEAR)),
        tai_seconds: random.up_to(100_000) as i32,
    };
    let mut timeline = Timeline::start(&start).expect("the readings are in range");

    for _ in 0..random.up_to(2) {
        at += random.of_any_size(20 * YEAR);
        sleep += random.of_any_size(YEAR);
        let wish = Wish {
            rate: Some(random_rate(random)),
            realtime: (random.up_to(1) == 1)
                .then(|| NsTime::from_ns(random.of_any_size(200 * YEAR))),
        };
        // A REALTIME too far behind a MONOTONIC at its end is refused: then nothing changes.
        if let Ok(changed) = wish.apply(&timeline, RefTime::from_ns(at), sleep) {
            timeline = changed;
        }
    }
    (timeline, sleep)
}

fn random_rate(random: &mut Random) -> Rate {
    let units = match random.up_to(6) {
        0 => 0,
        1 => 1,
        2 => Rate::ONE.as_units(),
        // 1 +- 500 ppm.
        3 => Rate::ONE.as_units() / 10_000 * (9_995 + random.up_to(10)),
        4 => Rate::MAX.as_units(),
        5 => random.of_any_size(Rate::MAX.as_units()),
        _ => random.up_to(Rate::MAX.as_units()),
    };
    Rate::from_units(units).expect("no rate is above the largest one")
}

/// A reading with a fraction, in one of eight cases so close to the end of the clock that it gets
/// there within 30 years.
fn random_fixed(random: &mut Random) -> FixedNs {
    let ns = match random.up_to(7) {
        0 => KTIME_MAX - 30 * YEAR + random.up_to(YEAR),
        _ => random.of_any_size(200 * YEAR),
    };
    FixedNs::from_units((u128::from(ns) << 56) + u128::from(random.bits() >> 8))
}
