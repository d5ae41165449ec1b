// SPDX-License-Identifier: GPL-2.0

//! A leap second: inserted in one namespace, deleted in another, none on the host, all at once.
//!
//! Each is sampled every millisecond by a process in it. MONOTONIC knows no leap seconds, so that
//! what REALTIME is ahead of it says on which side of the leap a sample is; to the nanosecond, but
//! for the time that taking the sample takes.

use rustix::io::Errno;

use crate::bystanders::Bystanders;
use crate::clock::Clock;
use crate::failure::{check, check_eq, fail, Context, During, Outcome};
use crate::host::{self, ahead};
use crate::lines::Lines;
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::task::{Gate, Task};
use crate::timers::call::Timeout;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timex::{self, modes, Adjuster, Timex};
use crate::tracked::Tracked;

tests![at_midnight, until_midnight, called_off,];

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
/// The end of a day.
const MIDNIGHT: Ns = 20_000 * 86_400 * SEC;
/// TAI - UTC before it.
const TAI: i32 = 37;
/// When timers are due, relative to midnight.
const DUE: [Ns; 9] = [
    -1_500 * MSEC,
    -1_000 * MSEC,
    -999 * MSEC,
    -500 * MSEC,
    -MSEC,
    0,
    MSEC,
    500 * MSEC,
    1_500 * MSEC,
];
/// How late a timer may be where time passes by instructions, and a sample after that.
const LATE: Ns = 3 * MSEC;

/// What happens at midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leap {
    Insert,
    Delete,
}

impl Leap {
    fn status(self) -> i32 {
        match self {
            Self::Insert => libc::STA_INS,
            Self::Delete => libc::STA_DEL,
        }
    }

    /// The state of a clock that expects it.
    fn expected(self) -> i32 {
        match self {
            Self::Insert => libc::TIME_INS,
            Self::Delete => libc::TIME_DEL,
        }
    }

    /// How far REALTIME goes ahead.
    fn step(self) -> Ns {
        match self {
            Self::Insert => -SEC,
            Self::Delete => SEC,
        }
    }

    /// What REALTIME would read at the leap, without it.
    fn instant(self) -> Ns {
        match self {
            Self::Insert => MIDNIGHT,
            Self::Delete => MIDNIGHT - SEC,
        }
    }

    /// What REALTIME would read, without a leap, when a timer until `time` is due.
    fn due(self, time: Ns) -> Ns {
        match self {
            // The first time, if there are two.
            _ if time < self.instant() => time,
            Self::Insert => time + SEC,
            // At the leap, if that time is left out.
            Self::Delete => (time - SEC).max(self.instant()),
        }
    }
}

/// A timer, and whether it has expired.
struct Watched {
    timer: TimerFd,
    until: Ns,
    expired: bool,
}

/// A process in a namespace with a leap second.
struct Sampler {
    leap: Leap,
    adjuster: Adjuster,
    /// What REALTIME is ahead of MONOTONIC, without the leap: nearer with each sample.
    ahead: Span,
    timers: Vec<Watched>,
    /// Whether it can be said that a timer is late.
    exact: bool,
    states: Vec<i32>,
}

impl Sampler {
    /// Sets the clock to shortly before midnight, and asks for the leap.
    fn new(leap: Leap, exact: bool) -> Outcome<Self> {
        let adjuster = Adjuster::adjtimex(Entry::Native)?;
        adjuster.adjust(&Timex::of(modes::TAI).constant(TAI.into()))?;
        sys::clock_settime(libc::CLOCK_REALTIME, MIDNIGHT - 3_700 * MSEC).context("settime")?;
        let request = Timex::of(modes::STATUS | modes::MAXERROR).status(leap.status());
        let (state, _) = adjuster.adjust(&request)?;
        check_eq!(state, libc::TIME_OK, "the state before the next second");
        let mut timers = Vec::new();
        for due in DUE {
            let until = MIDNIGHT + due;
            let timeout = Timeout::absolute(Clock::Realtime);
            let timer = TimerFd::new(Entry::Native, timeout, libc::TFD_NONBLOCK)?;
            timer.arm(until, 0)?;
            timers.push(Watched {
                timer,
                until,
                expired: false,
            });
        }
        Ok(Self {
            leap,
            adjuster,
            ahead: ahead(Clock::Realtime)?,
            timers,
            exact,
            states: Vec::new(),
        })
    }

    /// Where REALTIME is in a sample that took `at` of MONOTONIC: how far it has stepped.
    ///
    /// [`None`] if the leap was meanwhile, or may have been.
    fn stepped(&self, at: Span) -> Option<Ns> {
        let instant = self.leap.instant();
        if at.hi + self.ahead.hi < instant {
            Some(0)
        } else if at.lo + self.ahead.lo >= instant {
            Some(self.leap.step())
        } else {
            None
        }
    }

