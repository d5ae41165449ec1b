// SPDX-License-Identifier: GPL-2.0

//! One clock at one rate.

use num_bigint::BigInt;
use proptest::prelude::*;
use timens_arith::{
    line::Line,
    rate::Rate,
    time::{FixedNs, NsTime, KTIME_MAX},
};

use crate::inputs::{cases, fixed, rate, up_to};

/// `anchor + delta * rate`, whatever its size.
fn exact(anchor: FixedNs, rate: Rate, delta: u64) -> BigInt {
    BigInt::from(delta) * rate.as_units() + anchor.as_units()
}

proptest! {
    #![proptest_config(cases(50_000))]

    #[test]
    fn value_is_exact_and_stops(anchor in fixed(), rate in rate(), delta in up_to(u64::MAX)) {
        let line = Line::new(anchor, rate);
        let exact = exact(anchor, rate, delta);
        let end = BigInt::from(1) << 119u32;
        prop_assert_eq!(
            BigInt::from(line.fixed_at(delta).as_units()),
            exact.clone().min(end - 1)
        );
        let ns: BigInt = exact >> 56u32;
        prop_assert_eq!(
            BigInt::from(line.value(delta).as_ns()),
            ns.min(BigInt::from(KTIME_MAX))
        );
    }

    #[test]
    fn delta_is_the_smallest(
        anchor in fixed(),
        rate in rate(),
        near in up_to(u64::MAX),
        any_time in up_to(KTIME_MAX),
        close in -2..=2i64,
    ) {
        let line = Line::new(anchor, rate);
        // Any time, and one that is reached.
        let reached = line.value(near).as_ns().saturating_add_signed(close);
        for time in [any_time, reached].map(NsTime::from_ns) {
            match line.delta_for(time) {
                Some(0) => prop_assert!(line.value(0) >= time),
                Some(delta) => {
                    prop_assert!(line.value(delta) >= time);
                    prop_assert!(line.value(delta - 1) < time);
                }
                None => prop_assert!(line.value(u64::MAX) < time),
            }
        }
    }

    #[test]
    fn continuing_changes_nothing(
        anchor in fixed(),
        rate in rate(),
        first in up_to(KTIME_MAX),
        second in up_to(KTIME_MAX),
    ) {
        let line = Line::new(anchor, rate);
        prop_assert_eq!(
            line.continued(first, rate).fixed_at(second),
            line.fixed_at(first + second)
        );
    }
}
