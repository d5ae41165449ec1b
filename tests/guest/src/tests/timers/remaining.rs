// SPDX-License-Identifier: GPL-2.0

//! What is left of a timeout, as a call says, is the namespace's time.

use std::rc::Rc;

use crate::clock::Clock;
use crate::failure::{check, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::{ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::timers::call::Timeout;
use crate::timers::calls::interval::{set_alarm, Itimer};
use crate::timers::calls::posix_timer::Timer;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timers::scenario::Parts;
use crate::timers::signal::Blocked;
use crate::tracked::Tracked;

tests![
    with_offsets: mainline,
    posix_timer,
    silent_posix_timer,
    timerfd,
    itimer,
    alarm,
];

const SEC: Ns = 1_000_000_000;
/// Longer than any test takes.
const LENGTH: Ns = 1_000_000 * SEC;
const RATES: [Parts; 4] = [(0, 500_000_000), (1, 50_000), (2, 0), (100, 0)];

/// A timer that was armed.
struct Armed {
    name: String,
    /// The clock by which it expires, and when that is.
    clock: Clock,
    earliest: Ns,
    latest: Ns,
    /// What is left is a multiple of this.
    unit: Ns,
    left: Box<dyn Fn() -> Outcome<Ns>>,
}

impl Armed {
    /// Arms one by `arm`, which is given a length or a time. `left` says what is left.
    fn new(
        name: &str,
        entry: Entry,
        timeout: Timeout,
        arm: impl FnOnce(Ns) -> Outcome,
        left: impl Fn() -> Outcome<Ns> + 'static,
    ) -> Outcome<Self> {
        let clock = timeout.ends_by();
        let before = clock.now()?;
        let until = before + LENGTH;
        arm(if timeout.absolute { until } else { LENGTH })?;
        Ok(Self {
            name: format!("{name} {timeout} by {entry}"),
            clock,
            earliest: until,
            latest: if timeout.absolute {
                until
            } else {
                clock.now()? + LENGTH
            },
            unit: 1,
            left: Box::new(left),
        })
    }

    fn verify(&self) -> Outcome {
        let before = self.clock.now()?;
        let left = (self.left)()?;
        let after = self.clock.now()?;
        // Parts of a unit are left out or rounded up.
        check!(
            (self.earliest - after - self.unit..=self.latest - before + self.unit).contains(&left),
            "{} has {left} ns left between {before} and {after}, should expire in {}..={}",
            self.name,
            self.earliest,
            self.latest
        );
        Ok(())
    }
}

type Timers = fn() -> Outcome<Vec<Armed>>;

fn verify(timers: &[Armed]) -> Outcome {
    timers.iter().try_for_each(Armed::verify)
}

/// Checks what is left in namespaces of all rates, and after changes of theirs.
fn in_namespaces(timers: Timers) -> Outcome {
    for rate in RATES {
        let lines = Lines::new()
            .rate(rate.0, rate.1)
            .monotonic(1000 * SEC)
            .boottime(5 * SEC)
            .realtime(-1000 * SEC);
        let tracked = Tracked::new(&lines)?;
        let host = Namespace::current()?;
        // On the host's time, because the namespace's may stand still.
        let pass = |ns| host.inside(|| host::pass(ns));
        tracked
            .namespace
            .inside(|| {
                let timers = timers()?;
                verify(&timers).during("at first")?;
                pass(SEC / 100)?;
                verify(&timers).during("a while later")?;
                let realtime = || {
                    let state = State::read("self")?.context("timens_clock is empty")?;
                    Ok(state.realtime)
                };
                for (what, lines) in [
                    ("at another rate", Lines::new().rate(3, 0)),
                    ("frozen", Lines::new().rate(0, 0)),
                    ("thawed", Lines::new().rate(0, 125_000_000)),
                    (
                        "after a step forward",
                        Lines::new().realtime(realtime()? + 10_000 * SEC),
                    ),
                    (
                        "after a step back",
                        Lines::new().realtime(realtime()? - 10_000 * SEC),
                    ),
                ] {
                    ProcFile::Clock
                        .write("self", lines.to_string())
                        .context(what)?;
                    verify(&timers).during(what)?;
                    pass(SEC / 1000)?;
                    verify(&timers).during(format_args!("{what}, a while later"))?;
                }
                Ok(())
            })
            .during(format_args!("rate {rate:?}"))?;
    }
    Ok(())
}

fn posix_timers_that(notify: i32) -> Outcome<Vec<Armed>> {
    let signal = libc::SIGRTMIN();
    Blocked::new(signal)?;
    let mut armed = Vec::new();
    for &timeout in Timeout::ALL.iter().chain(Timeout::TAI) {
        for &entry in Entry::ALL {
            let timer = Rc::new(Timer::new(entry, timeout, notify, signal)?);
            let other = timer.clone();
            armed.push(Armed::new(
                "timer",
                entry,
                timeout,
                |ns| timer.arm(ns, 0).map(drop),
                move || other.left(),
            )?);
        }
    }
    Ok(armed)
}

fn timerfds() -> Outcome<Vec<Armed>> {
    let mut armed = Vec::new();
    for &timeout in Timeout::ALL {
        for &entry in Entry::ALL {
            let timer = Rc::new(TimerFd::new(entry, timeout, 0)?);
            let other = timer.clone();
            armed.push(Armed::new(
                "timerfd",
                entry,
                timeout,
                |ns| timer.arm(ns, 0),
                move || other.left(),
            )?);
        }
    }
    Ok(armed)
}

/// The process' only timer of real time, which both entries are asked for.
fn itimers() -> Outcome<Vec<Armed>> {
    Blocked::new(libc::SIGALRM)?;
    let native = Itimer::new(Entry::Native)?;
    let narrow = Itimer::new(Entry::Time32)?;
    let armed = Armed::new(
        "itimer",
        Entry::Native,
        Timeout::MONOTONIC[0],
        |ns| native.arm(ns, 0),
        move || native.left(),
    )?;
    let by_narrow = Armed {
        name: "itimer by 32".into(),
        clock: armed.clock,
        earliest: armed.earliest,
        latest: armed.latest,
        unit: 1000,
        left: Box::new(move || narrow.left()),
    };
    Ok(vec![
        Armed {
            unit: 1000,
            ..armed
        },
        by_narrow,
    ])
}

fn posix_timer(_: &Setting) -> Outcome {
    in_namespaces(|| posix_timers_that(libc::SIGEV_SIGNAL))
}

fn silent_posix_timer(_: &Setting) -> Outcome {
    in_namespaces(|| posix_timers_that(libc::SIGEV_NONE))
}

fn timerfd(_: &Setting) -> Outcome {
    in_namespaces(timerfds)
}

fn itimer(_: &Setting) -> Outcome {
    in_namespaces(itimers)
}

/// The alarm says what is left when it is set again, in seconds.
fn alarm(_: &Setting) -> Outcome {
    Blocked::new(libc::SIGALRM)?;
    for entry in [Entry::Native, Entry::Time32] {
        let tracked = Tracked::new(&Lines::new().rate(200, 0))?;
        tracked.namespace.inside(|| {
            let begun = Clock::Monotonic.now()?;
            set_alarm(entry, 1_000_000)?;
            let start = Clock::Monotonic.now()?;
            for _ in 0..3 {
                host::pass(SEC / 100)?;
            }
            let before = Clock::Monotonic.now()?;
            let left = set_alarm(entry, 0)? as Ns * SEC;
            let passed = Clock::Monotonic.now()? - begun;
            let until = 1_000_000 * SEC;
            // Rounded to the nearest second, and armed between `begun` and `start`.
            check!(
                left >= until - passed - 2 * SEC && left <= until - (before - start) + SEC,
                "{left} ns are left of 1000000 s after {passed} ns, by {entry}"
            );
            Ok(())
        })?;
    }
    Ok(())
}

fn with_offsets(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write(Lines::new().monotonic(1000 * SEC).boottime(77 * SEC))?;
    pending.detach()?.inside(|| {
        for timers in [
            || posix_timers_that(libc::SIGEV_SIGNAL),
            || posix_timers_that(libc::SIGEV_NONE),
            timerfds as Timers,
            itimers,
        ] {
            let timers = timers()?;
            verify(&timers)?;
            host::pass(SEC / 100)?;
            verify(&timers)?;
        }
        Ok(())
    })
}
