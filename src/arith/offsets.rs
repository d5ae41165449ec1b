// SPDX-License-Identifier: GPL-2.0

//! What separates the clocks of a namespace that run at the same rate.

use super::{
    error::Error,
    time::{
        NsTime,
        KTIME_MAX, //
    }, //
};

const NSEC_PER_SEC: i64 = 1_000_000_000;

/// The largest TAI - UTC that can be set is 100000, as in `adjtimex()`. Leap seconds may lead
/// beyond it, and below 0. This is more than those of all days that there are.
const TAI_SECONDS_MAX: i32 = 1_000_000;

/// The last time a clock can be set to: 30 years before the end, as the kernel's
/// `TIME_SETTOD_SEC_MAX`, so that it does not reach the end soon after.
const SETTABLE_MAX: u64 = KTIME_MAX - 30 * 365 * 86_400 * NSEC_PER_SEC.unsigned_abs();

/// How far the clocks that can be set are ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// REALTIME less MONOTONIC and sleep, in ns.
    pub realtime: i64,
    /// TAI less REALTIME, in seconds.
    pub tai_seconds: i32,
}

impl Ahead {
    /// Such that REALTIME reads `realtime` when MONOTONIC reads `mono` and the host has slept
    /// for `sleep` ns. Fails if a clock cannot be set that late.
    pub fn reading(
        realtime: NsTime,
        mono: NsTime,
        sleep: u64,
        tai_seconds: i32,
    ) -> Result<Self, Error> {
        Ok(Self {
            realtime: distance(mono, sleep, realtime)?,
            tai_seconds,
        })
    }
}

/// What BOOTTIME, REALTIME and TAI are ahead of MONOTONIC plus the host's sleep time.
///
/// The host's sleep time, its `CLOCK_BOOTTIME` less its `CLOCK_MONOTONIC`, is added when
/// a clock is read: resuming the host need not touch any namespace.
///
/// # Invariants
///
/// No offset is larger than `SETTABLE_MAX` by more than `TAI_SECONDS_MAX`, and none makes a clock
/// negative from the MONOTONIC and sleep times on that it was made for. So with sleep times of less
/// than 29 years no sum leaves 64 unsigned bits, which is what the vDSO adds with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    boottime: i64,
    realtime: i64,
    tai: i64,
}

impl Offsets {
    /// The offsets for which BOOTTIME and REALTIME read `boottime` and `realtime` when
    /// MONOTONIC reads `mono` and the host has slept for `sleep` ns.
    pub fn new(
        mono: NsTime,
        sleep: u64,
        boottime: NsTime,
        realtime: NsTime,
        tai_seconds: i32,
    ) -> Result<Self, Error> {
        let ahead = Ahead::reading(realtime, mono, sleep, tai_seconds)?;
        // INVARIANT: No distance is larger than the time it leads to. `with` sees to the others.
        Ok(Self {
            boottime: distance(mono, sleep, boottime)?,
            realtime: 0,
            tai: 0,
        }
        .with(mono, sleep, &ahead))
    }

    /// The offsets that were published as these numbers.
    #[inline]
    pub fn from_published(boottime: i64, realtime: i64, tai: i64) -> Self {
        // INVARIANT: The numbers are those of valid offsets.
        Self {
            boottime,
            realtime,
            tai,
        }
    }

    /// The same with REALTIME and TAI stepped, when MONOTONIC reads `mono` and the host has
    /// slept for `sleep` ns: neither of them is negative from then on.
    pub fn with(&self, mono: NsTime, sleep: u64, ahead: &Ahead) -> Self {
        let least = mono
            .as_signed()
            .saturating_neg()
            .saturating_sub_unsigned(sleep);
        let tai_seconds = ahead
            .tai_seconds
            .clamp(TAI_SECONDS_MAX.saturating_neg(), TAI_SECONDS_MAX);
        let realtime = ahead.realtime.max(least);
        // INVARIANT: By `max`, and because a clock is only ever set to what `distance` allows.
        Self {
            boottime: self.boottime,
            realtime,
            tai: realtime
                .saturating_add(i64::from(tai_seconds).saturating_mul(NSEC_PER_SEC))
                .max(least),
        }
    }

