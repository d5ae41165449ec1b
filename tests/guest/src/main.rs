// SPDX-License-Identifier: GPL-2.0

//! Tests of time namespaces with a clock of their own, on a kernel that has them. They run as root
//! in a virtual machine, because they remove the module and switch the clock source:
//!
//! ```text
//! scripts/vm --cpus 4 -- target/release/guest-tests [--filter NAME]... [--module FILE]
//! ```
//!
//! # How to add a test
//!
//! A test is a function `fn(&Setting) -> Outcome` in a file under `tests/`, named in that file's
//! [`tests!`](runner::tests) list; a new file goes into [`tests::all`]. It
//! runs in a process of its own, which starts on the host's clocks and with one thread. What it
//! leaves behind is killed, and a clock that is left is a failure of the test.
//!
//! - [`tracked::Tracked`] makes an own-clock namespace and knows from then on
//!   what each of its clocks has to read: `Tracked::new(&Lines::new().rate(2, 0))?.verify()?`.
//! - [`namespace::Pending`] is a namespace that nobody has entered, for a test of what may be
//!   written, and [`namespace::Namespace::inside`] runs a closure in a namespace.
//! - [`task::Task`] is another process, [`task::Gate`] lets one wait for another.
//! - [`check!`](failure::check) and [`check_eq!`](failure::check_eq) end a test that has found
//!   something wrong, [`Context`](failure::Context) makes an error of what had to succeed one.
//!
//! Emulation is slow, and it stops a processor for many milliseconds when it likes. So no test has
//! a tolerance: it reads the host's clock before and after, and what was read in between has to
//! lie between what the clock would be at these two moments ([`span::Span`],
//! [`expectation::Expectation`]). Time limits are for what hangs, never for what is slow.
//!
//! How late a timer is can only be said where time passes by instructions. So the table of all calls
//! that wait (`tests/timers/table.rs`) has a run of its own, and the torture has options:
//!
//! ```text
//! scripts/vm --warp --cpus 2 -- target/release/guest-tests --exact --limit 1000 \
//!     --filter timers::table --filter timers::long [--row NAME]...
//! scripts/vm --cpus 8 -- target/release/guest-tests --filter timers::torture \
//!     --expiries 1000000 --seed 1 --limit 3000
//! ```
//!
//! See a new test fail: break what it tests, in the kernel, the module or the test's own
//! expectation.

#![deny(unsafe_code)]

mod bystanders;
mod clock;
mod expectation;
mod failure;
mod guard;
mod host;
mod lines;
mod means;
mod model;
mod module;
mod namespace;
mod proc_file;
mod random;
mod rate;
mod rtc;
mod runner;
mod script;
mod span;
mod sys;
mod task;
mod tests;
mod timers;
mod timex;
mod trace;
mod tracked;
mod trajectory;
mod vdso;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::runner::{Setting, Test};
use crate::timers::call::Row;
use crate::trajectory::{Kind, Plan};

