// SPDX-License-Identifier: GPL-2.0

//! Waits that are long enough to see a rate that is nearly the host's: all rows of the table at once.

use std::sync::atomic::Ordering;

use crate::failure::{Context, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::tests::timers::table::{rows, Tally};
use crate::timers::board::shared_numbers;
use crate::timers::call::{Precision, Row};
use crate::timers::entry::{syscall, Entry, Number};
use crate::timers::place::Place;
use crate::timers::scenario::Scenario;
use crate::timers::trial::{Trial, World};
use crate::tracked::Tracked;

tests![parts_per_million,];

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
/// 50 ppm of it are half a millisecond.
const LENGTH: Ns = 10 * SEC;
/// Two that end at the same time would be in each other's way.
const APART: Ns = 20 * MSEC;
/// Much less than what the rate makes of it.
const NOISE: Ns = MSEC / 5;

/// Has this process and its children wait without any slack.
fn be_exact() -> Outcome {
    const SETSCHEDULER: Number = Number::plain(libc::SYS_sched_setscheduler, 156);
    let priority = Place::of(&1_i32.to_ne_bytes())?;
    syscall!(Entry::Native, SETSCHEDULER, 0, libc::SCHED_FIFO, &priority)
        .context("sched_setscheduler")
        .map(drop)
}

/// Waits by all rows at once. Says how late each ended, and counts those that did not.
fn wait(rows: &[Row], world: &World, tally: &mut Tally) -> Outcome<Vec<Ns>> {
    let late = shared_numbers(rows.len())?;
    let trial = |i: usize| Trial {
        row: rows[i],
        world,
        scenario: Scenario::Undisturbed,
        length: LENGTH + i as Ns * APART,
        patience: 20 * SEC,
    };
    let watchers = (0..rows.len()).map(|i| {
        Task::spawn(|| {
            be_exact()?;
            let ended = trial(i).repeat()?;
            late[i].store(ended.late as i64, Ordering::SeqCst);
            Ok(())
        })
    });
    let watchers = watchers.collect::<Outcome<Vec<_>>>()?;
    for (i, watcher) in watchers.into_iter().enumerate() {
        tally.count(&trial(i).name(), watcher.join())?;
    }
    Ok(late
        .iter()
        .map(|late| late.load(Ordering::SeqCst).into())
        .collect())
}

fn parts_per_million(setting: &Setting) -> Outcome {
    if !setting.exact {
        return Err(Trouble::Skip("what it compares takes --exact".into()));
    }
    let mut rows = rows(setting);
    rows.retain(|row| row.call.precision == Precision::Exact && row.call.unit <= MSEC);
    let mut tally = Tally::default();
    let mut usual = wait(&rows, &World::Host, &mut tally)?;
    usual.sort_unstable();
    // Where timers expire with the tick, how late is a matter of luck.
    let allowed = usual[usual.len() / 2].max(host::resolution()) + NOISE;
    for rate in [(1, 50_000), (0, 999_950_000)] {
        let tracked = Tracked::new(&Lines::new().rate(rate.0, rate.1).monotonic(1000 * SEC))?;
        let world = World::Own(tracked.namespace, rate);
        let mut rest = rows.clone();
        // Those that are in the way of each other are not so in smaller company.
        for attempt in 1..=3 {
            let late = wait(&rest, &world, &mut tally)?;
            let mut again = Vec::new();
            for (row, late) in rest.into_iter().zip(late) {
                let name = format!("{row} at rate {rate:?}");
                if late < 0 {
                    let why = format!("it ended {} ns early", -late);
                    tally.count(&name, Err(Trouble::Fail(why)))?;
                } else if late > allowed {
                    again.push(row);
                    if attempt == 3 {
                        let why = format!("it ended {late} ns late, {allowed} are usual");
                        tally.count(&name, Err(Trouble::Fail(why)))?;
                    }
                }
            }
            rest = again;
            if rest.is_empty() {
                break;
            }
        }
    }
    tally.outcome()
}
