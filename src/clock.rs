// SPDX-License-Identifier: GPL-2.0

//! The clock of one namespace, from its first line to its last reader.
//!
//! ```text
//!            configure()            change()
//!             +-----+               +-----+
//!             |     v               |     v
//!  new() --> [ pending ] --start--> [ running ] --> drop
//!                ^      first entry     |
//!                +----- cloned() <------+
//! ```
//!
//! While a clock is **pending** nobody can read it. It has a timeline that it continues, the host's
//! or that of the namespace it was cloned from, and a request that overrides parts of it as
//! of the first entry. From then on it is **running**: its timeline is published, and only
//! its rate and REALTIME change.

use crate::{
    arith::{
        rate::Rate,
        segment::Clock,
        time::{
            FixedNs,
            NsTime,
            RefTime, //
        },
        timeline::{
            Change,
            Start,
            Timeline, //
        }, //
    },
    counters,
    host::{
        self,
        Host, //
    },
    published::Published,
    raw_lock::RawSpinLock,
    request::Request,
    timers::Timers, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    static_lock_class,
    time::NSEC_PER_SEC, //
};

/// Time between changes of one clock, ns.
///
/// Readers know two segments. One that sampled its reference longer ago than that reads
/// the start of the older one.
const CHANGE_INTERVAL: u64 = 1_000_000;

/// The clock of a namespace.
#[pin_data(PinnedDrop)]
pub(crate) struct NamespaceClock {
    published: Published,
    timers: Timers,
    #[pin]
    state: RawSpinLock<State>,
}

/// What the lock protects.
#[derive(Clone, Copy)]
enum State {
    Pending(Plan),
    Running(Running),
}

/// What a clock will be when its namespace is entered.
#[derive(Clone, Copy)]
struct Plan {
    /// What it continues.
    timeline: Timeline,
    /// What overrides that, as of the first entry.
    overrides: Request,
}

/// A clock that is read.
#[derive(Clone, Copy)]
struct Running {
    timeline: Timeline,
    steps: u64,
    rate_changes: u64,
}

impl NamespaceClock {
    /// The pending clock of a namespace that so far follows the host.
    ///
    /// Fails with `ERANGE` if the host's clocks are near their end.
    pub(crate) fn new(published: Published, timers: Timers) -> impl PinInit<Self, Error> {
        let plan = Plan::follow(&Host::now());
        Self::with_plan(published, timers, plan)
    }

    /// The pending clock of a namespace that is cloned from the one of `parent`: it reads
    /// as that does now.
    pub(crate) fn cloned(
        published: Published,
        timers: Timers,
        parent: &Self,
    ) -> impl PinInit<Self, Error> {
        let plan = match *parent.state.lock() {
            State::Pending(plan) => plan,
            State::Running(Running { timeline, .. }) => Plan {
                timeline,
                overrides: Request::default(),
            },
        };
        Self::with_plan(published, timers, Ok(plan))
    }

