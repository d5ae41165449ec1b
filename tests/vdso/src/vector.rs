// SPDX-License-Identifier: GPL-2.0

//! A test vector, as the program `vectors` of the host tests prints it.

use std::str::{FromStr, SplitAsciiWhitespace};

use crate::{
    page::{Line, Segment},
    Error,
};

/// ns in a second.
pub const NSEC_PER_SEC: u64 = 1_000_000_000;

/// CLOCK_REALTIME.
pub const REALTIME: usize = 0;
/// CLOCK_MONOTONIC.
pub const MONOTONIC: usize = 1;
/// CLOCK_MONOTONIC_RAW.
pub const MONOTONIC_RAW: usize = 4;
/// CLOCK_REALTIME_COARSE.
pub const REALTIME_COARSE: usize = 5;
/// CLOCK_MONOTONIC_COARSE.
pub const MONOTONIC_COARSE: usize = 6;
/// CLOCK_BOOTTIME.
pub const BOOTTIME: usize = 7;
/// CLOCK_TAI.
pub const TAI: usize = 11;

/// The clocks that the vDSO reads.
pub const CLOCKS: [usize; 7] = [
    REALTIME,
    MONOTONIC,
    MONOTONIC_RAW,
    REALTIME_COARSE,
    MONOTONIC_COARSE,
    BOOTTIME,
    TAI,
];

/// One reading of one clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// The clock id.
    pub clock_id: usize,
    /// The host's MONOTONIC (MONOTONIC_COARSE for a coarse clock), ns.
    pub reference: u64,
    /// How long the host has slept, ns.
    pub sleep: u64,
    /// `segment[0]` of the page.
    pub previous: Segment,
    /// `segment[1]` of the page.
    pub current: Segment,
    /// What the clock reads, ns.
    pub reading: u64,
}

/// Readings around full seconds, at rates 1 and 2: there the seconds change, in what the clock reads
/// and in what its reader has computed before it looked at the counter.
pub fn around_full_seconds() -> impl Iterator<Item = Vector> {
    const ANCHOR: u64 = 1_900_000_000_250_000_000;
    const REFERENCE: u64 = 5_500_000_000;
    const OFFSET: i64 = -300_000_000_400_000_000;
    const SECONDS: u64 = 3;

    let around = |clock_id: usize, rate: u64| {
        let line = Line {
            anchor: u128::from(ANCHOR) << 56,
            rate: rate << 56,
            reciprocal: 0,
        };
        let mut offset = vec![0; TAI + 1];
        for clock in [REALTIME, REALTIME_COARSE, TAI] {
            offset[clock] = OFFSET;
        }
        let segment = Segment {
            reference: REFERENCE,
            mono: line,
            raw: line,
            offset,
        };
        let first = ANCHOR.saturating_add_signed(segment.offset[clock_id]);
        let full = first.next_multiple_of(NSEC_PER_SEC) - first;
        (0..SECONDS)
            .map(move |second| full + second * NSEC_PER_SEC)
            .flat_map(|until| [until - 2, until - 1, until, until + 1, until + 2])
            .filter(move |until| until % rate == 0)
            .map(move |until| Vector {
                clock_id,
                reference: REFERENCE + until / rate,
                sleep: 0,
                previous: segment.clone(),
                current: segment.clone(),
                reading: first + until,
            })
    };
    CLOCKS.into_iter().flat_map(move |clock_id| {
        [1, 2]
            .into_iter()
            .flat_map(move |rate| around(clock_id, rate))
    })
}

/// Readings around the end of all times, of clocks that get there before MONOTONIC.
pub fn around_the_end() -> impl Iterator<Item = Vector> {
    const END: u64 = i64::MAX as u64;
    const ANCHOR: u64 = 1_000_000_000_000_000_000;
    const REFERENCE: u64 = 5_500_000_000;
    const OFFSET: u64 = 8_200_000_000_000_000_000;
    const UNTIL_END: u64 = END - OFFSET - ANCHOR;

    let line = Line {
        anchor: u128::from(ANCHOR) << 56,
        rate: 1 << 56,
        reciprocal: 0,
    };
    let mut offset = vec![0; TAI + 1];
    let ahead = [REALTIME, REALTIME_COARSE, BOOTTIME, TAI];
    for clock in ahead {
        offset[clock] = OFFSET as i64;
    }
    let segment = Segment {
        reference: REFERENCE,
        mono: line,
        raw: line,
        offset,
    };
    ahead.into_iter().flat_map(move |clock_id| {
        let segment = segment.clone();
        (UNTIL_END - 2..=UNTIL_END + 2).map(move |until| Vector {
            clock_id,
            reference: REFERENCE + until,
            sleep: 0,
            previous: segment.clone(),
            current: segment.clone(),
            reading: END.min(ANCHOR + OFFSET + until),
        })
    })
}

impl FromStr for Vector {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let mut numbers = line.split_ascii_whitespace();
        let vector = Self {
            clock_id: next(&mut numbers)?,
            reference: next(&mut numbers)?,
            sleep: next(&mut numbers)?,
            previous: segment(&mut numbers)?,
            current: segment(&mut numbers)?,
            reading: next(&mut numbers)?,
        };
        if numbers.next().is_some() {
            return Err("too many numbers".into());
        }
        if !CLOCKS.contains(&vector.clock_id) {
            return Err(format!("unknown clock {}", vector.clock_id).into());
        }
        Ok(vector)
    }
}

fn next<T: FromStr>(numbers: &mut SplitAsciiWhitespace<'_>) -> Result<T, Error>
where
    T::Err: std::error::Error + 'static,
{
    Ok(numbers.next().ok_or("too few numbers")?.parse()?)
}

fn segment(numbers: &mut SplitAsciiWhitespace<'_>) -> Result<Segment, Error> {
    let reference = next(numbers)?;
    let mono = line(numbers)?;
    let raw = line(numbers)?;
    let mut offset = vec![0; TAI + 1];
    let realtime = next(numbers)?;
    offset[REALTIME] = realtime;
    offset[REALTIME_COARSE] = realtime;
    offset[BOOTTIME] = next(numbers)?;
    offset[TAI] = next(numbers)?;
    Ok(Segment {
        reference,
        mono,
        raw,
        offset,
    })
}

fn line(numbers: &mut SplitAsciiWhitespace<'_>) -> Result<Line, Error> {
    let lo: u64 = next(numbers)?;
    let hi: u64 = next(numbers)?;
    Ok(Line {
        anchor: u128::from(hi) << 64 | u128::from(lo),
        rate: next(numbers)?,
        reciprocal: next(numbers)?,
    })
}
