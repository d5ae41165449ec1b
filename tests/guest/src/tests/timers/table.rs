// SPDX-License-Identifier: GPL-2.0

//! The table of all calls that wait: a row a call, way into the kernel and timeout.
//!
//! No wait ends before the namespace's own clock says so. How late one ends is compared with the
//! same call on the host, measured in the same run: under `scripts/vm --warp` only, where time passes
//! by instructions. That is what `--exact` says.

use crate::failure::{check, fail, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::timers::call::{Precision, Row, Stopping};
use crate::timers::pace;
use crate::timers::scenario::{per_second, Parts, Scenario};
use crate::timers::trial::{Trial, World};
use crate::tracked::Tracked;

tests![
    on_host: mainline,
    with_offsets: mainline,
    undisturbed,
    rate_up,
    rate_down,
    step_forward,
    step_past,
    step_back,
    frozen,
    stopped,
    traced,
    group_frozen,
];

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
/// How long one wait is, in reference time.
const LENGTH: Ns = 20 * MSEC;
/// How long a change may take to reach timers.
const REKEY_WINDOW: Ns = MSEC;
/// What two waits of the same call may differ by, as other work of the machine happens to fall.
const NOISE: Ns = MSEC / 5;
/// How late a wait may be on the host.
const HOST_LATE: Ns = MSEC;

pub(super) const RATES: [Parts; 5] = [(0, 500_000_000), (1, 0), (1, 50_000), (2, 0), (100, 0)];

/// Rows that were waited by, and what was wrong.
#[derive(Default)]
pub(super) struct Tally {
    trials: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Counts one, and notes why it failed.
    pub(super) fn count(&mut self, name: &str, outcome: Outcome) -> Outcome {
        self.trials += 1;
        match outcome {
            Err(Trouble::Fail(why)) => {
                println!("    {name}: {why}");
                self.wrong.push(name.into());
                Ok(())
            }
            other => other,
        }
    }

    /// What they come to.
    pub(super) fn outcome(&self) -> Outcome {
        if self.wrong.is_empty() && self.trials > 0 {
            return Ok(());
        }
        let some: Vec<&str> = self.wrong.iter().take(8).map(String::as_str).collect();
        fail!(
            "{} of {} waits: {}{}",
            self.wrong.len(),
            self.trials,
            some.join("; "),
            if some.len() < self.wrong.len() {
                "; ..."
            } else {
                ""
            }
        );
    }
}

/// The rows that were asked for.
pub(super) fn rows(setting: &Setting) -> Vec<Row> {
    Row::all()
        .filter(|row| {
            let name = row.to_string();
            setting.rows.is_empty() || setting.rows.iter().any(|part| name.contains(part.as_str()))
        })
        .collect()
}

/// How late a wait may be that nothing disturbs: as late as it usually is on the host, which is
/// patched itself, so that there is a limit to that.
fn lateness_on_host(setting: &Setting, row: Row) -> Outcome<Ns> {
    let trial = Trial {
        row,
        world: &World::Host,
        scenario: Scenario::Undisturbed,
        length: LENGTH,
        patience: patience(setting),
    };
    let noise = match row.call.precision {
        Precision::Exact => NOISE,
        Precision::Ticks => host::tick() + NOISE,
        Precision::Paced => pace::INTERVAL + NOISE,
    };
    let mut late = [0; 3];
    for late in &mut late {
        *late = wait_long_enough(&trial)?;
    }
    // Now and then other work of the kernel comes first, which is not the call's lateness.
    late.sort_unstable();
    let most = host::resolution() + noise + HOST_LATE;
    check!(late[1] <= most, "it ended {late:?} ns late, {most} at most");
    // Where timers expire with the tick, how late is a matter of luck.
    Ok(late[1].max(host::resolution()) + noise)
}

/// Waits, and checks that it was long enough. Says how late it ended.
fn wait_long_enough(trial: &Trial<'_>) -> Outcome<Ns> {
    let ended = trial.repeat()?;
    if ended.late < 0 {
        fail!(
            "it ended {} ns early by its clock: at {} instead of {}",
            -ended.late,
            ended.at,
            ended.until
        );
    }
    Ok(ended.late)
}

/// Waits, and checks that it was long enough and, with an allowance, not too long. That other work
/// came first is no excuse the third time.
fn judge(trial: &Trial<'_>, allowed: Option<Ns>) -> Outcome {
    let mut least = Ns::MAX;
    for _ in 0..3 {
        least = least.min(wait_long_enough(trial)?);
        if allowed.is_none_or(|allowed| least <= allowed) {
            return Ok(());
        }
    }
    fail!(
        "it ended {least} ns of reference time late, by the host's it would be {}",
        allowed.unwrap_or(0)
    )
}

/// Time enough for what is not lost.
fn patience(setting: &Setting) -> Ns {
    if setting.exact {
        SEC / 2
    } else {
        60 * SEC
    }
}

fn try_rows(setting: &Setting, worlds: &[World], scenario: Scenario) -> Outcome {
    if !setting.exact && setting.rows.is_empty() {
        return Err(Trouble::Skip(
            "it takes very long where idle takes time: --exact, or --row for some".into(),
        ));
    }
    let mut tally = Tally::default();
    for row in rows(setting) {
        let exempt = match row.call.precision {
            Precision::Ticks => scenario.changes_clock(),
            _ => false,
        };
        let disturbed = scenario.stops_process() && row.call.stopping == Stopping::Disturbs;
        if exempt || disturbed {
            continue;
        }
        let host = match setting.exact {
            true => Some(lateness_on_host(setting, row)),
            false => None,
        };
        let host = match host.transpose() {
            Ok(host) => host,
            Err(trouble) => {
                tally.count(&format!("{row} on the host"), Err(trouble))?;
                continue;
            }
        };
        let window = if scenario.changes_clock() {
            REKEY_WINDOW
        } else {
            0
        };
        for world in worlds {
            let trial = Trial {
                row,
                world,
                scenario,
                length: LENGTH,
                patience: patience(setting),
            };
            // They are counted in the namespace's time, of which one is longer at a slow rate.
            let ticks = match row.call.precision {
                Precision::Ticks => host::tick() * SEC / per_second(world.rate()),
                _ => 0,
            };
            let judged = judge(&trial, host.map(|host| host + window + ticks));
            tally.count(&trial.name(), judged)?;
        }
    }
    tally.outcome()
}

/// Namespaces of all rates, far from the host's time.
fn own_clocks() -> Outcome<Vec<World>> {
    let world = |rate: Parts| {
        let lines = Lines::new()
            .rate(rate.0, rate.1)
            .monotonic(1000 * SEC)
            .boottime(86_400 * SEC)
            .realtime(-1_000_000 * SEC);
        Ok(World::Own(Tracked::new(&lines)?.namespace, rate))
    };
    RATES.into_iter().map(world).collect()
}

fn with_own_clocks(setting: &Setting, scenario: Scenario) -> Outcome {
    try_rows(setting, &own_clocks()?, scenario)
}

fn on_host(setting: &Setting) -> Outcome {
    try_rows(setting, &[World::Host], Scenario::Undisturbed)?;
    try_rows(setting, &[World::Host], Scenario::Stopped)
}

fn with_offsets(setting: &Setting) -> Outcome {
    let world = |monotonic: Ns, boottime: Ns| {
        let pending = Pending::new()?;
        pending.write(
            Lines::new()
                .monotonic(monotonic * SEC)
                .boottime(boottime * SEC),
        )?;
        Ok(World::Plain(pending.detach()?))
    };
    let worlds = [world(1000, 86_400)?, world(500, 0)?];
    try_rows(setting, &worlds, Scenario::Undisturbed)?;
    try_rows(setting, &worlds, Scenario::Stopped)
}

fn undisturbed(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::Undisturbed)
}

fn rate_up(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::RateUp)
}

fn rate_down(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::RateDown)
}

fn step_forward(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::StepForward)
}

fn step_past(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::StepPast)
}

fn step_back(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::StepBack)
}

fn frozen(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::Frozen)
}

fn stopped(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::Stopped)?;
    with_own_clocks(setting, Scenario::StoppedForLong)
}

fn traced(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::Traced)
}

fn group_frozen(setting: &Setting) -> Outcome {
    with_own_clocks(setting, Scenario::GroupFrozen)
}
