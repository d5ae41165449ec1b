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

/// The largest TAI - UTC, as in `adjtimex()`.
const TAI_SECONDS_MAX: u32 = 100_000;

/// The last time a clock can be set to: 30 years before the end, as the kernel's
/// `TIME_SETTOD_SEC_MAX`, so that it does not reach the end soon after.
const SETTABLE_MAX: u64 = KTIME_MAX - 30 * 365 * 86_400 * NSEC_PER_SEC.unsigned_abs();

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
        tai_seconds: u32,
    ) -> Result<Self, Error> {
        if tai_seconds > TAI_SECONDS_MAX {
            return Err(Error::OutOfRange);
        }
        let boottime = distance(mono, sleep, boottime)?;
        let realtime = distance(mono, sleep, realtime)?;
        let tai = i64::from(tai_seconds)
            .checked_mul(NSEC_PER_SEC)
            .and_then(|ahead| realtime.checked_add(ahead))
            .ok_or(Error::OutOfRange)?;
        // INVARIANT: No distance is larger than the time it leads to.
        Ok(Self {
            boottime,
            realtime,
            tai,
        })
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

    /// The same with REALTIME stepped: it reads `realtime` when MONOTONIC reads `mono`. TAI
    /// steps with it, as far as it is ahead.
    pub fn with_realtime(&self, mono: NsTime, sleep: u64, realtime: NsTime) -> Result<Self, Error> {
        let step = distance(mono, sleep, realtime)?;
        let tai = self
            .tai_ahead()
            .checked_add(step)
            .ok_or(Error::OutOfRange)?;
        // INVARIANT: As in `new`.
        Ok(Self {
            boottime: self.boottime,
            realtime: step,
            tai,
        })
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
        self.tai_ahead() / NSEC_PER_SEC
    }

    /// TAI - UTC in ns.
    #[inline]
    fn tai_ahead(&self) -> i64 {
        // `new` added it.
        self.tai.wrapping_sub(self.realtime)
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
        let offsets = Offsets::new(ns(0), 0, ns(0), ns(0), 37)
            .and_then(|offsets| offsets.with_realtime(ns(100), 7, ns(50)));
        assert_eq!(offsets.map(|o| o.realtime()), Ok(-57));
        assert_eq!(offsets.map(tai), Ok((36_999_999_943, 37)));
        assert_eq!(offsets.map(|o| o.boottime()), Ok(0));
    }

    #[test]
    fn too_far_is_refused() {
        let zero = ns(0);
        let last = ns(SETTABLE_MAX);
        let past = ns(SETTABLE_MAX + 1);
        assert!(Offsets::new(zero, 0, last, last, TAI_SECONDS_MAX).is_ok());
        assert!(Offsets::new(zero, 0, past, zero, 0).is_err());
        assert!(Offsets::new(zero, 0, zero, past, 0).is_err());
        assert!(Offsets::new(zero, 0, zero, zero, TAI_SECONDS_MAX + 1).is_err());
        assert!(Offsets::new(NsTime::MAX, 1, zero, zero, 0).is_ok());
        assert!(Offsets::new(NsTime::MAX, 2, zero, zero, 0).is_err());
    }
}