    fn with_plan(
        published: Published,
        timers: Timers,
        plan: Result<Plan>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            published,
            timers,
            state <- RawSpinLock::new(
                State::Pending(plan?),
                c"timens_clock",
                static_lock_class!(),
            ),
            _: {
                counters::CLOCKS.increment();
                counters::CREATED.increment();
            },
        }? Error)
    }

    /// Adds to what overrides a pending clock.
    ///
    /// Any context but NMI.
    pub(crate) fn configure(&self, request: &Request) {
        if let State::Pending(plan) = &mut *self.state.lock() {
            plan.add(request);
        }
    }

    /// Starts a pending clock: its namespace is about to be entered for the first time.
    ///
    /// Any context but NMI.
    pub(crate) fn start(&self) {
        let mut state = self.state.lock();
        let State::Pending(plan) = *state else {
            return;
        };
        // Nobody reads the clock yet, so that it need not start ahead of the reference. The plan's
        // own timeline stands in if it should have come near the end of time meanwhile.
        let timeline = self
            .published
            .publish(|_| Ok(plan.begin(&Host::now()).unwrap_or(plan.timeline)));
        *state = State::Running(Running {
            timeline: timeline.unwrap_or(plan.timeline),
            steps: 0,
            rate_changes: 0,
        });
    }

    /// Carries `request` out on a running clock. When it returns, every reader gets the new time.
    ///
    /// Fails with `EACCES` for a line that is frozen once the namespace was entered, with `ERANGE`
    /// if REALTIME cannot be set so far, and with `EINTR` if the task is being killed
    /// while it waits for its turn.
    ///
    /// Process context; sleeps.
    pub(crate) fn change(&self, request: &Request) -> Result {
        if request.monotonic.is_some() || request.boottime.is_some() {
            return Err(EACCES);
        }
        let timeline = loop {
            match self.try_change(request)? {
                Turn::Taken(timeline) => break timeline,
                Turn::Wait(turn) => host::sleep_until(turn)?,
            }
        };
        self.timers.follow(&timeline);

        let effect = timeline.current().anchor();
        // The change is made, so that a signal is no reason to say that it failed.
        while host::reference() < effect && host::sleep_until(effect).is_ok() {}
        if request.realtime.is_some() {
            self.timers.was_set();
        }
        Ok(())
    }

    fn try_change(&self, request: &Request) -> Result<Turn> {
        let mut state = self.state.lock();
        let State::Running(running) = &mut *state else {
            return Err(EACCES);
        };
        let turn = running
            .timeline
            .current()
            .anchor()
            .saturating_add(CHANGE_INTERVAL);
        if host::reference() < turn {
            return Ok(Turn::Wait(turn));
        }

        let timeline = running.timeline;
        running.timeline = self.published.publish(|at| {
            let host = Host::at(at);
            let realtime = match request.realtime {
                Some(offset) => Some(NsTime::ahead_of_host(host.realtime, offset).ok_or(ERANGE)?),
                None => None,
            };
            let change = Change {
                rate: request.rate,
                realtime,
            };
            timeline.change(at, host.sleep, &change).map_err(|_| ERANGE)
        })?;
        if request.realtime.is_some() {
            running.steps = running.steps.wrapping_add(1);
            counters::STEPS.increment();
        }
        if request.rate.is_some() {
            running.rate_changes = running.rate_changes.wrapping_add(1);
            counters::RATE_CHANGES.increment();
        }
        Ok(Turn::Taken(running.timeline))
    }

    /// The time of `clock` at the reference `at`, when the host has slept for `sleep` ns.
    ///
    /// Any context but NMI.
    #[inline(always)]
    pub(crate) fn read(&self, clock: Clock, at: RefTime, sleep: u64) -> NsTime {
        self.published.read(clock, at, sleep)
    }

    /// The first reference, not before `from`, at which `clock` reads `time`.
    ///
    /// Any context but NMI.
    #[inline(always)]
    pub(crate) fn to_ref(&self, clock: Clock, time: NsTime, sleep: u64, from: RefTime) -> RefTime {
        self.published.to_ref(clock, time, sleep, from)
    }

    /// Writes the state to `m`, one `key value...` line each.
    ///
    /// Process context.
    pub(crate) fn show(&self, m: &SeqFile) {
        let state = *self.state.lock();
        let host = Host::now();
        let (name, timeline, steps, rate_changes) = match &state {
            State::Pending(plan) => {
                let timeline = plan.begin(&host).unwrap_or(plan.timeline);
                ("pending", timeline, 0, 0)
            }
            State::Running(running) => (
                "running",
                running.timeline,
                running.steps,
                running.rate_changes,
            ),
        };
        let segment = timeline.at(host.reference);
        let offset = |clock, host_time| {
            segment
                .read(clock, host.reference, host.sleep)
                .offset_from_host(host_time)
        };
        let rate = segment.mono().rate();
        let (secs, nsecs) = rate.to_parts();

        seq_print!(m, "state {name}\n");
        show_offset(m, "realtime", offset(Clock::Realtime, host.realtime));
        show_offset(
            m,
            "monotonic",
            offset(Clock::Monotonic, host.reference.as_ns()),
        );
        show_offset(m, "boottime", offset(Clock::Boottime, host.boottime()));
        show_offset(m, "raw", offset(Clock::Raw, host.raw));
        seq_print!(m, "tai {}\n", segment.offsets().tai_seconds());
        seq_print!(m, "rate {secs} {nsecs}\n");
        seq_print!(m, "rate_fixed {}\n", rate.as_units());
        seq_print!(
            m,
            "frac {}\n",
            segment
                .mono()
                .fixed_at(host.reference.since(segment.anchor()))
                .frac()
        );
        seq_print!(m, "steps {steps}\n");
        seq_print!(m, "rate_changes {rate_changes}\n");

        let stats = self.timers.stats();
        seq_print!(m, "early {}\n", stats.early);
        seq_print!(m, "rearm {}\n", stats.rearms);
        seq_print!(m, "rekey {}\n", stats.rekeys);
    }
}

