// SPDX-License-Identifier: GPL-2.0

//! Readers on several CPUs while the clock is changed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::clock::{Clock, Way};
use crate::failure::{check, fail, Context, Outcome};
use crate::lines::Lines;
use crate::proc_file::{ProcFile, State};
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{pin_to, resident, Task};
use crate::timers::cpu::several;
use crate::tracked::Tracked;
use crate::vdso::Vdso;

tests![rate_changes, rate_changes_and_steps,];

/// The latest that anybody has read of each clock, by its place in [`Clock::ALL`].
type Latest = [AtomicU64; Clock::ALL.len()];

fn place(clock: Clock) -> usize {
    Clock::ALL
        .iter()
        .position(|other| *other == clock)
        .unwrap_or(0)
}

/// Reads `clock` by the vDSO between two system calls, and checks the order of it all.
fn read_once(clock: Clock, latest: &Latest) -> Outcome {
    let latest = &latest[place(clock)];
    let before = Ns::from(latest.load(Ordering::SeqCst));
    let first = clock.now()?;
    let vdso = Way::Vdso.read(clock)?;
    let last = clock.now()?;
    check!(
        before <= first,
        "{clock} was {before} already, is {first} by system call"
    );
    check!(
        first <= vdso && vdso <= last,
        "{clock} is {vdso} by vDSO between {first} and {last} by system call"
    );
    latest.fetch_max(last as u64, Ordering::SeqCst);
    Ok(())
}

/// A coarse clock is not ahead of the fine one that is read after it.
fn read_pair(coarse: Clock, way: Way) -> Outcome {
    let (earlier, later) = (way.read(coarse)?, way.read(coarse.fine())?);
    check!(
        earlier <= later,
        "{coarse} {earlier} is ahead of {later} by {way:?}"
    );
    Ok(())
}

/// How many readings one round of a reader has.
fn readings(clocks: &[Clock]) -> u64 {
    clocks
        .iter()
        .map(|clock| if clock.is_coarse() { 7 } else { 3 })
        .sum()
}

fn read_round(clocks: &[Clock], latest: &Latest) -> Outcome {
    for &clock in clocks {
        read_once(clock, latest)?;
        if clock.is_coarse() {
            Way::ALL
                .into_iter()
                .try_for_each(|way| read_pair(clock, way))?;
        }
    }
    Ok(())
}

/// Reads on all CPUs until there were `enough` readings and, by `changes()`, changes.
fn read_on_all_cpus(
    cpus: usize,
    clocks: &[Clock],
    enough: u64,
    changes: impl Fn() -> Outcome<bool>,
) -> Outcome {
    Vdso::get()?;
    let latest = Latest::default();
    let total = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let read = |cpu: usize| {
        pin_to(cpu)?;
        while !done.load(Ordering::Relaxed) {
            let round = read_round(clocks, &latest);
            total.fetch_add(readings(clocks), Ordering::Relaxed);
            if round.is_err() {
                done.store(true, Ordering::Relaxed);
                return round;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..cpus)
            .map(|cpu| scope.spawn(move || read(cpu)))
            .collect();
        let mut watched = Ok(());
        while watched.is_ok() && !done.load(Ordering::Relaxed) {
            thread::sleep(std::time::Duration::from_millis(20));
            watched = changes().map(|changed| {
                if changed && total.load(Ordering::Relaxed) >= enough {
                    done.store(true, Ordering::Relaxed);
                }
            });
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().ok().context("a reader panicked")??;
        }
        watched
    })
}

/// A line for the rate: often one that differs from the last as much as can be.
fn some_rate(random: &mut Random) -> String {
    let (secs, nsecs) = match random.below(6) {
        0 => (0, 0),
        1 => (255, 0),
        2 => (1, random.below(500_000)),
        3 => (0, 999_500_000 + random.below(500_000)),
        _ => (random.below(3), random.below(1_000_000_000)),
    };
    format!("rate {secs} {nsecs}\n")
}

/// Has `clocks` read while another task changes the clock in ways that `lines` makes.
fn run(setting: &Setting, clocks: &'static [Clock], lines: fn(&mut Random) -> String) -> Outcome {
    let cpus = several()?;
    let enough = setting.by_kernel(1_000_000, 100_000);
    let changes = setting.by_kernel(1000, 100);

    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let changer = Task::spawn(|| {
        let mut random = Random::new(7);
        loop {
            ProcFile::Clock
                .write(pid, lines(&mut random))
                .context("changing the clock")?;
        }
    })?;
    let reader = Task::spawn(|| {
        tracked.namespace.enter()?;
        read_on_all_cpus(cpus, clocks, enough, || match State::read(pid)? {
            Some(state) => Ok(state.rate_changes >= changes),
            None => fail!("timens_clock is empty"),
        })
    })?;
    let read = reader.join();
    changer.stop()?;
    resident.stop()?;
    read
}

fn rate_changes(setting: &Setting) -> Outcome {
    run(setting, &Clock::ALL, some_rate)
}

/// Steps move REALTIME and TAI, and no other clock.
fn rate_changes_and_steps(setting: &Setting) -> Outcome {
    run(setting, &Clock::STEADY, |random| {
        let realtime = format!("realtime {} 0\n", random.below(1 << 20));
        match random.below(3) {
            0 => some_rate(random),
            1 => realtime + &some_rate(random),
            _ => realtime,
        }
    })
}
