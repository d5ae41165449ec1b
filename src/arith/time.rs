// SPDX-License-Identifier: GPL-2.0

//! Reference time and namespace time, as types that do not mix.
//!
//! Both count nanoseconds, and both look the same in a register: mixing them up is the
//! mistake that a time namespace invites. So they are two types and
//!
//! ```
//! use timens_arith::time::NsTime;
//!
//! fn is_due(expiry: NsTime, now: NsTime) -> bool {
//!     expiry <= now
//! }
//! ```
//!
//! does not compile when one of them is a reference time:
//!
//! ```compile_fail,E0308
//! use timens_arith::time::{NsTime, RefTime};
//!
//! fn is_due(expiry: NsTime, now: RefTime) -> bool {
//!     expiry <= now
//! }
//! ```
//!
//! Nor does taking the distance between the two:
//!
//! ```compile_fail,E0308
//! use timens_arith::time::{NsTime, RefTime};
//!
//! fn elapsed(now: RefTime, start: NsTime) -> u64 {
//!     now.since(start)
//! }
//! ```

/// The latest time there is: the kernel's `KTIME_MAX`, in ns.
pub const KTIME_MAX: u64 = i64::MAX.unsigned_abs();

/// Number of bits after the binary point in rates and in [`FixedNs`].
pub const FRAC_BITS: u32 = 56;

/// A time of the reference: the host's `CLOCK_MONOTONIC`, in ns.
///
/// # Invariants
///
/// Is at most [`KTIME_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefTime(u64);

impl RefTime {
    /// The latest reference time. As the time of an event: never.
    pub const MAX: Self = Self(KTIME_MAX);

    /// The reference time `ns`, or [`RefTime::MAX`] if that is later.
    #[inline]
    pub fn from_ns(ns: u64) -> Self {
        // INVARIANT: The minimum is at most `KTIME_MAX`.
        Self(ns.min(KTIME_MAX))
    }

    /// The time in ns.
    #[inline]
    pub fn as_ns(self) -> u64 {
        self.0
    }

    /// How many ns this is after `earlier`; 0 if it is before.
    #[inline]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The reference time that was published as this number.
    #[inline]
    pub fn from_published(ns: u64) -> Self {
        // INVARIANT: The number is that of a reference time.
        Self(ns)
    }

    /// The reference time `delta` ns later, [`RefTime::MAX`] if there is none.
    #[inline]
    pub fn saturating_add(self, delta: u64) -> Self {
        Self::from_ns(self.0.saturating_add(delta))
    }
}

/// A reading of one of a namespace's clocks, in ns.
///
/// # Invariants
///
/// Is at most [`KTIME_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NsTime(u64);

impl NsTime {
    /// The reading at which a clock stops. As an expiry time: never.
    pub const MAX: Self = Self(KTIME_MAX);

    /// The reading `ns`, or [`NsTime::MAX`] if that is later.
    #[inline]
    pub fn from_ns(ns: u64) -> Self {
        // INVARIANT: The minimum is at most `KTIME_MAX`.
        Self(ns.min(KTIME_MAX))
    }

    /// The reading of a clock that is `offset` ns ahead of a clock of the host that reads
    /// `host` ns; [`None`] if it is negative or beyond [`NsTime::MAX`].
    #[inline]
    pub fn ahead_of_host(host: u64, offset: i64) -> Option<Self> {
        match host.checked_add_signed(offset) {
            // INVARIANT: Just checked.
            Some(ns) if ns <= KTIME_MAX => Some(Self(ns)),
            _ => None,
        }
    }

    /// The reading in ns.
    #[inline]
    pub fn as_ns(self) -> u64 {
        self.0
    }

    /// How many ns this is ahead of a clock of the host that reads `host` ns.
    #[inline]
    pub fn offset_from_host(self, host: u64) -> i64 {
        // Neither operand is negative as a signed number, so the difference fits.
        self.as_signed()
            .wrapping_sub(Self::from_ns(host).as_signed())
    }

    /// The reading as the kernel's signed `ktime_t`.
    #[inline]
    pub fn as_signed(self) -> i64 {
        // CAST: By the invariant the value fits.
        self.0 as i64
    }
}

