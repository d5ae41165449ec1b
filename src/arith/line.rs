// SPDX-License-Identifier: GPL-2.0

//! A clock that runs at one rate.

use super::{
    rate::Rate,
    reciprocal::Reciprocal,
    time::{
        FixedNs,
        NsTime, //
    }, //
};

/// A clock that runs at one rate from an anchor value on, as a function of the reference
/// time since the anchor, `delta`.
///
/// The anchor value keeps its fraction and a rate is a whole number of the same units:
/// a line that another one continues has lost nothing, however often that happens.
///
/// # Invariants
///
/// `reciprocal` is that of `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    anchor: FixedNs,
    rate: Rate,
    reciprocal: Reciprocal,
}

impl Line {
    /// The clock that reads `anchor` at delta 0 and then runs at `rate`.
    pub fn new(anchor: FixedNs, rate: Rate) -> Self {
        // INVARIANT: Computed from `rate` here.
        Self {
            anchor,
            rate,
            reciprocal: Reciprocal::of(rate.as_units()),
        }
    }

    /// The line that was published as these words: those of its anchor, the units of its
    /// rate, and the word of its reciprocal.
    #[inline]
    pub fn from_words(lo: u64, hi: u64, rate: u64, reciprocal: u64) -> Self {
        // INVARIANT: The words are those of a line.
        Self {
            anchor: FixedNs::from_published((u128::from(hi) << 64) | u128::from(lo)),
            rate: Rate::from_published(rate),
            reciprocal: Reciprocal::from_word(reciprocal),
        }
    }

    /// The same clock anchored `delta` later, from there on at `rate`.
    pub fn continued(&self, delta: u64, rate: Rate) -> Self {
        let anchor = self.fixed_at(delta);
        if rate == self.rate {
            // Spares the division.
            return Self { anchor, ..*self };
        }
        Self::new(anchor, rate)
    }

    /// What the clock reads `delta` ns after the anchor, with the sub-nanosecond part. Stops
    /// at [`FixedNs::MAX`].
    #[inline]
    pub fn fixed_at(&self, delta: u64) -> FixedNs {
        // At most (2^64 - 1) * 255 * 2^56 + 2^119, which is less than 2^128.
        let units = u128::from(delta)
            .wrapping_mul(u128::from(self.rate.as_units()))
            .wrapping_add(self.anchor.as_units());
        FixedNs::from_units(units)
    }

    /// What the clock reads `delta` ns after the anchor. Stops at [`NsTime::MAX`].
    #[inline]
    pub fn value(&self, delta: u64) -> NsTime {
        self.fixed_at(delta).floor()
    }

    /// The smallest `delta` for which [`Line::value`] is at least `time`.
    ///
    /// [`None`] if there is none, or none of 64 bits.
    #[inline]
    pub fn delta_for(&self, time: NsTime) -> Option<u64> {
        // The value is at least `time` as soon as the units reach those of `time`: the floor of a
        // number reaches a whole number together with it, and so does its minimum with `MAX`.
        let missing = FixedNs::from(time)
            .as_units()
            .saturating_sub(self.anchor.as_units());

        // The quotient rounded up is one more than that of one unit less rounded down.
        match missing.checked_sub(1) {
            None => Some(0),
            Some(missing) => self
                .reciprocal
                .divide(missing, self.rate.as_units())?
                .checked_add(1),
        }
    }

    /// What the clock reads at delta 0.
    #[inline]
    pub fn anchor(&self) -> FixedNs {
        self.anchor
    }

    /// How fast the clock runs.
    #[inline]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The reciprocal of the rate.
    #[inline]
    pub fn reciprocal(&self) -> Reciprocal {
        self.reciprocal
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_line))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::{
        super::time::KTIME_MAX,
        *, //
    };

    fn line(anchor: u128, rate: Option<Rate>) -> Line {
        Line::new(FixedNs::from_units(anchor), rate.unwrap_or(Rate::ONE))
    }

    #[test]
    fn values_round_down() {
        // Half a nanosecond a nanosecond, from 10.25 ns on.
        let line = line(
            (10 << 56) + (1 << 54),
            Rate::from_parts(0, 500_000_000).ok(),
        );
        assert_eq!(line.value(0), NsTime::from_ns(10));
        assert_eq!(line.value(1), NsTime::from_ns(10));
        assert_eq!(line.value(2), NsTime::from_ns(11));
        assert_eq!(line.fixed_at(1).frac(), 3 << 54);
    }

    #[test]
    fn deltas_round_up() {
        let line = line(
            (10 << 56) + (1 << 54),
            Rate::from_parts(0, 500_000_000).ok(),
        );
        assert_eq!(line.delta_for(NsTime::from_ns(0)), Some(0));
        assert_eq!(line.delta_for(NsTime::from_ns(10)), Some(0));
        assert_eq!(line.delta_for(NsTime::from_ns(11)), Some(2));
        assert_eq!(line.delta_for(NsTime::from_ns(12)), Some(4));
    }

    #[test]
    fn fast_clock_stops_at_ktime_max() {
        let line = line(0, Some(Rate::MAX));
        let last = KTIME_MAX / 255;
        assert_eq!(line.value(last), NsTime::from_ns(last * 255));
        assert_eq!(line.value(last + 1), NsTime::MAX);
        assert_eq!(line.value(u64::MAX), NsTime::MAX);
        assert_eq!(line.delta_for(NsTime::MAX), Some(last + 1));
    }

    #[test]
    fn frozen_clock_never_gets_there() {
        let line = line(5 << 56, Some(Rate::ZERO));
        assert_eq!(line.value(u64::MAX), NsTime::from_ns(5));
        assert_eq!(line.delta_for(NsTime::from_ns(5)), Some(0));
        assert_eq!(line.delta_for(NsTime::from_ns(6)), None);
    }

    #[test]
    fn slowest_clock() {
        // Takes 2^56 ns, 2.3 years, for its first nanosecond, and more than 64 bits for its 257th.
        let line = line(0, Rate::from_units(1).ok());
        assert_eq!(line.delta_for(NsTime::from_ns(1)), Some(1 << 56));
        assert_eq!(line.value((1 << 56) - 1), NsTime::from_ns(0));
        assert_eq!(line.value(1 << 56), NsTime::from_ns(1));
        assert_eq!(line.delta_for(NsTime::from_ns(257)), None);
    }

    #[test]
    fn continuing_keeps_the_fraction() {
        let third = Rate::from_units((1 << 56) / 3).ok();
        let line = line(0, third);
        let continued = line.continued(1, line.rate()).continued(1, line.rate());
        assert_eq!(continued.value(1), line.value(3));
        assert_eq!(continued.fixed_at(7), line.fixed_at(9));
    }
}
