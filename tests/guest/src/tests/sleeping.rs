// SPDX-License-Identifier: GPL-2.0

//! Absolute timeouts at a rate that does not change: never early by the namespace's clock.

use rustix::thread::{clock_nanosleep_absolute, ClockId};
use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
    Timespec,
};

use crate::clock::Clock;
use crate::failure::{check, Context, During, Outcome};
use crate::lines::Lines;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::tracked::Tracked;

tests![nanosleep, timerfd, timeout_in_the_past,];

const SEC: Ns = 1_000_000_000;
const RATES: [(u64, u32); 5] = [
    (0, 500_000_000),
    (1, 50_000),
    (0, 999_950_000),
    (2, 0),
    (200, 0),
];

fn timespec(ns: Ns) -> Timespec {
    Timespec {
        tv_sec: (ns / SEC) as i64,
        tv_nsec: (ns % SEC) as i64,
    }
}

/// Has `wait` wait until some times by either clock, in namespaces of different rates.
fn never_early(wait: fn(Clock, Ns) -> Outcome) -> Outcome {
    for (secs, nsecs) in RATES {
        let lines = Lines::new()
            .rate(secs, nsecs)
            .monotonic(1000 * SEC)
            .boottime(86_400 * SEC + 1);
        let tracked = Tracked::new(&lines)?;
        let result = tracked.namespace.inside(|| {
            for clock in [Clock::Monotonic, Clock::Boottime] {
                for step in 0..10 {
                    // Half a tick to some ticks of reference time at any of the rates.
                    let length = SEC / 500 * (1 + Ns::from(secs)) + step * 1_000_003;
                    let until = clock.now()? + length;
                    wait(clock, until)?;
                    let now = clock.now()?;
                    check!(now >= until, "{clock} was {now} after a wait until {until}");
                }
            }
            Ok(())
        });
        result.during(format_args!("rate {secs} {nsecs}"))?;
        tracked.verify()?;
    }
    Ok(())
}

fn sleep_until(clock: Clock, until: Ns) -> Outcome {
    let id = match clock {
        Clock::Boottime => ClockId::Boottime,
        _ => ClockId::Monotonic,
    };
    clock_nanosleep_absolute(id, &timespec(until)).context("clock_nanosleep")
}

fn wait_for_timerfd(clock: Clock, until: Ns) -> Outcome {
    let id = match clock {
        Clock::Boottime => TimerfdClockId::Boottime,
        _ => TimerfdClockId::Monotonic,
    };
    let timer = timerfd_create(id, TimerfdFlags::CLOEXEC).context("timerfd_create")?;
    let expiry = Itimerspec {
        it_interval: timespec(0),
        it_value: timespec(until),
    };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &expiry).context("timerfd_settime")?;
    rustix::io::read(&timer, &mut [0; 8])
        .context("reading the timer")
        .map(drop)
}

fn nanosleep(_: &Setting) -> Outcome {
    never_early(sleep_until)
}

fn timerfd(_: &Setting) -> Outcome {
    never_early(wait_for_timerfd)
}

/// Returns, also where the namespace's clock is ahead of the host's by more than all of its life.
fn timeout_in_the_past(_: &Setting) -> Outcome {
    for rate in [0, 1, 255] {
        let lines = Lines::new()
            .rate(rate, 0)
            .monotonic(1000 * SEC)
            .boottime(1000 * SEC);
        let tracked = Tracked::new(&lines)?;
        tracked.namespace.inside(|| {
            for clock in [Clock::Monotonic, Clock::Boottime] {
                for until in [0, 1, 1000 * SEC, clock.now()?] {
                    sleep_until(clock, until)?;
                    wait_for_timerfd(clock, until.max(1))?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
