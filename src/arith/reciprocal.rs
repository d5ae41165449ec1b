// SPDX-License-Identifier: GPL-2.0

//! Exact division of 128-bit numbers by a divisor that is used often.
//!
//! The kernel has no 128-bit division to link with, and a 64-bit one would take two steps. But
//! a rate is divided by many times and changes rarely. So what depends on the divisor
//! only is computed once, in two steps, and each division
//! is then two multiplications and a correction.
//!
//! # Why it is exact
//!
//! Let `B = 2^64`, and let the divisor `d` be shifted so that `B/2 <= d < B`, and the dividend
//! `n = n1 * B + n0` with it. The quotient fits 64 bits if and only if `n1 < d`. The reciprocal is
//!
//! ```text
//! v = floor((B^2 - 1) / d) - B,    so   (B + v) * d = B^2 - k   with  1 <= k <= d
//! ```
//!
//! and the estimate of the quotient `q = floor(n1 * (B + v) / B) = n1 + floor(n1 * v / B)`. It is
//! never too large, since
//!
//! ```text
//! q * d <= n1 * (B^2 - k) / B <= n1 * B <= n
//! ```
//!
//! and what remains is less than four divisors, since the floor takes less than one and
//! `n1` and `k` are no more than `d`:
//!
//! ```text
//! n - q * d < n0 + n1 * k / B + d < B + d + d <= 4 * d
//! ```
//!
//! So adding 2 and then 1 to the estimate, each if that much remains, gives the quotient.

/// Half a word.
const HALF_BITS: u32 = u64::BITS / 2;

/// What a division needs to know of its divisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reciprocal(u64);

impl Reciprocal {
    /// The reciprocal of `divisor`. That of 0 is never used.
    pub fn of(divisor: u64) -> Self {
        let divisor = divisor.wrapping_shl(divisor.leading_zeros());

        // floor((B^2 - 1 - B * d) / d), in two digits: the high word of the dividend is B - 1 - d,
        // which is below d, and all bits of its low word are set.
        let (high, remainder) = digit(!divisor, divisor);
        let (low, _) = digit(remainder, divisor);
        Self((high << HALF_BITS) | low)
    }

    /// `dividend / divisor`, rounded down, where this is the reciprocal of `divisor`.
    ///
    /// [`None`] if the quotient has more than 64 bits, or the divisor is 0.
    #[inline]
    pub fn divide(self, dividend: u128, divisor: u64) -> Option<u64> {
        if dividend >> 64 >= u128::from(divisor) {
            return None;
        }

        // The divisor is not 0 here, so the shifts are below 64. Nothing is lost on the left:
        // dividend < divisor * B.
        let shift = divisor.leading_zeros();
        let divisor = u128::from(divisor.wrapping_shl(shift));
        let dividend = dividend.wrapping_shl(shift);

        // By the proof above nothing here overflows: the estimate is no more than
        // the quotient, and twice the divisor has 65 bits.
        let high = dividend >> 64;
        let estimate = high.wrapping_add(high.wrapping_mul(u128::from(self.0)) >> 64);
        let mut remainder = dividend.wrapping_sub(estimate.wrapping_mul(divisor));
        // CAST: The quotient has 64 bits.
        let mut quotient = estimate as u64;
        if remainder >= divisor << 1 {
            remainder = remainder.wrapping_sub(divisor << 1);
            quotient = quotient.wrapping_add(2);
        }
        if remainder >= divisor {
            quotient = quotient.wrapping_add(1);
        }
        Some(quotient)
    }

    /// The reciprocal whose [`Reciprocal::word`] is `word`.
    #[inline]
    pub fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The word `v` of the module's description, as the vDSO page has it.
    #[inline]
    pub fn word(self) -> u64 {
        self.0
    }
}

/// `high` and half a word of set bits after it, divided by `divisor`: the quotient, which is half a
/// word, and the remainder. `divisor` has its highest bit set and is more than `high`.
fn digit(high: u64, divisor: u64) -> (u64, u64) {
    // Let `t` be what the divisor `d` has in its high half and 1, so that `t * 2^32` is more than
    // `d`, by `2^32` at most. Hence `high / t` is no more than the quotient, and less than
    // `(high * 2^32 / t + 2^32) / d < 2^32 / t + 2^32 / d < 2` below. Rounded down, less than 3.
    let estimate = high.checked_div((divisor >> HALF_BITS).wrapping_add(1));
    let mut quotient = estimate.unwrap_or(0);
    let dividend = (u128::from(high) << HALF_BITS) | u128::from(u32::MAX);
    let divisor = u128::from(divisor);
    let mut remainder = dividend.wrapping_sub(u128::from(quotient).wrapping_mul(divisor));
    for _ in 0..2 {
        if remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient = quotient.wrapping_add(1);
        }
    }
    // CAST: Less than the divisor.
    (quotient, remainder as u64)
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_reciprocal))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    fn divide(dividend: u128, divisor: u64) -> Option<u64> {
        Reciprocal::of(divisor).divide(dividend, divisor)
    }

    #[test]
    fn reciprocal_words() {
        // floor((2^128 - 1) / 2^63) = 2^65 - 1, and 2^64 less than that.
        assert_eq!(Reciprocal::of(1).word(), u64::MAX);
        assert_eq!(Reciprocal::of(1 << 63).word(), u64::MAX);
        // (2^128 - 1) / (2^64 - 1) = 2^64 + 1.
        assert_eq!(Reciprocal::of(u64::MAX).word(), 1);
        // 3 * 2^62: (2^128 - 1) / (3 * 2^62) = 2^66 / 3 = 2^64 + 2^64 / 3.
        assert_eq!(Reciprocal::of(3).word(), 0x5555_5555_5555_5555);
    }

    #[test]
    fn quotients() {
        assert_eq!(divide(0, 1), Some(0));
        assert_eq!(divide(u128::from(u64::MAX), 1), Some(u64::MAX));
        assert_eq!(divide(100, 7), Some(14));
        assert_eq!(divide(1 << 126, 1 << 63), Some(1 << 63));
        assert_eq!(divide((7 << 64) - 1, 7), Some(u64::MAX));
        assert_eq!(divide(u128::from(u64::MAX) << 64, u64::MAX), None);
        assert_eq!(
            divide((u128::from(u64::MAX) << 64) - 1, u64::MAX),
            Some(u64::MAX)
        );
    }

    #[test]
    fn no_quotient_of_more_than_64_bits() {
        assert_eq!(divide(0, 0), None);
        assert_eq!(divide(1 << 64, 1), None);
        assert_eq!(divide(7 << 64, 7), None);
        assert_eq!(divide(u128::MAX, u64::MAX), None);
    }
}