/// Tests of time namespaces with a clock of their own.
#[derive(Parser)]
struct Options {
    /// Run only tests with this in their name, or with one of several
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,
    /// Do less and wait longer, as on a kernel that checks its locks
    #[arg(long)]
    debug_kernel: bool,
    /// Run only what passes on the unpatched kernel as well
    #[arg(long)]
    mainline: bool,
    /// The module's file, for the tests that remove and load it
    #[arg(long, value_name = "FILE", env = "TIMENS_MODULE")]
    module: Option<PathBuf>,
    /// Instead of the other tests: put the machine to sleep. Afterwards most of its devices are gone
    #[arg(long)]
    suspend: bool,
    /// Instead of the tests: measure how much memory N namespaces take
    #[arg(long, value_name = "N")]
    many: Option<usize>,
    /// Time passes by instructions, as in `scripts/vm --warp`: compare how late timers are
    #[arg(long)]
    exact: bool,
    /// In tests of all calls that wait, only those with this in their name
    #[arg(long, value_name = "NAME")]
    row: Vec<String>,
    /// How many timers expire in the tests that count them
    #[arg(long, value_name = "N")]
    expiries: Option<usize>,
    /// How many sequences of calls the host and a namespace are compared by
    #[arg(long, value_name = "N")]
    sequences: Option<usize>,
    /// Instead of the tests: print how the host's clock slews in N sequences of calls
    #[arg(long, value_name = "N")]
    trajectories: Option<usize>,
    /// The number of the first of them
    #[arg(long, requires = "trajectories", value_name = "N", default_value_t = 0)]
    first: usize,
    /// The same of clocks of namespaces, all at once
    #[arg(long, requires = "trajectories")]
    in_namespaces: bool,
    /// By what all trajectories slew
    #[arg(long, requires = "trajectories")]
    kind: Option<Kind>,
    /// For how many seconds a trajectory is followed
    #[arg(long, value_name = "S", default_value_t = 3600)]
    seconds: u32,
    /// How many random calls there are in tests of such
    #[arg(long, value_name = "N")]
    calls: Option<usize>,
    /// For how many seconds of the host's clock a test may go on
    #[arg(long, value_name = "S")]
    limit: Option<u32>,
    /// What random operations depend on
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Instead of the tests: run a command, and check that it has not touched a clock outside of the
    /// namespaces that it makes
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "COMMAND")]
    guard: Vec<String>,
    /// Print the names of the tests
    #[arg(long)]
    list: bool,
    /// Print the clocks' readings: what tests execute in a namespace
    #[arg(long, hide = true)]
    print_clocks: bool,
    /// Instead of the tests: print what the host makes of calls that are to be refused
    #[arg(long)]
    print_refusals: bool,
}

impl Options {
    fn selects(&self, test: &Test) -> bool {
        let named = |filter: &String| test.short_name().contains(filter.as_str());
        (self.filter.is_empty() || self.filter.iter().any(named)) && self.may_run(test)
    }

    /// Whether such a test can be selected.
    fn may_run(&self, test: &Test) -> bool {
        let name = test.short_name();
        (test.mainline || !self.mainline) && name.starts_with("suspend::") == self.suspend
    }

    /// What selects no test, or no row: a name that there is no more.
    fn pointless(&self) -> Option<&str> {
        let selects_test = |name: &str| {
            let mut tests = tests::all().filter(|test| self.may_run(test));
            tests.any(|test| test.short_name().contains(name))
        };
        let selects_row = |name: &str| Row::all().any(|row| row.to_string().contains(name));
        let mut filters = self.filter.iter().map(String::as_str);
        let mut rows = self.row.iter().map(String::as_str);
        filters
            .find(|name| !selects_test(name))
            .or_else(|| rows.find(|name| !selects_row(name)))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let setting = Setting {
        debug: options.debug_kernel || Path::new("/proc/lockdep").exists(),
        module: options.module.clone(),
        exact: options.exact,
        rows: options.row.clone(),
        count: options.expiries,
        sequences: options.sequences,
        calls: options.calls,
        seed: options.seed,
        limit: options.limit,
    };
    if !options.guard.is_empty() {
        return match guard::run(&options.guard) {
            Ok(status) => ExitCode::from(status),
            Err(trouble) => {
                eprintln!("guest-tests: {trouble}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(name) = options.pointless() {
        eprintln!("guest-tests: nothing has {name:?} in its name");
        return ExitCode::FAILURE;
    }
    let selected = || tests::all().filter(|test| options.selects(test));
    let result = if options.print_clocks {
        tests::processes::print_clocks().map(|()| true)
    } else if options.print_refusals {
        tests::setting::refusals::print().map(|()| true)
    } else if let Some(count) = options.many {
        tests::many::report(count).map(|()| true)
    } else if let Some(sequences) = options.trajectories {
        let plan = Plan {
            sequences: options.first..options.first.saturating_add(sequences),
            seconds: options.seconds,
            seed: options.seed,
            kind: options.kind,
        };
        plan.print(options.in_namespaces).map(|()| true)
    } else if options.list {
        selected().for_each(|test| println!("{}", test.short_name()));
        Ok(true)
    } else {
        runner::run(selected(), &setting).map(|tally| {
            println!("{tally}");
            tally.is_good()
        })
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("guest-tests: {trouble}");
            ExitCode::FAILURE
        }
    }
}
