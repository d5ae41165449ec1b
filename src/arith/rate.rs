// SPDX-License-Identifier: GPL-2.0

//! How fast a clock runs.

use super::{
    error::Error,
    time::FRAC_BITS, //
};

const NSEC_PER_SEC: u64 = 1_000_000_000;

/// Half of the fraction's bits: a number of ns below a second, shifted by as much, still
/// fits 64 bits.
const HALF_BITS: u32 = FRAC_BITS / 2;

/// Namespace seconds per reference second, as an unsigned 8.56 fixed-point number.
///
/// One unit, 2^-56, is 0.44 ns a year. 56 bits are as many as fit beside
/// the 255: the product with a 64-bit number of ns then has 128 bits.
///
/// # Invariants
///
/// Is at most [`Rate::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// A frozen clock.
    pub const ZERO: Self = Self(0);

    /// As fast as the reference.
    pub const ONE: Self = Self(1 << FRAC_BITS);

    /// The fastest clock: 255 seconds in a second.
    pub const MAX: Self = Self(255 << FRAC_BITS);

    /// The rate of `units` * 2^-56.
    pub fn from_units(units: u64) -> Result<Self, Error> {
        if units > Self::MAX.0 {
            return Err(Error::OutOfRange);
        }
        // INVARIANT: Just checked.
        Ok(Self(units))
    }

    /// The rate that was published as these units.
    #[inline]
    pub fn from_published(units: u64) -> Self {
        // INVARIANT: The units are those of a rate.
        Self(units)
    }

    /// The rate of `secs` + `nsecs` * 10^-9 seconds a second, to the nearest 2^-56.
    pub fn from_parts(secs: i64, nsecs: i64) -> Result<Self, Error> {
        let nsecs = match u64::try_from(nsecs) {
            Ok(nsecs) if nsecs < NSEC_PER_SEC => nsecs,
            _ => return Err(Error::Malformed),
        };
        let whole = match u64::try_from(secs) {
            Ok(secs) if secs <= u64::from(u8::MAX) => secs << FRAC_BITS,
            _ => return Err(Error::OutOfRange),
        };

        // nsecs * 2^56 / 10^9 by long division with two 28-bit digits, because the
        // dividend has more than 64 bits. Half of the divisor is never a remainder (all powers of
        // two in 10^9 cancel), so there are no ties to think of.
        let dividend = nsecs << HALF_BITS;
        let high = dividend / NSEC_PER_SEC;
        let dividend = (dividend % NSEC_PER_SEC) << HALF_BITS;
        let low = dividend / NSEC_PER_SEC;
        let round = u64::from(dividend % NSEC_PER_SEC > NSEC_PER_SEC / 2);

        // The largest fraction, 999999999, is far enough below 2^56 not to carry.
        let frac = ((high << HALF_BITS) | low).wrapping_add(round);
        Self::from_units(whole | frac)
    }

    /// The rate as seconds and nanoseconds a second, to the nearest nanosecond.
    ///
    /// [`Rate::from_parts`] of any parts gives them back.
    pub fn to_parts(self) -> (u64, u32) {
        let frac = self.0 & ((1 << FRAC_BITS) - 1);
        // 86 bits, so neither the product nor the sum overflows.
        let nsecs = u128::from(frac)
            .wrapping_mul(u128::from(NSEC_PER_SEC))
            .wrapping_add(1 << (FRAC_BITS - 1))
            >> FRAC_BITS;
        let secs = self.0 >> FRAC_BITS;
        if nsecs == u128::from(NSEC_PER_SEC) {
            return (secs.wrapping_add(1), 0);
        }
        // CAST: Less than 10^9.
        (secs, nsecs as u32)
    }

    /// The rate in units of 2^-56.
    #[inline]
    pub fn as_units(self) -> u64 {
        self.0
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_rate))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    #[test]
    fn parts_to_units() {
        assert_eq!(Rate::from_parts(0, 0), Ok(Rate::ZERO));
        assert_eq!(Rate::from_parts(1, 0), Ok(Rate::ONE));
        assert_eq!(Rate::from_parts(255, 0), Ok(Rate::MAX));
        assert_eq!(Rate::from_parts(0, 500_000_000), Rate::from_units(1 << 55));
        // 2^56 / 10^9 = 72057594.04, and 5 times that is 360287970.19.
        assert_eq!(Rate::from_parts(0, 1), Rate::from_units(72_057_594));
        assert_eq!(Rate::from_parts(0, 5), Rate::from_units(360_287_970));
        // 999999999 times that is 72057593965870341.96.
        assert_eq!(
            Rate::from_parts(0, 999_999_999),
            Rate::from_units(72_057_593_965_870_342)
        );
    }

    #[test]
    fn units_to_parts() {
        assert_eq!(Rate::MAX.to_parts(), (255, 0));
        assert_eq!(Rate::from_units(1).map(Rate::to_parts), Ok((0, 0)));
        assert_eq!(Rate::from_units(72_057_594).map(Rate::to_parts), Ok((0, 1)));
        // The nearest ns is the next whole second.
        assert_eq!(
            Rate::from_units((1 << 56) - 1).map(Rate::to_parts),
            Ok((1, 0))
        );
        assert_eq!(
            Rate::from_units((255 << 56) - 1).map(Rate::to_parts),
            Ok((255, 0))
        );
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        assert_eq!(Rate::from_parts(255, 1), Err(Error::OutOfRange));
        assert_eq!(Rate::from_parts(256, 0), Err(Error::OutOfRange));
        assert_eq!(Rate::from_parts(-1, 0), Err(Error::OutOfRange));
        assert_eq!(Rate::from_parts(i64::MAX, 0), Err(Error::OutOfRange));
        assert_eq!(Rate::from_parts(1, 1_000_000_000), Err(Error::Malformed));
        assert_eq!(Rate::from_parts(1, -1), Err(Error::Malformed));
        assert_eq!(Rate::from_units((255 << 56) + 1), Err(Error::OutOfRange));
    }
}
