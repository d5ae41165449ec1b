// SPDX-License-Identifier: GPL-2.0

//! The timers of a namespace's clock.
//!
//! They wait in queues of the kernel proper, sorted in namespace time. Per CPU and clock id, the
//! first of them has a **key**: the reference at which it will be due. When a clock changes, keys
//! may be wrong. One that is too early costs an interrupt in vain, after which it is right. One that
//! is too late would cost the timer, so the clock is **re-keyed** before anybody sees the change.

use crate::{
    arith::{
        time::RefTime,
        timeline::Effect, //
    },
    host,
    slowdowns, //
};
use core::ptr::NonNull;
use kernel::bindings;

/// Where the kernel proper finds the timers of a clock.
///
/// # Invariants
///
/// `clock` is valid for as long as this.
pub(crate) struct Timers {
    clock: NonNull<bindings::timens_clock>,
}

// SAFETY: The functions that get the pointer may be called by any task, several at a time.
unsafe impl Send for Timers {}
// SAFETY: As above.
unsafe impl Sync for Timers {}

impl Timers {
    /// The timers of `clock`.
    ///
    /// # Safety
    ///
    /// `clock` must be valid for as long as the result.
    pub(crate) unsafe fn new(clock: NonNull<bindings::timens_clock>) -> Self {
        // INVARIANT: By the safety requirements.
        Self { clock }
    }

    /// To be called once a change of that `effect` is published, and before its author waits
    /// for it to take effect.
    ///
    /// Process context; sleeps.
    pub(crate) fn follow(&self, effect: &Effect) {
        let at = effect.at.as_ns();
        if effect.step != 0 {
            // SAFETY: By the type invariants.
            unsafe { bindings::timens_clock_trace_step(self.clock.as_ptr(), at, effect.step) };
        }
        if let Some(rate) = effect.rate {
            // SAFETY: By the type invariants.
            unsafe { bindings::timens_clock_trace_rate(self.clock.as_ptr(), at, rate.as_units()) };
        }

        // Later is only a question of how many interrupts come in vain.
        if effect.earlier || !slowdowns::may_be_lazy(host::reference()) {
            // SAFETY: By the type invariants.
            unsafe { bindings::timens_clock_rekey(self.clock.as_ptr()) };
        }
    }

    /// To be called when REALTIME was set, once that has taken effect.
    ///
    /// Process context; sleeps.
    pub(crate) fn was_set(&self) {
        #[cfg(CONFIG_TIMERFD)]
        // SAFETY: By the type invariants.
        unsafe {
            bindings::timens_clock_was_set(self.clock.as_ptr());
        }
    }

    /// Has the clock looked after at the reference `at`. Takes the place of the last such call.
    ///
    /// Any context but NMI.
    pub(crate) fn look_after_at(&self, at: RefTime) {
        // CAST: A reference time is at most `KTIME_MAX`.
        // SAFETY: By the type invariants.
        unsafe { bindings::timens_clock_steer_at(self.clock.as_ptr(), at.as_ns() as i64) }
    }

    /// How often timers had to be looked at again. Process context.
    pub(crate) fn stats(&self) -> Stats {
        // SAFETY: By the type invariants the pointer is valid.
        unsafe { Stats::of(self.clock.as_ptr()) }
    }
}

/// How often timers had to be looked at again.
pub(crate) struct Stats {
    /// Queues that were due by their key, but not by their clock.
    pub(crate) early: u64,
    /// Those that got a later key therefore.
    pub(crate) rearms: u64,
    /// Those that got another key because their clock changed.
    pub(crate) rekeys: u64,
    /// Interrupts of other CPUs therefore.
    pub(crate) ipis: u64,
    /// The longest time under a CPU's lock because of a change, ns.
    pub(crate) longest: u64,
}

impl Stats {
    /// The sums over all clocks that there have been. Process context.
    pub(crate) fn of_all() -> Self {
        // SAFETY: A null pointer stands for all clocks.
        unsafe { Self::of(core::ptr::null()) }
    }

    /// # Safety
    ///
    /// `clock` must be valid or null.
    unsafe fn of(clock: *const bindings::timens_clock) -> Self {
        let mut stats = bindings::timens_timer_stats::default();
        // SAFETY: `stats` is valid, `clock` by the safety requirements.
        unsafe { bindings::timens_timer_stats(clock, &mut stats) };

        Self {
            early: stats.early,
            rearms: stats.rearms,
            rekeys: stats.rekeys,
            ipis: stats.ipis,
            longest: stats.longest,
        }
    }
}
