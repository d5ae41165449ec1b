// SPDX-License-Identifier: GPL-2.0

//! Not one interrupt more than there has to be, by the kernel's own counters.

use crate::failure::{check_eq, fail, Outcome};
use crate::lines::Lines;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::timers::call::{Row, Site};
use crate::timers::counters::Counters;
use crate::timers::entry::Entry;
use crate::timers::scenario::{Parts, Scenario};
use crate::timers::trial::{Trial, World};
use crate::tracked::Tracked;

tests![slowed_down, stepped_back, unchanged,];

const MSEC: Ns = 1_000_000;
const SEC: Ns = 1_000_000_000;
const ROWS: [&str; 6] = [
    "timerfd_settime/until-Monotonic/64",
    "timerfd_settime/for-Boottime/32",
    "timer_settime/for-Realtime/64",
    "clock_nanosleep/until-Realtime/64",
    "futex-wait/for-Monotonic/64",
    "io_uring-timeout/for-Monotonic/64",
];

fn world(rate: Parts) -> Outcome<World> {
    let lines = Lines::new().rate(rate.0, rate.1);
    Ok(World::Own(Tracked::new(&lines)?.namespace, rate))
}

/// Early expiries and rearms during one wait, with nothing else armed.
fn count(name: &str, rate: Parts, scenario: Scenario, setting: &Setting) -> Outcome<(u64, u64)> {
    let world = world(rate)?;
    let counters = || world.inside(|| Counters::read("self"));
    let mut trial = Trial {
        row: Row::named(name)?,
        world: &world,
        scenario,
        length: setting.by_kernel(50, 400) * MSEC,
        patience: 60 * SEC,
    };
    for _ in 0..8 {
        let before = counters()?;
        if trial.run()?.is_some() {
            let counted = counters()?.since(before);
            return Ok((counted.early, counted.rearms));
        }
        trial.length *= 2;
    }
    fail!("every change came too late");
}

/// Checks that there is one early expiry, and one rearm.
///
/// Where time does not pass by instructions, the machine may stand still until the timer is due by
/// the slower clock as well. Then nothing is early, and it is tried again.
fn check_once(name: &str, rate: Parts, scenario: Scenario, setting: &Setting) -> Outcome {
    let mut counted = (0, 0);
    for _ in 0..if setting.exact { 1 } else { 5 } {
        counted = count(name, rate, scenario, setting)?;
        if counted != (0, 0) {
            break;
        }
    }
    check_eq!(
        counted,
        (1, 1),
        "early expiries and rearms of {name} at rate {rate:?}, {scenario}"
    );
    Ok(())
}

fn check_never(name: &str, rate: Parts, scenario: Scenario, setting: &Setting) -> Outcome {
    check_eq!(
        count(name, rate, scenario, setting)?,
        (0, 0),
        "early expiries and rearms of {name} at rate {rate:?}, {scenario}"
    );
    Ok(())
}

/// The queue keeps its turn when the clock slows down, which is too early then: once.
fn slowed_down(setting: &Setting) -> Outcome {
    for rate in [(0, 500_000_000), (1, 0), (2, 0), (100, 0)] {
        for name in ROWS {
            check_once(name, rate, Scenario::RateDown, setting)?;
            check_never(name, rate, Scenario::Undisturbed, setting)?;
        }
    }
    Ok(())
}

/// So it does when the clock is stepped back, which only timers of REALTIME notice.
fn stepped_back(setting: &Setting) -> Outcome {
    for name in ROWS {
        let check = match Row::named(name)?.timeout.notices_steps() {
            true => check_once,
            false => check_never,
        };
        check(name, (2, 0), Scenario::StepBack, setting)?;
    }
    Ok(())
}

/// Where no clock is changed, no expiry is early, of many.
fn unchanged(setting: &Setting) -> Outcome {
    let rates = [(0, 500_000_000), (1, 50_000), (2, 0), (100, 0)];
    let waits = setting.expiries(100_000, 10_000).div_ceil(rates.len());
    let worlds = rates.into_iter().map(world).collect::<Outcome<Vec<_>>>()?;
    let tasks = worlds.iter().map(|world| {
        Task::spawn(|| {
            world.enter()?;
            let mut sleeps = Vec::new();
            for name in [
                "nanosleep/for-Monotonic/64",
                "clock_nanosleep/until-Boottime/64",
                "clock_nanosleep/until-Realtime/64",
                "timerfd_settime/for-Monotonic/64",
            ] {
                let row = Row::named(name)?;
                let site = Site {
                    entry: Entry::Native,
                    timeout: row.timeout,
                    other: 0,
                    pace: None,
                };
                sleeps.push((row.timeout, (row.call.prepare)(site)?));
            }
            for i in 0..waits {
                let count = sleeps.len();
                let (timeout, sleep) = &mut sleeps[i % count];
                let length = 1000 * (1 + (i % 7) as Ns);
                sleep(match timeout.absolute {
                    true => timeout.clock.now()? + length,
                    false => length,
                })?;
            }
            Ok(())
        })
    });
    let tasks = tasks.collect::<Outcome<Vec<_>>>()?;
    for task in tasks {
        task.join()?;
    }
    for (world, rate) in worlds.iter().zip(rates) {
        let counted = world.inside(|| Counters::read("self"))?;
        check_eq!(
            (counted.early, counted.rearms),
            (0, 0),
            "early expiries and rearms at rate {rate:?}"
        );
    }
    Ok(())
}
