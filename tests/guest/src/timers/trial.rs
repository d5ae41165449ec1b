// SPDX-License-Identifier: GPL-2.0

//! One wait of a process, with what is done to its clock from outside, and how late it ended.
//!
//! When a wait has to end is known without knowing when a change took effect. Its clock says so
//! itself, once the last change is made: the time it waits for less the time it is, at the last
//! rate. Only if that time has come by then, the wait was due at some time during the change, and
//! what the clock said after it is what lateness is counted from.

use std::sync::atomic::{AtomicI64, Ordering};

use rustix::process::{kill_process, Pid, Signal};

use crate::clock::Clock;
use crate::failure::{check, fail, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::proc_file::{ProcFile, State};
use crate::sys::Ns;
use crate::task::{Gate, Task};
use crate::timers::asleep::wait_until_asleep;
use crate::timers::board::{shared_numbers, unshare_numbers};
use crate::timers::call::{Precision, Row, Site};
use crate::timers::group::Group;
use crate::timers::pace::Pace;
use crate::timers::scenario::{per_second, Change, Parts, Scenario};
use crate::timers::tracing::{let_go, stop_by_tracing};

const SEC: Ns = 1_000_000_000;

/// A place where processes wait.
#[derive(Debug)]
pub(crate) enum World {
    Host,
    /// A namespace that only has offsets.
    Plain(Namespace),
    /// A namespace with a clock that has this rate.
    Own(Namespace, Parts),
}

impl World {
    /// What `body` comes to there. The process is on the host before and after.
    pub(crate) fn inside<T>(&self, body: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        match self {
            Self::Host => body(),
            Self::Plain(namespace) | Self::Own(namespace, _) => namespace.inside(body),
        }
    }

    /// Moves this process there.
    pub(crate) fn enter(&self) -> Outcome {
        match self {
            Self::Host => Ok(()),
            Self::Plain(namespace) | Self::Own(namespace, _) => namespace.enter(),
        }
    }

    /// How fast its clocks are between trials.
    pub(crate) fn rate(&self) -> Parts {
        match self {
            Self::Own(_, rate) => *rate,
            _ => (1, 0),
        }
    }
}

/// What a wait came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// How long after it was due it ended, in reference time. Negative if it was early.
    pub(crate) late: Ns,
    /// When it should have ended and when it did, by its clock.
    pub(crate) until: Ns,
    pub(crate) at: Ns,
}

/// A wait.
#[derive(Clone, Copy)]
pub(crate) struct Trial<'a> {
    pub(crate) row: Row,
    pub(crate) world: &'a World,
    pub(crate) scenario: Scenario,
    /// How long it is, in reference time, if nothing changes.
    pub(crate) length: Ns,
    /// For how long after it was due, in reference time, it may still end.
    pub(crate) patience: Ns,
}

