// SPDX-License-Identifier: GPL-2.0

//! How many instructions it takes to arm one timer, to sleep, and to expire.

use std::time::{Duration, Instant};

use crate::{
    call::Call,
    context::Context,
    crowd::Crowd,
    figures::{Figure, Kind},
    interrupt::{self, TIMERS},
    loops,
    spinner::Spinner,
    timer::{Timer, FAR},
    Error,
};

/// What is counted.
pub(crate) const NAMES: [&str; 7] = [
    "nanosleep",
    "futex",
    "timer_settime",
    "timer_settime-2nd",
    "timerfd_settime",
    "timerfd_settime-2nd",
    INTERRUPT,
];
const INTERRUPT: &str = "interrupt";

/// With another timer armed before it: it makes a difference whether a timer is the first of its
/// clock. For the host's it does not, as others always come before them.
const SECOND: &str = "-2nd";

/// Own clocks in [`Context::Crowd`].
pub(crate) const CROWD: usize = 1000;

/// What is slept, ns. The slack of 50 us adds to it.
const SLEEP: u32 = 20_000;

/// Calls in the short loop: of those that sleep, and of those that do not.
const SLEEPS: u32 = 20;
const CALLS: u32 = 500;

/// What arming all timers has time for, ns.
const LEAD: u64 = 500_000;

/// Counts all of it.
pub(crate) fn measure(context: Context) -> Result<(), Error> {
    let mut crowd = None;
    if context == Context::Crowd {
        crowd.insert(Crowd::new()?).grow(CROWD)?;
    }
    for name in NAMES {
        Figure::print(context, Kind::Timer, name, count(name)?);
    }
    drop(crowd);
    Ok(())
}

fn count(name: &str) -> Result<f64, Error> {
    let spinner = Spinner::start()?;
    let earlier = Timer::monotonic()?;
    if name.ends_with(SECOND) {
        earlier.arm_after(Duration::from_secs(FAR / 2))?;
    }
    let (call, calls) = match name.trim_end_matches(SECOND) {
        "nanosleep" => (Call::nanosleep(SLEEP), SLEEPS),
        "futex" => (Call::futex_wait(SLEEP), SLEEPS),
        "timer_settime" => (Call::timer_settime()?, CALLS),
        "timerfd_settime" => (Call::timerfd_settime()?, CALLS),
        INTERRUPT => return count_interrupt(&spinner),
        _ => return Err(format!("nothing is named {name}").into()),
    };
    if calls == SLEEPS {
        check_sleep(&call)?;
    }
    loops::one_of(calls, |calls| spinner.without(|| call.repeat(calls)))
}

/// Fails if a call does not sleep as long as it should.
fn check_sleep(call: &Call) -> Result<(), Error> {
    let start = Instant::now();
    call.repeat(1)?;
    let slept = start.elapsed();
    if slept < Duration::from_nanos(SLEEP.into()) {
        return Err(format!("{call:?} has only slept {slept:?}").into());
    }
    Ok(())
}

fn count_interrupt(spinner: &Spinner) -> Result<f64, Error> {
    let timers = timers()?;
    interrupt::count(spinner, &timers, LEAD, |index, deadline| {
        timers[index].arm_after(deadline.remaining())
    })
}

/// As many timers as [`interrupt::count`] needs.
pub(crate) fn timers() -> Result<[Timer; TIMERS], Error> {
    let timers: Result<Vec<_>, _> = (0..TIMERS).map(|_| Timer::monotonic()).collect();
    timers?
        .try_into()
        .map_err(|_| "not that many timers".into())
}