    /// Takes a sample, and says what REALTIME would read without the leap.
    fn sample(&mut self) -> Outcome<Ns> {
        let before = Clock::Monotonic.now()?;
        let realtime = Clock::Realtime.now()?;
        let tai = Clock::Tai.now()?;
        let (state, answer) = self.adjuster.read()?;
        let at = Span::new(before, Clock::Monotonic.now()?);
        let shown = (at, realtime, tai, state, answer);
        let Some(step) = self.stepped(at) else {
            return Ok(at.hi + self.ahead.lo);
        };
        let expected = at + self.ahead.shifted(step);
        check!(
            expected.contains(realtime),
            "should be in {expected}: {shown:?}"
        );
        let of_tai = expected.shifted(SEC * Ns::from(TAI) - step);
        check!(of_tai.contains(tai), "TAI should be in {of_tai}: {shown:?}");
        // Nearer to what is true, as long as it is.
        let span = Span::new(realtime - step - at.hi, realtime - step - at.lo);
        self.ahead = Span::new(span.lo.max(self.ahead.lo), span.hi.min(self.ahead.hi));

        let (time, unit) = answer.time();
        check!(
            Span::new(expected.lo / unit * unit, expected.hi).contains(time),
            "adjtimex: {shown:?}"
        );
        let tai_now = TAI - (step / SEC) as i32;
        check_eq!(answer.tai, tai_now, "TAI - UTC, {shown:?}");
        self.check_state(at, state)
            .during(format_args!("{shown:?}"))?;
        self.check_timers()?;
        Ok(at.hi + self.ahead.lo)
    }

    /// The state in a sample that took `at`.
    fn check_state(&mut self, at: Span, state: i32) -> Outcome {
        let unleaped = at + self.ahead;
        let (lo, hi) = (unleaped.lo, unleaped.hi);
        let start = MIDNIGHT - 3 * SEC;
        let instant = self.leap.instant();
        let inserted = instant + SEC;
        let in_progress = self.leap == Leap::Insert;
        // The leap is noted at the first tick of the first second.
        let tick = 10 * MSEC;
        let expected = if hi < start {
            libc::TIME_OK
        } else if lo >= start + tick && hi < instant {
            self.leap.expected()
        } else if in_progress && lo >= instant && hi < inserted {
            libc::TIME_OOP
        } else if lo >= if in_progress { inserted } else { instant } {
            libc::TIME_WAIT
        } else {
            // At an edge.
            state
        };
        check_eq!(state, expected, "the state");
        if self.states.last() != Some(&state) {
            self.states.push(state);
        }
        Ok(())
    }

    /// None early, none twice, and where that can be said, none late.
    fn check_timers(&mut self) -> Outcome {
        for watched in &mut self.timers {
            let due = self.leap.due(watched.until);
            let before = Clock::Monotonic.now()?;
            let read = watched.timer.read();
            let after = Clock::Monotonic.now()?;
            let relative = (watched.until - MIDNIGHT) / MSEC;
            match read {
                Ok(1) if !watched.expired => {
                    watched.expired = true;
                    check!(
                        after + self.ahead.hi >= due,
                        "the timer until {relative} ms of midnight expired {} ns early",
                        due - after - self.ahead.hi
                    );
                }
                Err(Errno::AGAIN) => {
                    let late = before + self.ahead.lo - due;
                    // An interrupt that was late by a leap second finds the time of a timer to come
                    // once more.
                    let limit = if self.exact { LATE } else { 2 * SEC };
                    check!(
                        watched.expired || late < limit,
                        "the timer until {relative} ms of midnight is {late} ns late"
                    );
                }
                other => fail!("the timer until {relative} ms of midnight: {other:?} again"),
            }
        }
        Ok(())
    }