#[pinned_drop]
impl PinnedDrop for NamespaceClock {
    fn drop(self: Pin<&mut Self>) {
        counters::CLOCKS.decrement();
    }
}

/// What came of an attempt to change a clock.
enum Turn {
    /// It takes effect when this timeline's current segment does.
    Taken(Timeline),
    /// It is too early after the last change, until this reference.
    Wait(RefTime),
}

impl Plan {
    /// Continue the host's clocks.
    fn follow(host: &Host) -> Result<Self> {
        let start = Start {
            at: host.reference,
            sleep: host.sleep,
            rate: Rate::ONE,
            mono: FixedNs::from(NsTime::from_ns(host.reference.as_ns())),
            raw: FixedNs::from(NsTime::from_ns(host.raw)),
            boottime: NsTime::from_ns(host.boottime()),
            realtime: NsTime::from_ns(host.realtime),
            tai_seconds: host.tai_seconds,
        };
        Ok(Self {
            timeline: Timeline::start(&start).map_err(|_| ERANGE)?,
            // The host's REALTIME may be stepped before the first entry.
            overrides: Request {
                realtime: Some(0),
                ..Request::default()
            },
        })
    }

    fn add(&mut self, request: &Request) {
        let Request {
            monotonic,
            boottime,
            realtime,
            rate,
        } = *request;
        let overrides = &mut self.overrides;
        overrides.monotonic = monotonic.or(overrides.monotonic);
        overrides.boottime = boottime.or(overrides.boottime);
        overrides.realtime = realtime.or(overrides.realtime);
        overrides.rate = rate.or(overrides.rate);
    }

    /// The timeline of a clock that starts now. Fails if one of its clocks is too near its end.
    fn begin(&self, host: &Host) -> Result<Timeline, crate::arith::error::Error> {
        let at = host.reference;
        let rate = self
            .overrides
            .rate
            .unwrap_or(self.timeline.current().mono().rate());
        let old = self.timeline.current().continued(at, rate);
        let start = Start {
            at,
            sleep: host.sleep,
            rate,
            mono: match self.overrides.monotonic {
                Some(offset) => FixedNs::from(ahead(at.as_ns(), offset)),
                None => old.mono().anchor(),
            },
            raw: match self.overrides.monotonic {
                Some(offset) => FixedNs::from(ahead(host.raw, offset)),
                None => old.raw().anchor(),
            },
            boottime: match self.overrides.boottime {
                Some(offset) => ahead(host.boottime(), offset),
                None => old.read(Clock::Boottime, at, host.sleep),
            },
            realtime: match self.overrides.realtime {
                Some(offset) => ahead(host.realtime, offset),
                None => old.read(Clock::Realtime, at, host.sleep),
            },
            // CAST: Between 0 and 100000.
            tai_seconds: u32::try_from(old.offsets().tai_seconds()).unwrap_or(0),
        };
        Timeline::start(&start)
    }
}

/// The reading of a clock that is `offset` ns ahead of a host clock that reads `host` ns.
///
/// The offset was checked when it was written, and host clocks go on: it is out of range only if
/// the host's REALTIME was set far back since.
fn ahead(host: u64, offset: i64) -> NsTime {
    NsTime::ahead_of_host(host, offset).unwrap_or(NsTime::from_ns(0))
}

fn show_offset(m: &SeqFile, name: &str, offset: i64) {
    let secs = offset.div_euclid(NSEC_PER_SEC);
    let nsecs = offset.rem_euclid(NSEC_PER_SEC);
    seq_print!(m, "{name} {secs} {nsecs}\n");
}
