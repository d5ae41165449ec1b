// SPDX-License-Identifier: GPL-2.0

//! The vectors are read as the Rust code reads them, and are as their format promises.

use std::collections::HashSet;

use num_bigint::BigInt;
use timens_arith::time::{RefTime, KTIME_MAX};
use timens_host_tests::{
    oracle,
    page::PageClock,
    vectors::{vectors, CLOCK_IDS},
};

#[test]
fn arithmetic_reads_every_vector() {
    for vector in vectors() {
        let at = RefTime::from_ns(vector.reference);
        let reading = vector.timeline.read(vector.clock, at, vector.sleep);
        assert_eq!(reading.as_ns(), vector.reading, "{vector}");
    }
}

#[test]
fn no_sum_leaves_64_bits() {
    let range = BigInt::from(0)..=BigInt::from(u64::MAX);
    for vector in vectors() {
        let page = PageClock::from(&vector.timeline);
        let sum = oracle::unlimited(&page, vector.clock, vector.reference, vector.sleep);
        assert!(range.contains(&sum), "{vector}");
    }
}

#[test]
fn lines_are_28_numbers_and_always_the_same() {
    let lines: Vec<String> = vectors().iter().map(ToString::to_string).collect();
    assert!(lines.len() > 3_000);
    for line in &lines {
        let numbers: Vec<i128> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 28, "{line}");
    }
    let again: Vec<String> = vectors().iter().map(ToString::to_string).collect();
    assert_eq!(lines, again);
}

/// Of each kind of reading there are enough that a wrong implementation meets one.
#[test]
fn every_case_is_there() {
    let vectors = vectors();
    let count = |case: &dyn Fn(&PageClock, u64, u64) -> bool| {
        vectors
            .iter()
            .filter(|v| case(&PageClock::from(&v.timeline), v.reference, v.reading))
            .count()
    };
    assert!(count(&|page, at, _| at < page.previous.reference) > 100);
    assert!(
        count(&|page, at, _| page.previous.reference < at && at < page.current.reference) > 100
    );
    assert!(count(&|page, at, _| at == page.current.reference) > 100);
    assert!(count(&|page, at, _| at > page.current.reference) > 100);
    assert!(count(&|page, _, _| page.current.mono.rate == 0) > 100);
    assert!(count(&|page, _, _| page.current.mono.rate == 255 << 56) > 100);
    assert!(count(&|page, _, _| page.current.realtime < 0) > 100);
    assert!(count(&|page, _, _| page.current.realtime != page.previous.realtime) > 100);
    assert!(count(&|_, _, reading| reading == KTIME_MAX) > 100);

    let ids: HashSet<u32> = vectors.iter().map(|v| v.clock_id).collect();
    assert_eq!(ids, CLOCK_IDS.iter().map(|(id, _)| *id).collect());
}
