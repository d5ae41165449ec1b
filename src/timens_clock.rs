// SPDX-License-Identifier: GPL-2.0

//! Clocks of their own for time namespaces.
//!
//! A time namespace that has a clock of its own, an **own-clock namespace**, has its own
//! `CLOCK_REALTIME` and its own second, both of which may change while it is in use. All
//! other namespaces, and the host, are as they are without this module.
//!
//! # Model
//!
//! Every clock of a namespace is a function of one **reference**, the host's
//! `CLOCK_MONOTONIC`: linear, with a **rate**, from an **anchor** on. A rate and its anchor
//! are a **segment**. [`arith`] has the arithmetic.
//!
//! # Invariants
//!
//! - MONOTONIC, BOOTTIME and MONOTONIC_RAW never go back, and never step.
//! - Equal references give equal times, to every reader, before, during and after a change.
//! - A namespace is touched when it is changed, and at no other time: nothing is
//!   updated when the host's clocksource wraps, its clock is stepped, or it resumes.
//!
//! # Layers
//!
//! ```text
//!  kernel proper    namespace_clock.c, hrtimer, vDSO, posix-timers, procfs
//!  ---------------------------------------------------------------
//!  boundary         ops    published   timers   host      raw_lock     (unsafe)
//!  namespaces       clock  plan  report  limits  slowdowns  counters
//!  no kernel        request     arith     timex
//! ```
//!
//! What runs under a raw lock or in an interrupt is arithmetic: it does not sleep, allocate or
//! panic.

pub mod arith;
mod clock;
mod counters;
mod host;
mod limits;
mod ops;
mod plan;
mod published;
mod raw_lock;
mod report;
pub mod request;
mod slowdowns;
mod timers;
mod timex;

use kernel::{
    bindings,
    debugfs::Dir,
    prelude::*, //
};

module! {
    type: TimensClock,
    name: "timens_clock",
    authors: ["The timens_clock authors"],
    description: "Clocks of their own for time namespaces",
    license: "GPL",
}

/// The discipline of a namespace's clock. Its ticks are as long as the host's.
// CAST: It is a small number.
type Ntp = arith::ntp::ideal::Ntp<{ bindings::CONFIG_HZ as i64 }>;

/// A namespace's clocks with what steers them.
type Steered = arith::steered::Steered<{ bindings::CONFIG_HZ as i64 }>;

/// The module: a registration, and what shows its state.
struct TimensClock {
    _registration: ops::Registration,
    _counters: Pin<KBox<counters::Files>>,
}

impl kernel::Module for TimensClock {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = Dir::new(c"timens_clock");
        let counters = KBox::pin_init(counters::Files::new(&dir), GFP_KERNEL)?;

        Ok(Self {
            _registration: ops::Registration::new::<LocalModule>()?,
            _counters: counters,
        })
    }
}