/// What the process that waits tells the one that watches.
struct Diary(&'static [AtomicI64]);

impl Diary {
    fn new() -> Outcome<Self> {
        shared_numbers(2).map(Self)
    }

    fn begin(&self, until: Ns) {
        self.0[0].store(until as i64, Ordering::SeqCst);
    }

    fn end(&self, at: Ns) {
        self.0[1].store(at as i64, Ordering::SeqCst);
    }

    /// Until when it waits.
    fn until(&self) -> Ns {
        self.0[0].load(Ordering::SeqCst).into()
    }

    /// When it ended.
    fn at(&self) -> Ns {
        self.0[1].load(Ordering::SeqCst).into()
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        unshare_numbers(self.0);
    }
}

impl Trial<'_> {
    /// Makes it. [`None`] if a change came too late to be one in mid-wait.
    pub(crate) fn run(&self) -> Outcome<Option<Ended>> {
        let row = self.row;
        let rate = self.world.rate();
        let amount = self.length * per_second(rate) / SEC;
        let amount = (amount + row.call.unit - 1) / row.call.unit * row.call.unit;
        let length = amount * SEC / per_second(rate);
        self.restore_rate()?;

        let pace = (row.call.precision == Precision::Paced)
            .then(Pace::start)
            .transpose()?;
        let diary = Diary::new()?;
        let (prepared, go) = (Gate::new()?, Gate::new()?);
        let other = rustix::process::getpid().as_raw_nonzero().get();
        let mut task = Task::spawn(|| {
            self.world.enter()?;
            let site = Site {
                entry: row.entry,
                timeout: row.timeout,
                other,
                pace: pace.as_ref().map(Pace::socket).transpose()?,
            };
            let mut wait = (row.call.prepare)(site).during("preparing")?;
            let clock = row.timeout.ends_by();
            prepared.open()?;
            go.wait()?;
            let until = clock.now()? + amount;
            diary.begin(until);
            wait(if row.timeout.absolute { until } else { amount })?;
            diary.end(clock.now()?);
            Ok(())
        })?;
        prepared.wait_for(&mut task)?;
        let begun = host::reference()?;
        go.open()?;

        let mut last = rate;
        let changes = self.scenario.changes(length, rate);
        for (i, &(after, change)) in changes.iter().enumerate() {
            host::pass_until(Clock::Monotonic, begun + after)?;
            if i == 0 {
                // On a slow machine it may not have begun by now.
                while diary.until() == 0 && task.is_running()? {
                    host::pass(100_000)?;
                }
                wait_until_asleep(&mut task)?;
            }
            let made = self.make(change, task.pid());
            // It may be that the wait has ended and nobody is there to have it made.
            if i == 0 && host::reference()? - begun > length / 10 * 9 {
                task.kill();
                return Ok(None);
            }
            made?;
            if let Change::Rate(rate) = change {
                last = rate;
            }
        }
        let clock = row.timeout.ends_by();
        let changed = self.world.inside(|| clock.now())?;
        let until = diary.until();
        let left = if until == 0 { amount } else { until - changed };
        let limit = left.max(0) * SEC / per_second(last) + self.patience;
        if !task.wait_for(limit)? {
            let now = self.world.inside(|| clock.now())?;
            task.kill();
            fail!(
                "it has not ended at {now}, should have at {}",
                diary.until()
            );
        }
        task.outcome()?;
        if let Some(pace) = pace {
            pace.stop()?;
        }
        let (until, at) = (diary.until(), diary.at());
        let due = match changes.is_empty() {
            true => until,
            false => until.max(changed),
        };
        let late = match at < until {
            true => at - until,
            false => (at - due).max(0) * SEC / per_second(last),
        };
        Ok(Some(Ended { late, until, at }))
    }

    /// As `run()`, with longer waits as long as changes come too late.
    pub(crate) fn repeat(&self) -> Outcome<Ended> {
        let mut trial = *self;
        for _ in 0..8 {
            if let Some(ended) = trial.run()? {
                return Ok(ended);
            }
            trial.length *= 2;
        }
        fail!("every change came too late");
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        let place = match self.world {
            World::Host => "on the host".into(),
            World::Plain(_) => "with offsets".into(),
            World::Own(_, (secs, nsecs)) => format!("at rate {secs}.{nsecs:09}"),
        };
        format!("{} {place}, {}", self.row, self.scenario)
    }

    fn restore_rate(&self) -> Outcome {
        let World::Own(_, rate) = self.world else {
            return Ok(());
        };
        self.world.inside(|| {
            let state = State::read("self")?.context("timens_clock is empty")?;
            if state.rate != *rate {
                let lines = Lines::new().rate(rate.0, rate.1);
                ProcFile::Clock
                    .write("self", lines.to_string())
                    .context("setting the rate")?;
            }
            Ok(())
        })
    }

    fn make(&self, change: Change, pid: Pid) -> Outcome {
        let lines = match change {
            Change::Stop => return kill_process(pid, Signal::STOP).context("SIGSTOP"),
            Change::Continue => return kill_process(pid, Signal::CONT).context("SIGCONT"),
            Change::Trace => return stop_by_tracing(pid),
            Change::LetGo => return let_go(pid),
            Change::FreezeGroup => return Group::of(pid)?.freeze(),
            Change::ThawGroup => return Group::of(pid)?.thaw(),
            Change::Rate((secs, nsecs)) => Lines::new().rate(secs, nsecs),
            Change::Step(ns) => {
                let state = State::read(pid)?.context("timens_clock is empty")?;
                Lines::new().realtime(state.realtime + ns)
            }
        };
        let text = lines.to_string();
        let written = ProcFile::Clock.write(pid, &text).context("a change")?;
        check!(written == text.len(), "a change was taken in part");
        Ok(())
    }
}
