// SPDX-License-Identifier: GPL-2.0

//! The clock of one namespace, from its first line to its last reader.
//!
//! ```text
//!            configure()            change() settime() adjtimex() look_after()
//!             +-----+               +-----+
//!             |     v               |     v
//!  new() --> [ pending ] --start--> [ running ] --> drop
//!                ^      first entry     |
//!                +----- cloned() <------+
//! ```
//!
//! While a clock is **pending** nobody can read it. It has a plan of what it will be as of the
//! first entry. From then on it is **running**: its timeline is published, and only
//! its rate, its discipline and REALTIME change.
//!
//! # Changes
//!
//! There is one writer at a time, under the lock. Whoever asks for a change waits for its turn, if
//! the last one was a moment ago, and until the change has taken effect: he reads his own writes. As
//! that lock is one to spin for with interrupts off, those who ask for changes try one after the
//! other: of any number of them one at most spins. A course that the discipline has plotted is
//! published ahead by a worker, which no reader notices.

use crate::{
    arith::{
        ntp::{
            ideal::Moment,
            timex::{
                validate,
                Refusal,
                TimeState,
                Timex, //
            }, //
        },
        segment::Clock,
        time::{
            NsTime,
            RefTime, //
        },
        timeline::Effect, //
    },
    counters,
    host::{
        self,
        Host, //
    },
    plan::Plan,
    published::{
        Published,
        LEAD, //
    },
    raw_lock::RawSpinLock,
    report,
    request::Request,
    timers::Timers,
    Steered, //
};
use kernel::{
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    static_lock_class,
    sync::Mutex, //
};

/// The clock of a namespace.
#[pin_data(PinnedDrop)]
pub(crate) struct NamespaceClock {
    published: Published,
    timers: Timers,
    /// Taken before the lock, to try a change.
    #[pin]
    tries: Mutex<()>,
    #[pin]
    state: RawSpinLock<State>,
}

/// What the lock protects.
#[derive(Clone, Copy)]
enum State {
    Pending(Plan),
    Running(Running),
}

/// A clock that is read.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) clocks: Steered,
    pub(crate) steps: u64,
    pub(crate) rate_changes: u64,
}

impl Running {
    /// Changes the clocks as of `at`, when the host has slept for `sleep` ns. [`None`] if there was
    /// much to catch up with: then only that is done. If it fails, all is as `before`.
    fn change_at<T>(
        &mut self,
        kind: Kind,
        at: RefTime,
        sleep: u64,
        change: impl Fn(&mut Self, RefTime, &Moment) -> Result<T>,
        before: &Self,
    ) -> Result<Option<T>> {
        let now = self.clocks.moment(at, sleep);
        let forget = kind == Kind::Step && self.clocks.may_forget(&now);
        if !forget && !self.clocks.advance(&now) {
            return Ok(None);
        }
        match change(self, at, &now) {
            Ok(value) => {
                self.clocks.steer(at, &now);
                Ok(Some(value))
            }
            Err(error) => {
                *self = *before;
                Err(error)
            }
        }
    }
}

/// What came of an attempt to change a clock.
enum Turn<T> {
    /// It is done, and the rest is to be done without the lock.
    Taken(T, Followup),
    /// It is too early after the last change, until this reference.
    Wait(RefTime),
    /// There was much to catch up with. Interrupts were off long enough.
    Again,
}

/// What is to be done after a change, without the lock.
struct Followup {
    /// What the change does, if anything had to be published.
    effect: Option<Effect>,
    /// Until when readers get by with what was before, if they do.
    wait: Option<RefTime>,
    /// Whether REALTIME was stepped.
    set: bool,
}

/// What came of the course after the present one.
enum Course {
    /// It is published, and this is what it does.
    Published(Effect),
    /// It is too early for it, or there is none.
    Early,
    /// It is too late for it: the present one has ended, or is about to.
    Late,
}

