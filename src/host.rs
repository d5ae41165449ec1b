// SPDX-License-Identifier: GPL-2.0

//! The host's clocks.

use crate::arith::time::RefTime;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    time::NSEC_PER_SEC, //
};

/// The host's `CLOCK_MONOTONIC`: the reference of all namespace clocks.
///
/// Any context but NMI.
#[inline]
pub(crate) fn reference() -> RefTime {
    // SAFETY: May be called in any context but NMI.
    let ns = unsafe { bindings::ktime_get() };

    // CAST: The clock is never negative.
    RefTime::from_ns(ns as u64)
}

/// How long the host has been asleep: `CLOCK_BOOTTIME` less `CLOCK_MONOTONIC`, ns.
///
/// Any context.
pub(crate) fn sleep() -> u64 {
    offset(bindings::tk_offsets_TK_OFFS_BOOT)
}

/// Whether the current task may set the clocks of its time namespace.
///
/// Process context.
pub(crate) fn may_set_clocks() -> bool {
    // SAFETY: The current task has namespaces while it is in a system call.
    unsafe { bindings::timens_clock_capable() }
}

/// Sleeps until about `reference`. `EINTR` if the task is being killed.
///
/// Process context.
pub(crate) fn sleep_until(reference: RefTime) -> Result {
    // CAST: A reference time is at most `KTIME_MAX`.
    // SAFETY: Only sleeps.
    to_result(unsafe { bindings::timens_clock_sleep_until(reference.as_ns() as i64) })
}

/// All clocks of the host at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Host {
    /// `CLOCK_MONOTONIC`.
    pub(crate) reference: RefTime,
    /// What [`sleep()`] returned.
    pub(crate) sleep: u64,
    /// `CLOCK_REALTIME`, ns.
    pub(crate) realtime: u64,
    /// `CLOCK_MONOTONIC_RAW`, ns. Sampled next to the others, not together with them.
    pub(crate) raw: u64,
    /// `CLOCK_TAI` less `CLOCK_REALTIME`, seconds.
    pub(crate) tai_seconds: i32,
}

impl Host {
    /// The clocks at `reference`, which is now or a moment ahead.
    ///
    /// Any context but NMI.
    pub(crate) fn at(reference: RefTime) -> Self {
        let raw = {
            // SAFETY: May be called in any context but NMI.
            let ns = unsafe { bindings::ktime_get_raw() };
            // CAST: The clock is never negative.
            ns as u64
        };
        // Both of one setting of the host's clock.
        let offsets = || {
            (
                offset(bindings::tk_offsets_TK_OFFS_REAL),
                offset(bindings::tk_offsets_TK_OFFS_TAI),
            )
        };
        let (mut realtime, mut tai) = offsets();
        while offsets() != (realtime, tai) {
            (realtime, tai) = offsets();
        }
        let ahead = tai.saturating_sub(realtime) / NSEC_PER_SEC.unsigned_abs();

        Self {
            reference,
            sleep: sleep(),
            realtime: reference.as_ns().saturating_add(realtime),
            raw,
            // A host whose TAI is behind has no such offset.
            tai_seconds: i32::try_from(ahead).unwrap_or(0),
        }
    }

    /// The clocks now. Any context but NMI.
    pub(crate) fn now() -> Self {
        Self::at(reference())
    }

    /// `CLOCK_BOOTTIME`, ns.
    pub(crate) fn boottime(&self) -> u64 {
        self.reference.as_ns().saturating_add(self.sleep)
    }
}

/// How far a clock is ahead of `CLOCK_MONOTONIC`, ns; 0 if it is behind.
fn offset(clock: bindings::tk_offsets) -> u64 {
    // SAFETY: May be called in any context; `clock` is one of the offsets.
    let ns = unsafe { bindings::ktime_mono_to_any(0, clock) };

    u64::try_from(ns).unwrap_or(0)
}
