// SPDX-License-Identifier: GPL-2.0

//! Counts of all clocks together, for debugfs.

use crate::timers::Stats;
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// A number that only goes up, or counts what is there.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// One more. Any context.
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less. Any context.
    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl core::fmt::Debug for Counter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0.load(Relaxed))
    }
}

/// Clocks that there are.
pub(crate) static CLOCKS: Counter = Counter::new();
/// Clocks that there have been.
pub(crate) static CREATED: Counter = Counter::new();
/// Steps of REALTIME.
pub(crate) static STEPS: Counter = Counter::new();
/// Changes of a rate.
pub(crate) static RATE_CHANGES: Counter = Counter::new();

/// One of the sums over all timers.
struct Sum(fn(&Stats) -> u64);

impl core::fmt::Debug for Sum {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", (self.0)(&Stats::of_all()))
    }
}

static EARLY: Sum = Sum(|stats| stats.early);
static REARMS: Sum = Sum(|stats| stats.rearms);
static REKEYS: Sum = Sum(|stats| stats.rekeys);
static IPIS: Sum = Sum(|stats| stats.ipis);
static LONGEST: Sum = Sum(|stats| stats.longest);

/// The counters as files in debugfs.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    clocks: File<&'static Counter>,
    #[pin]
    created: File<&'static Counter>,
    #[pin]
    steps: File<&'static Counter>,
    #[pin]
    rate_changes: File<&'static Counter>,
    #[pin]
    early: File<&'static Sum>,
    #[pin]
    rearms: File<&'static Sum>,
    #[pin]
    rekeys: File<&'static Sum>,
    #[pin]
    ipis: File<&'static Sum>,
    #[pin]
    longest_hook_ns: File<&'static Sum>,
}

impl Files {
    /// Files in `dir`, there for as long as the result.
    pub(crate) fn new(dir: &Dir) -> impl PinInit<Self, Error> + '_ {
        try_pin_init!(Self {
            clocks <- dir.read_only_file(c"clocks", &CLOCKS),
            created <- dir.read_only_file(c"created", &CREATED),
            steps <- dir.read_only_file(c"steps", &STEPS),
            rate_changes <- dir.read_only_file(c"rate_changes", &RATE_CHANGES),
            early <- dir.read_only_file(c"early", &EARLY),
            rearms <- dir.read_only_file(c"rearms", &REARMS),
            rekeys <- dir.read_only_file(c"rekeys", &REKEYS),
            ipis <- dir.read_only_file(c"ipis", &IPIS),
            longest_hook_ns <- dir.read_only_file(c"longest_hook_ns", &LONGEST),
        })
    }
}
