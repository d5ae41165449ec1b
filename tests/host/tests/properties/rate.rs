// SPDX-License-Identifier: GPL-2.0

//! Rates as parts and as units.

use num_bigint::BigInt;
use proptest::prelude::*;
use timens_arith::{error::Error, rate::Rate};

use crate::inputs::{cases, up_to};

const NSEC_PER_SEC: i64 = 1_000_000_000;

/// How far `units` * 2^-56 is from `nsecs` * 10^-9, in units of 2^-57 * 10^-9.
fn distance(units: u64, nsecs: u64) -> BigInt {
    let difference = BigInt::from(units) * NSEC_PER_SEC - (BigInt::from(nsecs) << 56u32);
    difference.magnitude().clone().into()
}

#[test]
fn parts_come_back_over_the_whole_range() {
    // A step that shares no factor with 10^9 meets all residues of small numbers.
    for total in (0..255 * NSEC_PER_SEC).step_by(99_991) {
        let (secs, nsecs) = (total / NSEC_PER_SEC, total % NSEC_PER_SEC);
        let rate = Rate::from_parts(secs, nsecs).unwrap();
        assert_eq!(rate.to_parts(), (secs as u64, nsecs as u32));
    }
}

proptest! {
    #![proptest_config(cases(100_000))]

    #[test]
    fn parts_come_back_and_units_are_the_nearest(secs in 0..255u64, nsecs in up_to(999_999_999)) {
        let rate = Rate::from_parts(secs as i64, nsecs as i64).unwrap();
        prop_assert_eq!(rate.to_parts(), (secs, nsecs as u32));
        let nsecs = secs * NSEC_PER_SEC as u64 + nsecs;
        prop_assert!(distance(rate.as_units(), nsecs) * 2 <= BigInt::from(NSEC_PER_SEC));
    }

    #[test]
    fn parts_are_the_nearest(units in up_to(Rate::MAX.as_units())) {
        let rate = Rate::from_units(units).unwrap();
        prop_assert_eq!(rate.as_units(), units);
        let (secs, nsecs) = rate.to_parts();
        prop_assert!(i64::from(nsecs) < NSEC_PER_SEC);
        let nsecs = secs * NSEC_PER_SEC as u64 + u64::from(nsecs);
        prop_assert!(distance(units, nsecs) * 2 <= BigInt::from(1) << 56u32);
    }

    #[test]
    fn only_parts_in_range_are_taken(
        secs in prop_oneof![any::<i64>(), -2..300i64],
        nsecs in prop_oneof![any::<i64>(), -2..=NSEC_PER_SEC, Just(0)],
    ) {
        let rate = Rate::from_parts(secs, nsecs);
        if !(0..NSEC_PER_SEC).contains(&nsecs) {
            prop_assert_eq!(rate, Err(Error::Malformed));
        } else if (0..255).contains(&secs) || (secs, nsecs) == (255, 0) {
            prop_assert!(rate.is_ok());
        } else {
            prop_assert_eq!(rate, Err(Error::OutOfRange));
        }
    }
}