/// A clock's reading with its sub-nanosecond part: ns as a 64.56 fixed-point number.
///
/// # Invariants
///
/// Its whole part is at most [`KTIME_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixedNs(u128);

impl FixedNs {
    /// The last instant before the reading would pass [`NsTime::MAX`].
    pub const MAX: Self = Self((1 << (63 + FRAC_BITS)) - 1);

    /// The reading `units` * 2^-56 ns, or [`FixedNs::MAX`] if that is later.
    #[inline]
    pub fn from_units(units: u128) -> Self {
        // INVARIANT: The whole part of `MAX` is 2^63 - 1.
        Self(units.min(Self::MAX.0))
    }

    /// The reading that was published as these units.
    #[inline]
    pub fn from_published(units: u128) -> Self {
        // INVARIANT: The units are those of a reading.
        Self(units)
    }

    /// The reading in units of 2^-56 ns.
    #[inline]
    pub fn as_units(self) -> u128 {
        self.0
    }

    /// The low and the high 64 bits of [`FixedNs::as_units`], as the vDSO page has them.
    #[inline]
    pub fn words(self) -> (u64, u64) {
        // CAST: Takes the number apart.
        (self.0 as u64, (self.0 >> 64) as u64)
    }

    /// What the clock shows: the whole nanoseconds.
    #[inline]
    pub fn floor(self) -> NsTime {
        // CAST: By the invariant the whole part fits.
        NsTime::from_ns((self.0 >> FRAC_BITS) as u64)
    }

    /// The part below a nanosecond, in units of 2^-56 ns.
    #[inline]
    pub fn frac(self) -> u64 {
        // CAST: The mask leaves 56 bits.
        (self.0 & ((1 << FRAC_BITS) - 1)) as u64
    }
}

impl From<NsTime> for FixedNs {
    /// The instant at which a clock begins to show `time`.
    #[inline]
    fn from(time: NsTime) -> Self {
        Self(u128::from(time.0) << FRAC_BITS)
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_time))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    #[test]
    fn times_stop_at_ktime_max() {
        assert_eq!(RefTime::from_ns(u64::MAX), RefTime::MAX);
        assert_eq!(NsTime::from_ns(KTIME_MAX + 1), NsTime::MAX);
        assert_eq!(
            RefTime::from_ns(KTIME_MAX - 1).saturating_add(1),
            RefTime::MAX
        );
        assert_eq!(RefTime::MAX.saturating_add(u64::MAX), RefTime::MAX);
        assert_eq!(FixedNs::from_units(u128::MAX).floor(), NsTime::MAX);
    }

    #[test]
    fn distance_of_an_earlier_time_is_zero() {
        assert_eq!(RefTime::from_ns(70).since(RefTime::from_ns(30)), 40);
        assert_eq!(RefTime::from_ns(30).since(RefTime::from_ns(70)), 0);
    }

    #[test]
    fn offsets_from_the_host_are_checked() {
        assert_eq!(NsTime::ahead_of_host(10, -10), Some(NsTime::from_ns(0)));
        assert_eq!(NsTime::ahead_of_host(10, -11), None);
        assert_eq!(NsTime::ahead_of_host(KTIME_MAX - 5, 5), Some(NsTime::MAX));
        assert_eq!(NsTime::ahead_of_host(KTIME_MAX - 5, 6), None);
        assert_eq!(NsTime::ahead_of_host(u64::MAX, i64::MAX), None);
        assert_eq!(NsTime::from_ns(0).offset_from_host(KTIME_MAX), -i64::MAX);
        assert_eq!(NsTime::from_ns(12).offset_from_host(5), 7);
    }

    #[test]
    fn fixed_point_splits_into_ns_and_fraction() {
        let time = FixedNs::from_units((300 << 56) + 5);
        assert_eq!(time.floor(), NsTime::from_ns(300));
        assert_eq!(time.frac(), 5);
        assert_eq!(time.words(), ((44 << 56) + 5, 1));
        assert_eq!(FixedNs::from(NsTime::MAX).floor(), NsTime::MAX);
    }
}
