// SPDX-License-Identifier: GPL-2.0

//! How many instructions it takes with many timers, and with many namespaces.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    thread::sleep,
    time::Duration,
};

use crate::{
    context::Context,
    crowd::Crowd,
    figures::{Figure, Kind},
    interrupt::{self, TIMERS},
    spinner::Spinner,
    timer::{self, Timer, FAR},
    timers, Error,
};

/// Timers that are armed while the clock steps.
pub(crate) const ARMED: [usize; 3] = [10, 1000, 100_000];

/// Namespaces with timers.
pub(crate) const NAMESPACES: [usize; 3] = [1, 100, 10_000];

/// Timers that become due together.
pub(crate) const DUE: usize = 100_000;

/// The start of a namespace's clock after the host's, s.
const AHEAD: u64 = 100_000_000;

/// How often everything is counted.
const STEPS: u64 = 20;
const EXPIRIES: u64 = 3;

/// What it takes to move between namespaces and arm all timers of an interrupt's count, ns.
const LEAD: u64 = 20_000_000;

/// Between two steps: one that comes at once waits for the one before it.
const PAUSE: Duration = Duration::from_millis(2);

/// What many timers have time for, to be armed and to expire. The spinner makes long ones slow.
const ARMING: Duration = Duration::from_millis(500);
const EXPIRY: Duration = Duration::from_millis(100);

/// Counts what there is to count in this context.
pub(crate) fn measure(context: Context) -> Result<(), Error> {
    match context {
        Context::Crowd => among_others(context),
        Context::Own => {
            let clock = Clock::open()?;
            let steps = steps(context, &clock)?;
            let arm = |timers: &[Timer]| {
                // One after the other, by their own time.
                let start = timer::now()? + Duration::from_secs(FAR);
                for (timer, ns) in timers.iter().zip(0..) {
                    timer.arm_at(start + Duration::from_nanos(ns))?;
                }
                Ok(())
            };
            together(context, arm, |round| {
                clock.step(AHEAD + steps + 2 * FAR * round)
            })
        }
        _ => {
            let arm = |timers: &[Timer]| {
                let time = timer::now()? + ARMING;
                for timer in timers {
                    timer.arm_at(time)?;
                }
                sleep((time - EXPIRY / 2).saturating_sub(timer::now()?));
                Ok(())
            };
            together(context, arm, |_| Ok(()))
        }
    }
}

/// The clock of this process' namespace.
#[derive(Debug)]
struct Clock(File);

impl Clock {
    fn open() -> Result<Self, Error> {
        let path = "/proc/self/timens_clock";
        Ok(Self(OpenOptions::new().write(true).open(path)?))
    }

    /// Steps it, to so many s after the host's.
    fn step(&self, ahead: u64) -> Result<(), Error> {
        let line = format!("realtime {ahead} 0\n");
        (&self.0).write_all(line.as_bytes())?;
        Ok(())
    }
}

/// Steps, with timers that do not become due. Returns the s that the clock has been stepped.
fn steps(context: Context, clock: &Clock) -> Result<u64, Error> {
    timer::allow_many()?;
    let spinner = Spinner::start()?;
    let start = timer::now()? + Duration::from_secs(FAR);
    let mut timers = Vec::new();
    let mut stepped = 0;
    for number in ARMED {
        while timers.len() < number {
            let timer = Timer::realtime()?;
            timer.arm_at(start + Duration::from_nanos(timers.len() as u64))?;
            timers.push(timer);
        }
        let mut least = u64::MAX;
        for _ in 0..STEPS {
            stepped += 1;
            sleep(PAUSE);
            least = least.min(spinner.without(|| clock.step(AHEAD + stepped))?);
        }
        if timers
            .iter()
            .any(|timer| !matches!(timer.is_idle(), Ok(false)))
        {
            return Err("a timer has become due".into());
        }
        Figure::print(context, Kind::Step, number, least as f64);
    }
    Ok(stepped)
}

/// Many timers that become due together: `arm` arms them, and `make` makes them due.
fn together(
    context: Context,
    arm: impl Fn(&[Timer]) -> Result<(), Error>,
    make: impl Fn(u64) -> Result<(), Error>,
) -> Result<(), Error> {
    timer::allow_many()?;
    let spinner = Spinner::start()?;
    let timers: Result<Vec<_>, _> = (0..DUE).map(|_| Timer::realtime()).collect();
    let timers = timers?;
    // The same without any timer, which is not about them.
    let mut without = u64::MAX;
    let mut with = u64::MAX;
    for round in 0..EXPIRIES {
        without = without.min(spinner.without(|| make(2 * round + 1).map(|()| sleep(EXPIRY)))?);
        arm(&timers)?;
        if timers
            .iter()
            .any(|timer| !matches!(timer.is_idle(), Ok(false)))
        {
            return Err("a timer has expired too early".into());
        }
        with = with.min(spinner.without(|| make(2 * round + 2).map(|()| sleep(EXPIRY)))?);
        if timers
            .iter()
            .any(|timer| !matches!(timer.is_idle(), Ok(true)))
        {
            return Err("a timer has not expired".into());
        }
    }
    Figure::print(context, Kind::Due, DUE, with as f64 - without as f64);
    Ok(())
}

/// The interrupts of timers in several namespaces, among so many of them.
fn among_others(context: Context) -> Result<(), Error> {
    let mut crowd = Crowd::new()?;
    for number in NAMESPACES {
        crowd.grow(number)?;
        let spinner = Spinner::start()?;
        let timers = timers::timers()?;
        // All over the crowd, and one after the other.
        let member = |index| index % TIMERS.min(number) * (number / TIMERS.min(number));
        let value = interrupt::count(&spinner, &timers, LEAD, |index, deadline| {
            crowd.visit(member(index), || {
                timers[index].arm_after(deadline.remaining())
            })
        })?;
        Figure::print(context, Kind::Interrupt, number, value);
    }
    Ok(())
}