    /// BOOTTIME less MONOTONIC and sleep, in ns.
    #[inline]
    pub fn boottime(&self) -> i64 {
        self.boottime
    }

    /// REALTIME less MONOTONIC and sleep, in ns.
    #[inline]
    pub fn realtime(&self) -> i64 {
        self.realtime
    }

    /// TAI less MONOTONIC and sleep, in ns.
    #[inline]
    pub fn tai(&self) -> i64 {
        self.tai
    }

    /// TAI - UTC in seconds.
    #[inline]
    pub fn tai_seconds(&self) -> i64 {
        // `with` added it.
        self.tai.wrapping_sub(self.realtime) / NSEC_PER_SEC
    }
}

/// How much `time` is after `mono` plus `sleep`, if a clock can be set to `time`.
fn distance(mono: NsTime, sleep: u64, time: NsTime) -> Result<i64, Error> {
    if time.as_ns() > SETTABLE_MAX {
        return Err(Error::OutOfRange);
    }
    time.as_signed()
        .checked_sub(mono.as_signed())
        .and_then(|ns| ns.checked_sub_unsigned(sleep))
        .ok_or(Error::OutOfRange)
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_offsets))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    fn ns(ns: u64) -> NsTime {
        NsTime::from_ns(ns)
    }

    fn tai(offsets: Offsets) -> (i64, i64) {
        (offsets.tai(), offsets.tai_seconds())
    }

    #[test]
    fn offsets_lead_to_the_readings() {
        let offsets = Offsets::new(ns(1_000), 20, ns(5_000), ns(300), 37);
        assert_eq!(offsets.map(|o| o.boottime()), Ok(3_980));
        assert_eq!(offsets.map(|o| o.realtime()), Ok(-720));
        assert_eq!(offsets.map(tai), Ok((36_999_999_280, 37)));
    }

    #[test]
    fn tai_steps_with_realtime() {
        let ahead = Ahead::reading(ns(50), ns(100), 7, 37);
        assert_eq!(
            ahead,
            Ok(Ahead {
                realtime: -57,
                tai_seconds: 37
            })
        );
        let offsets = Offsets::new(ns(0), 0, ns(0), ns(0), 0)
            .and_then(|offsets| Ok(offsets.with(ns(100), 7, &ahead?)));
        assert_eq!(offsets.map(|o| o.realtime()), Ok(-57));
        assert_eq!(offsets.map(tai), Ok((36_999_999_943, 37)));
        assert_eq!(offsets.map(|o| o.boottime()), Ok(0));
    }

    #[test]
    fn no_clock_is_negative() {
        let set = |mono, sleep, realtime, tai_seconds| {
            let ahead = Ahead {
                realtime,
                tai_seconds,
            };
            Offsets::new(ns(0), 0, ns(0), ns(0), 0)
                .map(|offsets| offsets.with(ns(mono), sleep, &ahead))
                .map(|offsets| (offsets.realtime(), offsets.tai()))
        };
        // TAI is a second behind, when REALTIME reads 0.5 s.
        assert_eq!(set(100, 20, 499_999_880, -1), Ok((499_999_880, -120)));
        assert_eq!(set(100, 20, -121, 0), Ok((-120, -120)));
        assert_eq!(
            set(0, 0, 2_000_000_000, -1),
            Ok((2_000_000_000, 1_000_000_000))
        );
    }

    #[test]
    fn too_far_is_refused() {
        let zero = ns(0);
        let last = ns(SETTABLE_MAX);
        let past = ns(SETTABLE_MAX + 1);
        assert!(Offsets::new(zero, 0, last, last, 100_000).is_ok());
        assert!(Offsets::new(zero, 0, past, zero, 0).is_err());
        assert!(Offsets::new(zero, 0, zero, past, 0).is_err());
        assert!(Offsets::new(NsTime::MAX, 1, zero, zero, 0).is_ok());
        assert!(Offsets::new(NsTime::MAX, 2, zero, zero, 0).is_err());
    }
}
