// SPDX-License-Identifier: GPL-2.0

//! Periodic timers keep their phase in namespace time, and count what was missed.

use crate::clock::Clock;
use crate::failure::{check, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::proc_file::{ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::timers::call::Timeout;
use crate::timers::calls::interval::Itimer;
use crate::timers::calls::posix_timer::Timer;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timers::scenario::{per_second, Parts};
use crate::timers::signal::Blocked;
use crate::tracked::Tracked;

tests![timerfd, posix_timer, itimer,];

const SEC: Ns = 1_000_000_000;
const RATES: [Parts; 4] = [(0, 500_000_000), (1, 50_000), (2, 0), (100, 0)];
const TIMEOUTS: [Timeout; 4] = [
    Timeout::absolute(Clock::Monotonic),
    Timeout::absolute(Clock::Boottime),
    Timeout::absolute(Clock::Realtime),
    Timeout::relative(Clock::Realtime),
];

/// Something periodic.
trait Periodic {
    /// Starts it: first at a time, or after a length, and then every `period`.
    fn start(&self, first: Ns, period: Ns) -> Outcome;
    /// Waits for its next expiry. Says how often it has expired since the last time.
    fn expiries(&self) -> Outcome<u64>;
    /// How long it is until the next.
    fn left(&self) -> Outcome<Ns>;
    /// What times are rounded to.
    fn unit(&self) -> Ns;
}

impl Periodic for TimerFd {
    fn start(&self, first: Ns, period: Ns) -> Outcome {
        self.arm(first, period)
    }

    fn expiries(&self) -> Outcome<u64> {
        self.read().context("reading a timerfd")
    }

    fn left(&self) -> Outcome<Ns> {
        self.left()
    }

    fn unit(&self) -> Ns {
        1
    }
}

impl Periodic for (Timer, Blocked) {
    fn start(&self, first: Ns, period: Ns) -> Outcome {
        self.0.arm(first, period).map(drop)
    }

    fn expiries(&self) -> Outcome<u64> {
        self.1.wait()?;
        Ok(self.0.overrun()?.map_or(0, |overrun| 1 + overrun as u64))
    }

    fn left(&self) -> Outcome<Ns> {
        self.0.left()
    }

    fn unit(&self) -> Ns {
        1
    }
}

/// When it starts and by which clock, and how far it has come.
struct Watched<'a> {
    timer: &'a dyn Periodic,
    clock: Clock,
    first: (Ns, Ns),
    period: Ns,
    count: Ns,
    /// The latest that its clock was, which is before now after a step back.
    latest: Ns,
    /// No later than this was it when it was set back, unseen.
    unseen: Ns,
}

impl<'a> Watched<'a> {
    fn start(timer: &'a dyn Periodic, timeout: Timeout, period: Ns) -> Outcome<Self> {
        let clock = timeout.ends_by();
        let before = clock.now()?;
        let first = before + period;
        timer.start(if timeout.absolute { first } else { period }, period)?;
        let after = clock.now()?;
        let last = if timeout.absolute {
            first
        } else {
            after + period + timer.unit()
        };
        Ok(Self {
            timer,
            clock,
            first: (first, last),
            period,
            count: 0,
            latest: after,
            unseen: after,
        })
    }

    /// How many expiries there are until `time`, at most and at least.
    fn expected(&self, time: Ns) -> (Ns, Ns) {
        let by = |first: Ns| ((time - first).div_euclid(self.period) + 1).max(0);
        (by(self.first.0), by(self.first.1))
    }

    /// REALTIME is set back by `step`: until then it goes on, and the timer may expire.
    fn set_back(&mut self, step: impl FnOnce() -> Outcome) -> Outcome {
        let begun = Clock::Monotonic.now()?;
        let before = self.clock.now()?;
        step()?;
        self.unseen = before + Clock::Monotonic.now()? - begun;
        Ok(())
    }

    /// Waits for the next expiry, and checks the count of all and what is left.
    fn verify(&mut self) -> Outcome {
        let mut before = self.clock.now()?;
        self.count += Ns::from(self.timer.expiries()?);
        // A timerfd that was asked what is left has counted, and armed the next. Then it says at
        // once what it has counted, also while the interrupt of the next is on its way.
        if self.count < self.expected(self.latest.max(before)).1 {
            before = self.clock.now()?;
            self.count += Ns::from(self.timer.expiries()?);
        }
        let after = self.clock.now()?;
        let (_, least) = self.expected(self.latest.max(before));
        let (most, _) = self.expected(self.latest.max(self.unseen).max(after));
        check!(
            (least..=most).contains(&self.count),
            "it has expired {} times between {before} and {after} of {}, should be {least}..={most}",
            self.count,
            self.clock
        );
        self.latest = self.latest.max(after);

        // The next expiry has the phase of the first.
        let before = self.clock.now()?;
        let left = self.timer.left()?;
        let after = self.clock.now()?;
        // It is due, but its interrupt is still on its way: a posix timer always has a ns left.
        if left <= 1 {
            let (due, _) = self.expected(self.latest.max(self.unseen).max(after));
            check!(
                due > self.count,
                "{left} ns are left at {after} of {}, of expiry {} when {due} are due",
                self.clock,
                self.count + 1
            );
            return Ok(());
        }
        let (low, high) = (before + left - self.first.1, after + left - self.first.0);
        let unit = self.timer.unit();
        let whole = (high + unit).div_euclid(self.period) * self.period;
        check!(
            whole >= low - unit,
            "{left} ns are left between {before} and {after} of {}, which is not the phase: \
             first {:?}, every {}",
            self.clock,
            self.first,
            self.period
        );
        Ok(())
    }
}

/// So much of reference time, as a period of a clock that runs at `rate`.
fn some_milliseconds(rate: Parts) -> Ns {
    // The kernel makes one that is shorter than its resolution longer.
    (per_second(rate) / 250 / 1000 * 1000).max(host::resolution())
}

/// Runs a periodic timer through changes of its clock.
fn run(host: &Namespace, timer: &dyn Periodic, timeout: Timeout, rate: Parts) -> Outcome {
    let pass = |ns| host.inside(|| host::pass(ns));
    let period = some_milliseconds(rate);
    let mut watched = Watched::start(timer, timeout, period)?;
    let mut verify = |what: &str| {
        for _ in 0..3 {
            watched.verify().during(what)?;
        }
        Ok(())
    };
    let change = |lines: Lines| {
        ProcFile::Clock
            .write("self", lines.to_string())
            .context("a change")
            .map(drop)
    };
    let realtime = || {
        let state = State::read("self")?.context("timens_clock is empty")?;
        Ok(state.realtime)
    };
    verify("undisturbed")?;
    pass(SEC / 50)?;
    verify("read late")?;
    let (secs, nsecs) = rate;
    change(Lines::new().rate(secs * 2, nsecs / 1000 * 1999))?;
    verify("faster")?;
    change(Lines::new().rate(secs / 2, 250_000_000))?;
    verify("slower")?;
    change(Lines::new().rate(0, 0))?;
    pass(SEC / 50)?;
    change(Lines::new().rate(secs, nsecs))?;
    verify("thawed")?;
    change(Lines::new().realtime(realtime()? + 21 * period / 2))?;
    verify("stepped forward")?;
    watched.set_back(|| change(Lines::new().realtime(realtime()? - 3 * period)))?;
    for _ in 0..3 {
        watched.verify().during("stepped back")?;
    }
    Ok(())
}

fn in_namespaces(timers: fn(Entry, Timeout) -> Outcome<Box<dyn Periodic>>) -> Outcome {
    for rate in RATES {
        let lines = Lines::new().rate(rate.0, rate.1).monotonic(1000 * SEC);
        for timeout in TIMEOUTS {
            for &entry in Entry::ALL {
                let tracked = Tracked::new(&lines)?;
                let host = Namespace::current()?;
                let ran = tracked.namespace.inside(|| {
                    let timer = timers(entry, timeout)?;
                    run(&host, &*timer, timeout, rate)
                });
                ran.during(format_args!("{timeout} by {entry} at rate {rate:?}"))?;
            }
        }
    }
    Ok(())
}

fn timerfd(_: &Setting) -> Outcome {
    in_namespaces(|entry, timeout| Ok(Box::new(TimerFd::new(entry, timeout, 0)?)))
}

fn posix_timer(_: &Setting) -> Outcome {
    in_namespaces(|entry, timeout| {
        let signal = libc::SIGRTMIN();
        let blocked = Blocked::new(signal)?;
        let timer = Timer::new(entry, timeout, libc::SIGEV_SIGNAL, signal)?;
        Ok(Box::new((timer, blocked)))
    })
}

/// It has no count: that a signal comes after each period is what there is to see.
fn itimer(_: &Setting) -> Outcome {
    for rate in RATES {
        let tracked = Tracked::new(&Lines::new().rate(rate.0, rate.1))?;
        tracked.namespace.inside(|| {
            for entry in [Entry::Native, Entry::Time32] {
                Task::spawn(|| ticks(rate, entry))?.join()?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn ticks(rate: Parts, entry: Entry) -> Outcome {
    let blocked = Blocked::new(libc::SIGALRM)?;
    let timer = Itimer::new(entry)?;
    let period = some_milliseconds(rate);
    let start = Clock::Monotonic.now()?;
    timer.arm(period, period)?;
    for i in 1..=20 {
        blocked.wait()?;
        let now = Clock::Monotonic.now()?;
        check!(
            now >= start + i * period,
            "signal {i} came {} ns after the start, one every {period} was due",
            now - start
        );
        let left = timer.left()?;
        check!(left <= period, "{left} ns are left of {period}");
    }
    Ok(())
}
