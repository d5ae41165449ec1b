// SPDX-License-Identifier: GPL-2.0

//! Long idle, which is longer than the host's clock source takes to wrap around, or not: a clock is
//! exact after it, and its timers are not early. With `--exact`, where idle takes no time, and with
//! `clocksource=acpi_pm` or `hpet`, which wrap in seconds.

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::failure::{check, Context, During, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::timers::board::shared_numbers;
use crate::timers::call::{Row, Timeout};
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timers::scenario::{Parts, Scenario};
use crate::timers::trial::{Trial, World};
use crate::tracked::Tracked;

tests![a_minute, ten_minutes, clocksource_switched,];

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
const RATES: [Parts; 4] = [(0, 500_000_000), (1, 50_000), (2, 0), (100, 0)];
const ROWS: [&str; 3] = [
    "clock_nanosleep/until-Monotonic/64",
    "clock_nanosleep/until-Realtime/32",
    "timerfd_settime/for-Boottime/64",
];
/// Timeouts that the sleepers take in turn
const CLOCKS: usize = 6;
const DIRECTORY: &str = "/sys/devices/system/clocksource/clocksource0";

fn worlds() -> Outcome<Vec<(Tracked, World)>> {
    let world = |rate: Parts| {
        let lines = Lines::new()
            .rate(rate.0, rate.1)
            .monotonic(1000 * SEC)
            .realtime(-1000 * SEC);
        let tracked = Tracked::new(&lines)?;
        let world = World::Own(tracked.namespace.try_clone()?, rate);
        Ok((tracked, world))
    };
    RATES.into_iter().map(world).collect()
}

/// Lets all be idle for `length` of reference time, but for one wait.
fn idle(setting: &Setting, length: Ns) -> Outcome {
    if !setting.exact {
        return Err(Trouble::Skip("idle takes time without --exact".into()));
    }
    let worlds = worlds()?;
    for (tracked, world) in &worlds {
        for name in ROWS {
            let trial = Trial {
                row: Row::named(name)?,
                world,
                scenario: Scenario::Undisturbed,
                length,
                patience: 10 * SEC,
            };
            let ended = trial.repeat().during(trial.name())?;
            check!(
                ended.late >= 0,
                "{} ended {} ns early",
                trial.name(),
                -ended.late
            );
            // It is what clock sources are read by that takes this long, not the length.
            check!(
                ended.late < 5 * MSEC,
                "{} ended {} ns late",
                trial.name(),
                ended.late
            );
            tracked.verify().during(trial.name())?;
        }
    }
    for (tracked, _) in &worlds {
        tracked.verify().during("at last")?;
    }
    Ok(())
}

fn a_minute(setting: &Setting) -> Outcome {
    idle(setting, 60 * SEC)
}

fn ten_minutes(setting: &Setting) -> Outcome {
    idle(setting, 600 * SEC)
}

fn read(name: &str) -> Outcome<String> {
    let path = format!("{DIRECTORY}/{name}");
    Ok(fs::read_to_string(&path).context(path)?.trim().into())
}

fn switch_to(name: &str) -> Outcome {
    fs::write(format!("{DIRECTORY}/current_clocksource"), name)
        .context(format_args!("switching to {name}"))
}

/// Waits until a sleeper's count has grown by some: none of its timers is lost.
fn goes_on(sleeper: &mut Task, count: &AtomicI64) -> Outcome {
    const LIMIT: Ns = 60 * SEC;
    let enough = count.load(Ordering::SeqCst) + 2 * CLOCKS as i64;
    let deadline = host::reference()? + LIMIT;
    while count.load(Ordering::SeqCst) < enough {
        if !sleeper.is_running()? {
            return sleeper.outcome();
        }
        check!(host::reference()? < deadline, "a timer is lost");
        host::pass(MSEC)?;
    }
    Ok(())
}

/// Timers go on by whichever clock source there is.
fn clocksource_switched(setting: &Setting) -> Outcome {
    let available = read("available_clocksource")?;
    let names: Vec<&str> = available.split_whitespace().collect();
    if names.len() < 2 {
        return Err(Trouble::Skip("there is one clock source".into()));
    }
    let origin = read("current_clocksource")?;
    let worlds = worlds()?;
    let counts = shared_numbers(worlds.len())?;
    let sleepers = worlds.iter().zip(counts).map(|((tracked, _), count)| {
        Task::spawn(|| {
            tracked.namespace.enter()?;
            let timers = Timeout::ALL[..CLOCKS]
                .iter()
                .map(|&timeout| TimerFd::new(Entry::Native, timeout, 0))
                .collect::<Outcome<Vec<_>>>()?;
            for i in 0.. {
                let (timeout, timer) = (Timeout::ALL[i % CLOCKS], &timers[i % CLOCKS]);
                let clock = timeout.ends_by();
                let length = 1_000_000 * (1 + (i % 5) as Ns);
                let until = clock.now()? + length;
                timer.arm(if timeout.absolute { until } else { length }, 0)?;
                timer.read().context("read")?;
                let now = clock.now()?;
                check!(now >= until, "{timeout} was {} ns early", until - now);
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        })
    });
    let mut sleepers = sleepers.collect::<Outcome<Vec<_>>>()?;
    let outcome = (|| {
        for round in 0..setting.by_kernel(10, 3) {
            for name in &names {
                switch_to(name)?;
                host::pass(SEC / 20)?;
                for (sleeper, count) in sleepers.iter_mut().zip(counts) {
                    goes_on(sleeper, count).during(format_args!("round {round}, {name}"))?;
                }
            }
        }
        Ok(())
    })();
    switch_to(&origin)?;
    outcome?;
    sleepers.into_iter().try_for_each(Task::stop)
}
