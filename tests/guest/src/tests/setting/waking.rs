// SPDX-License-Identifier: GPL-2.0

//! Timers and sleepers of a namespace when its REALTIME is set from inside.

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::means::Means;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{Gate, Task};
use crate::timers::call::Timeout;
use crate::timers::calls::sleep;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::tracked::Tracked;

use rustix::io::Errno;

tests![timers, sleepers,];

const SEC: Ns = 1_000_000_000;
const START: Ns = 1_500_000_000 * SEC;
const UNTIL: Ns = START + 100_000 * SEC;
/// How long what has to happen may take, in reference time.
const LIMIT: Ns = 60 * SEC;

fn timer(clock: Clock, until: Ns) -> Outcome<TimerFd> {
    let timeout = Timeout::absolute(clock);
    let timer = TimerFd::new(Entry::Native, timeout, libc::TFD_NONBLOCK)?;
    timer.arm(until, 0)?;
    Ok(timer)
}

/// Waits until it has expired, which has to be once.
fn expires(timer: &TimerFd) -> Outcome {
    let deadline = host::reference()? + LIMIT;
    loop {
        match timer.read() {
            Err(Errno::AGAIN) if host::reference()? < deadline => host::pass(SEC / 1000)?,
            other => {
                check_eq!(other, Ok(1), "expiries");
                return Ok(());
            }
        }
    }
}

/// Those until a time of REALTIME expire when it is set to that, not a nanosecond before; those of
/// other clocks do not care.
fn timers(_: &Setting) -> Outcome {
    for means in Means::all()? {
        let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
        let others = tracked.namespace.inside(|| {
            means.set(START)?.context(means)?;
            let monotonic = Clock::Monotonic.now()? + 50_000 * SEC;
            let boottime = Clock::Boottime.now()? + 50_000 * SEC;
            let realtime = timer(Clock::Realtime, UNTIL)?;
            let later = timer(Clock::Realtime, UNTIL + 50_000 * SEC)?;
            for time in [UNTIL - 40_000 * SEC, START - SEC, UNTIL - 10_000 * SEC] {
                means.set(time)?.context(means)?;
                host::pass(SEC / 1000)?;
                check_eq!(realtime.read(), Err(Errno::AGAIN), "set to {time}");
            }
            means.set(UNTIL + SEC)?.context(means)?;
            expires(&realtime)?;
            check!(Clock::Realtime.now()? >= UNTIL, "it has expired early");
            // It expires once, though the time comes again.
            means.set(START)?.context(means)?;
            means.set(UNTIL + SEC)?.context(means)?;
            host::pass(SEC / 100)?;
            check_eq!(realtime.read(), Err(Errno::AGAIN), "a second expiry");
            Ok([
                later,
                timer(Clock::Monotonic, monotonic)?,
                timer(Clock::Boottime, boottime)?,
            ])
        });
        for timer in others.during(means)? {
            check_eq!(timer.read(), Err(Errno::AGAIN), "{means}: another timer");
        }
    }
    Ok(())
}

/// As timers, in a process that sleeps until then; and the time that it sleeps for does not change.
fn sleepers(_: &Setting) -> Outcome {
    let means = Means::usual()?;
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let set = |time| tracked.namespace.inside(|| means.set(time)?.context(means));
    set(START)?;
    let start = |timeout: Timeout, ns: Ns| {
        let ready = Gate::new()?;
        let mut task = Task::spawn(|| {
            tracked.namespace.enter()?;
            ready.open()?;
            sleep::sleeper(Entry::Native, timeout)?(ns)?;
            let now = Clock::Realtime.now()?;
            check!(now >= UNTIL, "it woke at {now}, early");
            Ok(())
        })?;
        ready.wait_for(&mut task)?;
        Ok::<_, crate::failure::Trouble>(task)
    };
    let mut absolute = start(Timeout::absolute(Clock::Realtime), UNTIL)?;
    let mut relative = start(Timeout::relative(Clock::Realtime), 90_000 * SEC)?;
    host::pass(SEC / 10)?;
    set(UNTIL - 10 * SEC * 1000)?;
    host::pass(SEC / 10)?;
    check!(absolute.is_running()?, "it woke early");
    set(UNTIL)?;
    let ended = absolute.wait_for(LIMIT)?;
    check!(ended, "it sleeps though its time has passed");
    absolute.outcome()?;
    check!(relative.is_running()?, "a relative sleep was cut short");
    relative.stop()
}
