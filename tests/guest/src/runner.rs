// SPDX-License-Identifier: GPL-2.0

//! Runs tests, each in a process of its own, and says what came of them.

use std::io::{self, Write};
use std::path::PathBuf;

use rustix::process::{
    kill_process_group, set_child_subreaper, setsid, waitpid, Pid, Signal, WaitOptions,
};
use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

use crate::failure::{Context, Outcome, Trouble};
use crate::module::{self, Counter};
use crate::sys::Ns;
use crate::task::{pin_to, Task};

/// What a test has to know about where it runs.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Whether the kernel is slow because it checks itself.
    pub(crate) debug: bool,
    /// The file of the module.
    pub(crate) module: Option<PathBuf>,
    /// Whether time passes by instructions, so that durations can be compared.
    pub(crate) exact: bool,
    /// Which calls that wait are asked for, by parts of their names: all if there are none.
    pub(crate) rows: Vec<String>,
    /// How many timers have to expire where that is counted, if it was said.
    pub(crate) count: Option<usize>,
    /// How many sequences of calls clocks are compared by, if it was said.
    pub(crate) sequences: Option<usize>,
    /// How many random calls there are, if it was said.
    pub(crate) calls: Option<usize>,
    /// Where random operations start.
    pub(crate) seed: u64,
    /// For how many seconds a test may go on, if it was said.
    pub(crate) limit: Option<u32>,
}

impl Setting {
    /// How many timers have to expire, if it was not said: by kernel.
    pub(crate) fn expiries(&self, production: usize, debug: usize) -> usize {
        self.count.unwrap_or(self.by_kernel(production, debug))
    }

    /// `production` or `debug`, by kernel.
    pub(crate) fn by_kernel<T>(&self, production: T, debug: T) -> T {
        if self.debug {
            debug
        } else {
            production
        }
    }
}

/// A test.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    /// Whether it is about what mainline does as well, so that it passes without this project.
    pub(crate) mainline: bool,
    pub(crate) run: fn(&Setting) -> Outcome,
}

/// A list of tests: `name` for one of own clocks, `name: mainline` for one that mainline passes.
macro_rules! tests {
    ($($name:ident $(: $mainline:ident)?),+ $(,)?) => {
        /// The tests of this file.
        pub(crate) const TESTS: &[$crate::runner::Test] = &[$(
            $crate::runner::Test {
                name: concat!(module_path!(), "::", stringify!($name)),
                mainline: $crate::runner::tests!(@ $($mainline)?),
                run: $name,
            }
        ),+];
    };
    (@ mainline) => { true };
    (@) => { false };
}

pub(crate) use tests;

impl Test {
    /// The name without what all names have in common.
    pub(crate) fn short_name(&self) -> &'static str {
        self.name
            .strip_prefix("guest_tests::tests::")
            .unwrap_or(self.name)
    }

    /// Runs it, in a process that is ended after `limit` ns, and checks that nothing is left.
    fn execute(&self, setting: &Setting, cpus: &CpuSet, limit: Ns) -> Outcome {
        let clocks = module::is_there()
            .then(|| Counter::Clocks.read())
            .transpose()?;
        let mut task = Task::spawn(|| {
            setsid().context("setsid")?;
            sched_setaffinity(None, cpus).context("sched_setaffinity")?;
            (self.run)(setting)
        })?;
        let ended = task.wait_for(limit);
        let group = task.pid();
        // Its children, too. The group is gone when there were none.
        let _ = kill_process_group(group, Signal::KILL);
        task.kill();
        reap_orphans();
        let outcome = match ended? {
            true => task.outcome(),
            false => Err(Trouble::Fail(format!(
                "not done after {} s",
                limit / 1_000_000_000
            ))),
        };
        outcome?;
        match clocks {
            Some(clocks) => module::wait_for_clocks(clocks),
            None => Ok(()),
        }
    }
}

/// Waits for the children of ended children, which become those of this process.
fn reap_orphans() {
    while let Ok(Some(_)) = waitpid(None, WaitOptions::empty()) {}
}

/// How many tests came to what.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    /// Whether there were tests, and none failed.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed + self.skipped > 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Runs tests one after the other and prints a line for each.
pub(crate) fn run<'a>(tests: impl Iterator<Item = &'a Test>, setting: &Setting) -> Outcome<Tally> {
    // Of reference time, which passes slowly if the machine is: far more than any test takes.
    let limit = setting.limit.map_or(setting.by_kernel(180, 600), Ns::from) * 1_000_000_000;
    let cpus = sched_getaffinity(None).context("sched_getaffinity")?;
    // Where the test is that wants all others out of its way: see tests/reload.rs.
    pin_to(0)?;
    set_child_subreaper(Pid::from_raw(1)).context("subreaper")?;
    let mut tally = Tally::default();
    for test in tests {
        let name = test.short_name();
        let line = match test.execute(setting, &cpus, limit) {
            Ok(()) => {
                tally.passed += 1;
                format!("ok {name}")
            }
            Err(Trouble::Fail(why)) => {
                tally.failed += 1;
                format!("FAIL {name}: {why}")
            }
            Err(Trouble::Skip(why)) => {
                tally.skipped += 1;
                format!("skip {name}: {why}")
            }
        };
        let mut out = io::stdout();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .context("standard output")?;
    }
    Ok(tally)
}