/// What a change may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Most likely it steps REALTIME, and nothing else.
    Step,
    /// Often it makes no difference to readers.
    Adjustment,
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
            State::Running(running) => Plan::continue_from(&running.clocks),
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
            tries <- new_mutex!((), "timens_clock_tries"),
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

    /// Lets a pending clock catch up with what it continues, so that little of that is left for
    /// [`Self::start`], for which others wait.
    ///
    /// Process context.
    pub(crate) fn catch_up(&self) {
        while !self.try_catch_up() {}
    }

    fn try_catch_up(&self) -> bool {
        match &mut *self.state.lock() {
            State::Pending(plan) => plan.advance(&Host::now()),
            State::Running(_) => true,
        }
    }

    /// Starts a pending clock: its namespace is about to be entered for the first time.
    ///
    /// Process context.
    pub(crate) fn start(&self) {
        while !self.try_start() {}
        self.keep_looked_after();
    }

    fn try_start(&self) -> bool {
        let mut state = self.state.lock();
        let State::Pending(plan) = &mut *state else {
            return true;
        };
        if !plan.advance(&Host::now()) {
            return false;
        }
        let mut plan = *plan;
        // Nobody reads the clock yet, so that it need not start ahead of the reference.
        let _ = self.published.publish::<Error>(|now| {
            let host = Host::at(now);
            plan.advance(&host);
            *state = State::Running(Running {
                clocks: plan.begin_anyhow(&host),
                steps: 0,
                rate_changes: 0,
            });
            match &*state {
                State::Running(running) => Ok(running.clocks.timeline()),
                State::Pending(_) => Err(EINVAL),
            }
        });
        true
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
        self.carry_out(Kind::Adjustment, |running, at, now| {
            if let Some(offset) = request.realtime {
                let realtime =
                    NsTime::ahead_of_host(Host::at(at).realtime, offset).ok_or(ERANGE)?;
                running
                    .clocks
                    .put_realtime(now, realtime)
                    .map_err(|_| ERANGE)?;
                running.steps = running.steps.wrapping_add(1);
            }
            if let Some(rate) = request.rate {
                running.clocks.set_base(rate);
                running.rate_changes = running.rate_changes.wrapping_add(1);
            }
            Ok(())
        })?;
        if request.realtime.is_some() {
            counters::STEPS.increment();
        }
        if request.rate.is_some() {
            counters::RATE_CHANGES.increment();
        }
        Ok(())
    }

    /// Sets REALTIME of a running clock, as `clock_settime()`. The caller may.
    ///
    /// Fails with `EINVAL` if the time is no time, or before MONOTONIC, or too late, and with
    /// `EINTR` if the task is being killed while it waits for its turn.
    ///
    /// Process context; sleeps.
    pub(crate) fn settime(&self, sec: i64, nsec: i64) -> Result {
        self.carry_out(Kind::Step, |running, _, now| {
            running
                .clocks
                .set_realtime(now, (sec, nsec))
                .map_err(errno)?;
            running.steps = running.steps.wrapping_add(1);
            Ok(())
        })?;
        counters::STEPS.increment();
        Ok(())
    }

    /// `adjtimex()` on a running clock. If it fails, `txc` is as it was.
    ///
    /// Fails with `EPERM` and `EINVAL` as the host's does, and with `EINTR` if the task is being
    /// killed while it waits for its turn.
    ///
    /// Process context; sleeps, unless it only reads.
    pub(crate) fn adjtimex(&self, txc: &mut Timex) -> Result<TimeState> {
        validate(txc, host::may_set_clocks).map_err(errno)?;
        if txc.only_reads() {
            loop {
                if let Some(state) = self.try_read_timex(txc)? {
                    return Ok(state);
                }
            }
        }

        let asked = *txc;
        let (state, answer) = self.carry_out(Kind::Adjustment, |running, _, now| {
            let mut txc = asked;
            let state = running.clocks.adjtimex(now, &mut txc).map_err(errno)?;
            if asked.steps() {
                running.steps = running.steps.wrapping_add(1);
            }
            Ok((state, txc))
        })?;
        if asked.steps() {
            counters::STEPS.increment();
        }
        *txc = answer;
        Ok(state)
    }

    fn try_read_timex(&self, txc: &mut Timex) -> Result<Option<TimeState>> {
        let mut state = self.state.lock();
        let State::Running(Running { clocks, .. }) = &mut *state else {
            return Err(EACCES);
        };
        let now = clocks.moment(host::reference(), host::sleep());
        if !clocks.advance(&now) {
            return Ok(None);
        }
        clocks.adjtimex(&now, txc).map(Some).map_err(errno)
    }

    /// Publishes the course after the present one, and tells of leap seconds. Says whether that is
    /// done, or so much had to be caught up with that this was all for now: clocks take turns.
    ///
    /// Process context.
    pub(crate) fn look_after(&self) -> bool {
        let done = self.try_look_after();
        if done {
            self.keep_looked_after();
        }
        done
    }

    fn try_look_after(&self) -> bool {
        let (at, sleep) = (host::reference(), host::sleep());
        let (leapt, course) = {
            let mut state = self.state.lock();
            let State::Running(Running { clocks, .. }) = &mut *state else {
                return true;
            };
            if !clocks.advance(&clocks.moment(at, sleep)) {
                return false;
            }
            (clocks.take_leap(at), self.next_course(clocks, at, sleep))
        };
        if leapt {
            self.timers.was_set();
        }
        match course {
            Course::Published(effect) => self.timers.follow(&effect),
            Course::Late => {
                // The clock is led back to where it should be.
                let _ = self.carry_out(Kind::Adjustment, |_, _, _| Ok(()));
            }
            Course::Early => {}
        }
        true
    }

    /// Publishes the course of `clocks` after the present one, when it is time to at `at`.
    fn next_course(&self, clocks: &mut Steered, at: RefTime, sleep: u64) -> Course {
        let Some(end) = clocks.next_course(at) else {
            return Course::Early;
        };
        // Before readers have to wait.
        let next = clocks.plot(end, sleep);
        let mut course = Course::Late;
        let published = &mut course;
        let _ = self.published.publish(move |now| {
            if now.saturating_add(LEAD) >= end {
                return Err(());
            }
            *published = Course::Published(clocks.schedule(&next));
            Ok(clocks.timeline())
        });
        course
    }

    /// Carries a change out when it is its turn. When it returns, every reader gets the new time.
    ///
    /// `change` gets the clocks, the reference as of which they change, and what they read then. It
    /// is called under the lock, and more than once.
    ///
    /// Process context; sleeps.
    fn carry_out<T>(
        &self,
        kind: Kind,
        change: impl Fn(&mut Running, RefTime, &Moment) -> Result<T>,
    ) -> Result<T> {
        let mut has_waited = false;
        let (value, followup) = loop {
            match self.try_carry_out(kind, has_waited, &change)? {
                Turn::Taken(value, followup) => break (value, followup),
                Turn::Wait(turn) => {
                    host::sleep_until(turn)?;
                    has_waited = true;
                }
                Turn::Again => {}
            }
        };
        self.keep_looked_after();
        if let Some(effect) = &followup.effect {
            self.timers.follow(effect);
        }
        if let Some(effect_at) = followup.wait {
            // No longer than `LEAD`.
            while host::reference() < effect_at {
                core::hint::spin_loop();
            }
        }
        if followup.set {
            self.timers.was_set();
        }
        Ok(value)
    }

    fn try_carry_out<T>(
        &self,
        kind: Kind,
        has_waited: bool,
        change: impl Fn(&mut Running, RefTime, &Moment) -> Result<T>,
    ) -> Result<Turn<T>> {
        let _one = self.tries.lock();
        let mut state = self.state.lock();
        let State::Running(running) = &mut *state else {
            return Err(EACCES);
        };
        if has_waited {
            // Of all who have waited for a turn, one gets it. The others need not try.
            let now = host::reference();
            let turn = running.clocks.turn(now);
            if now < turn {
                return Ok(Turn::Wait(turn));
            }
        }
        let sleep = host::sleep();
        let before = *running;

        if kind == Kind::Adjustment {
            let now = host::reference();
            let Some(value) = running.change_at(kind, now, sleep, &change, &before)? else {
                return Ok(Turn::Again);
            };
            if running.clocks.reads_as(&before.clocks, now) {
                running.clocks.keep_timeline_of(&before.clocks);
                let followup = Followup {
                    effect: None,
                    wait: None,
                    set: running.clocks.take_leap(now),
                };
                return Ok(Turn::Taken(value, followup));
            }
            *running = before;
        }

        let mut outcome = Ok(Turn::Again);
        let published = self.published.publish(|now| {
            // If all clocks run on as they did, nobody needs to know of it ahead.
            for lead in [0, LEAD] {
                let at = now.saturating_add(lead);
                // A course that begins before that may have been read already.
                let turn = before.clocks.turn(now.saturating_add(LEAD));
                if now < turn {
                    outcome = Ok(Turn::Wait(turn));
                    return Err(());
                }
                match running.change_at(kind, at, sleep, &change, &before) {
                    Ok(Some(value)) => {
                        if lead != 0 || running.clocks.runs_as(&before.clocks, at) {
                            let timeline = running.clocks.timeline();
                            let effect = timeline.effect(before.clocks.timeline());
                            let followup = Followup {
                                effect: Some(effect),
                                wait: (lead != 0).then_some(at),
                                set: effect.step != 0,
                            };
                            outcome = Ok(Turn::Taken(value, followup));
                            return Ok(running.clocks.timeline());
                        }
                        *running = before;
                    }
                    Ok(None) => return Err(()),
                    Err(error) => {
                        outcome = Err(error);
                        return Err(());
                    }
                }
            }
            Err(())
        });
        if let (Ok(()), Ok(Turn::Taken(_, followup))) = (published, &mut outcome) {
            if let Some(effect) = &followup.effect {
                running.clocks.call_off_leap(effect.at);
                followup.set |= running.clocks.take_leap(effect.at);
            }
        }
        outcome
    }

    /// Has [`NamespaceClock::look_after`] called when it is needed. To be called after each change
    /// of what is needed, without the lock.
    fn keep_looked_after(&self) {
        let mut wanted = self.wake();
        while let Some(wake) = wanted {
            self.timers.look_after_at(wake);
            // Somebody else may have wanted another time meanwhile and been faster.
            let now_wanted = self.wake();
            if now_wanted == wanted {
                break;
            }
            wanted = now_wanted;
        }
    }

    fn wake(&self) -> Option<RefTime> {
        match &*self.state.lock() {
            State::Pending(_) => None,
            State::Running(running) => running.clocks.wake(),
        }
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

    /// The state now, its name, and the host's clocks. [`None`] if there is more to catch up with.
    fn try_show(&self) -> Option<(&'static str, Running, Host)> {
        let mut state = self.state.lock();
        let host = Host::now();
        match &mut *state {
            State::Pending(plan) => plan.advance(&host).then(|| {
                let running = Running {
                    clocks: plan.begin_anyhow(&host),
                    steps: 0,
                    rate_changes: 0,
                };
                ("pending", running, host)
            }),
            State::Running(running) => {
                let now = running.clocks.moment(host.reference, host.sleep);
                running
                    .clocks
                    .advance(&now)
                    .then_some(("running", *running, host))
            }
        }
    }

    /// Writes the state to `m`, one `key value...` line each.
    ///
    /// Process context.
    pub(crate) fn show(&self, m: &SeqFile) {
        let (name, running, host) = loop {
            if let Some(shown) = self.try_show() {
                break shown;
            }
        };
        report::write(m, name, &running, &host, &self.timers.stats());
    }
}

#[pinned_drop]
impl PinnedDrop for NamespaceClock {
    fn drop(self: Pin<&mut Self>) {
        counters::CLOCKS.decrement();
    }
}

fn errno(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NotPermitted => EPERM,
        Refusal::Invalid => EINVAL,
    }
}
