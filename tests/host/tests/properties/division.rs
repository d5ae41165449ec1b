// SPDX-License-Identifier: GPL-2.0

//! Division by way of a reciprocal.

use num_bigint::BigUint;
use proptest::prelude::*;
use timens_arith::reciprocal::Reciprocal;

use crate::inputs::{cases, up_to};

fn divide(dividend: u128, divisor: u64) -> Option<u64> {
    Reciprocal::of(divisor).divide(dividend, divisor)
}

fn divisor() -> impl Strategy<Value = u64> {
    up_to(u64::MAX - 1).prop_map(|number| number + 1)
}

/// Numbers next to a power of two, where estimates are at their worst.
fn edges() -> Vec<u64> {
    let mut edges: Vec<u64> = (0..u64::BITS)
        .flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1])
        .chain([u64::MAX - 1, u64::MAX, u64::MAX / 3, u64::MAX / 3 * 2])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

#[test]
fn all_small_dividends_and_divisors() {
    for divisor in 1..=300u64 {
        let reciprocal = Reciprocal::of(divisor);
        let mut dividend = 0u128;
        for quotient in 0..300 {
            for _ in 0..divisor {
                assert_eq!(reciprocal.divide(dividend, divisor), Some(quotient));
                dividend += 1;
            }
        }
    }
}

#[test]
fn edges_of_divisors_quotients_and_remainders() {
    for divisor in edges().into_iter().filter(|&divisor| divisor > 0) {
        let reciprocal = Reciprocal::of(divisor);
        for quotient in edges() {
            for remainder in edges().into_iter().filter(|&rest| rest < divisor) {
                let dividend = u128::from(quotient) * u128::from(divisor) + u128::from(remainder);
                assert_eq!(
                    reciprocal.divide(dividend, divisor),
                    Some(quotient),
                    "{dividend} / {divisor}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(100_000))]

    #[test]
    fn quotient_is_the_integers(
        high in up_to(u64::MAX),
        low in any::<u64>(),
        divisor in divisor(),
    ) {
        for high in [high, high % divisor] {
            let dividend = (u128::from(high) << 64) | u128::from(low);
            let quotient = BigUint::from(dividend) / divisor;
            prop_assert_eq!(divide(dividend, divisor), u64::try_from(quotient).ok());
        }
    }

    #[test]
    fn word_is_its_definition(divisor in divisor()) {
        let normalised = divisor << divisor.leading_zeros();
        let word = BigUint::from(u128::MAX) / normalised - (1u128 << 64);
        prop_assert_eq!(BigUint::from(Reciprocal::of(divisor).word()), word);
    }

    #[test]
    fn nothing_is_divided_by_zero(high in up_to(u64::MAX), low in any::<u64>()) {
        let dividend = (u128::from(high) << 64) | u128::from(low);
        prop_assert_eq!(divide(dividend, 0), None);
    }
}
