// SPDX-License-Identifier: GPL-2.0

//! How many changes may leave timers' keys too early.
//!
//! When a clock is slowed down or set back, its timers are due later than their keys say. Nothing
//! needs to be done about that: each of its queues, one per CPU and clock id, costs one interrupt in
//! vain at most. That is what makes such a change cheap, and what somebody who can make changes at
//! will must not get for nothing. Beyond a budget for all namespaces together, a change re-keys
//! and so causes no interrupt.

use crate::arith::time::RefTime;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// One such change in this time, ns, on average. With at most eight queues per clock and CPU, that
/// is at most 1000 interrupts in vain a second and CPU.
const INTERVAL: u64 = 8_000_000;

/// How far ahead of the average they may be, ns.
const BURST: u64 = 16 * INTERVAL;

/// The reference at which the changes so far will have been paid for.
static PAID_AT: Atomic<u64> = Atomic::new(0);

/// Whether a change at `now` may leave keys too early. If so, that has been paid for.
///
/// Any context.
pub(crate) fn may_be_lazy(now: RefTime) -> bool {
    let now = now.as_ns();
    let mut paid_at = PAID_AT.load(Relaxed);
    loop {
        let next = paid_at.max(now).saturating_add(INTERVAL);
        if next.saturating_sub(now) > BURST {
            return false;
        }
        match PAID_AT.cmpxchg(paid_at, next, Relaxed) {
            Ok(_) => return true,
            Err(other) => paid_at = other,
        }
    }
}