    fn run(mut self) -> Outcome {
        while self.sample()? < MIDNIGHT + 3 * SEC {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let expected: &[i32] = match self.leap {
            Leap::Insert => &[
                libc::TIME_OK,
                libc::TIME_INS,
                libc::TIME_OOP,
                libc::TIME_WAIT,
            ],
            Leap::Delete => &[libc::TIME_OK, libc::TIME_DEL, libc::TIME_WAIT],
        };
        check_eq!(self.states, expected, "the states");
        check!(
            self.timers.iter().all(|watched| watched.expired),
            "a timer has not expired"
        );
        // Nobody asks for a leap any more.
        self.adjuster.adjust(&Timex::of(modes::STATUS))?;
        host::pass(SEC + SEC / 20)?;
        check_eq!(self.adjuster.read()?.0, libc::TIME_OK, "the state at last");
        Ok(())
    }
}

fn at_midnight(setting: &Setting) -> Outcome {
    let bystanders = Bystanders::new()?;
    // It does not depend on the rate: what is compared are clocks of the namespace.
    let namespaces = [
        (Leap::Insert, 1),
        (Leap::Delete, 1),
        (Leap::Insert, 2),
        (Leap::Delete, 2),
    ];
    let mut tasks = Vec::new();
    let mut kept = Vec::new();
    for (leap, rate) in namespaces {
        let tracked = Tracked::new(&Lines::new().rate(rate, 0))?;
        let ready = Gate::new()?;
        let mut task = Task::spawn(|| {
            tracked.namespace.enter()?;
            let sampler = Sampler::new(leap, setting.exact)?;
            ready.open()?;
            sampler.run()
        })?;
        ready.wait_for(&mut task)?;
        tasks.push((leap, rate, task));
        kept.push(tracked);
    }

    // The host has none, nor expects it.
    let before = ahead(Clock::Realtime)?;
    let adjuster = Adjuster::adjtimex(Entry::Native)?;
    let (state, of_host) = adjuster.read()?;
    loop {
        let mut running = false;
        for (_, _, task) in &mut tasks {
            running |= task.is_running()?;
        }
        let after = ahead(Clock::Realtime)?;
        check!(
            before.lo <= after.hi && after.lo <= before.hi,
            "the host's REALTIME was {before} ahead, is {after}"
        );
        let (state_now, now) = adjuster.read()?;
        check_eq!(
            (state_now, now.tai),
            (state, of_host.tai),
            "the host's state"
        );
        if !running {
            break;
        }
        host::pass(MSEC)?;
    }
    for (leap, rate, task) in tasks {
        task.join()
            .during(format_args!("{leap:?} at rate {rate}"))?;
    }
    bystanders.verify().during("outside")
}

/// A timer until midnight expires at the last one, to the nanosecond: the clock must not have read
/// midnight before, however it slews, though nobody was there to see that.
fn until_midnight(setting: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    tracked.namespace.inside(|| {
        let adjuster = Adjuster::adjtimex(Entry::Native)?;
        let timeout = Timeout::absolute(Clock::Realtime);
        let timer = TimerFd::new(Entry::Native, timeout, 0)?;
        let mut random = Random::new(setting.seed);
        for turn in 0..if setting.exact { 60 } else { 6 } {
            let leap = random.pick(&[Leap::Insert, Leap::Insert, Leap::Delete]);
            let freq = random.pick(&[0, 0, 1, -3, 7_654_321, -31_234_567]);
            adjuster.adjust(&Timex::of(modes::FREQUENCY).freq(freq))?;
            let start = MIDNIGHT - 2_100 * MSEC - random.below(500_000_000) as Ns;
            sys::clock_settime(libc::CLOCK_REALTIME, start).context("settime")?;
            let request = Timex::of(modes::STATUS | modes::MAXERROR).status(leap.status());
            adjuster.adjust(&request)?;
            timer.arm(MIDNIGHT, 0)?;
            let count = timer.read();
            let now = Clock::Realtime.now()?;
            let (state, answer) = adjuster.read()?;
            let shown = format!("turn {turn}, {leap:?} at {freq} / 2^16 ppm: {answer:?}");
            check_eq!(count, Ok(1), "expiries, {shown}");
            check!(now >= MIDNIGHT, "{} ns early, {shown}", MIDNIGHT - now);
            check_eq!(state, libc::TIME_WAIT, "the state, {shown}");
            for status in [libc::STA_PLL, 0] {
                adjuster.adjust(&Timex::of(modes::STATUS).status(status))?;
            }
        }
        Ok(())
    })
}

/// What is called off does not happen, and what begins anew neither.
fn called_off(_: &Setting) -> Outcome {
    let before = |namespace: &Tracked, request: &Timex| {
        namespace.namespace.inside(|| {
            sys::clock_settime(libc::CLOCK_REALTIME, MIDNIGHT - 2_500 * MSEC).context("settime")?;
            let start = ahead(Clock::Realtime)?;
            let leap = Timex::of(modes::STATUS | modes::MAXERROR).status(libc::STA_INS);
            timex::adjust(&leap)?;
            host::pass(SEC)?;
            check_eq!(timex::read()?.0, libc::TIME_INS, "the state");
            timex::adjust(request)?;
            Ok(start)
        })
    };
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let requests = [
        (Timex::of(modes::STATUS), 0),
        // A step puts it off to the end of the next day, which is another one then.
        (Timex::of(modes::SETOFFSET).step(-40_000, 0), -40_000),
    ];
    for (request, step) in requests {
        let start = before(&tracked, &request)?.shifted(step * SEC);
        tracked.namespace.inside(|| {
            for _ in 0..40 {
                host::pass(SEC / 10)?;
                let now = ahead(Clock::Realtime)?;
                check!(
                    start.lo <= now.hi && now.lo <= start.hi,
                    "REALTIME was {start} ahead, is {now}, after {request:?}"
                );
            }
            timex::adjust(&Timex::of(modes::STATUS).status(libc::STA_PLL))?;
            timex::adjust(&Timex::of(modes::STATUS))?;
            Ok(())
        })?;
    }
    Ok(())
}
