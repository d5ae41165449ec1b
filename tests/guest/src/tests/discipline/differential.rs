// SPDX-License-Identifier: GPL-2.0

//! The same random calls at the same times of a clock, on the host and in a namespace: the same
//! answers.
//!
//! One after the other, because a namespace's reference is the host's slewed clock. Each clock is
//! set to the same time first, which is where the seconds and the ticks of either begin. What may
//! still differ, and why:
//!
//! - `time`: each call is made when its clock has reached the time that is planned, and some
//!   microseconds later. It has to be what the clock reads before or after the call.
//! - `offset`, also of a singleshot: the host drains what it slews in its tick interrupts, the
//!   namespace at the ticks themselves. So it is as much as is drained in a tick or two, and one
//!   for each second since, in which the host may have had one tick more or less. When the clock is
//!   set, the host's next tick still drains as before: also from an offset that comes in between.
//!
//! While it is idle, the host would slew at the rate of the last second until something happens, and
//! a busy machine makes calls at any time. So this is for `scripts/vm --warp --append nohz=off`.
//!
//! All else is the same, bit for bit: errors, the state, the maximum error that grows by the second.

use std::fs;

use rustix::io::Errno;

use crate::bystanders::Bystanders;
use crate::clock::Clock;
use crate::failure::{check, fail, Context, During, Outcome, Trouble};
use crate::host::{self, ahead};
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::runner::{tests, Setting};
use crate::script::{quiet, Action, Script, Step};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::timex::{modes, Adjuster, Timex};
use crate::tracked::Tracked;

tests![
    host_agrees_with_itself: mainline,
    namespace_agrees_with_host,
];

const SEC: Ns = 1_000_000_000;
/// A call that was made this much later than on the other clock was made by a machine that is busy
/// with something else.
const LATE: Ns = 2_000_000;
/// How often a script is tried when the machine is busy.
const TRIES: usize = 20;

/// What came of a step.
#[derive(Clone, Copy, Debug)]
struct Answer {
    result: Result<usize, Errno>,
    /// What the call has left in memory.
    timex: Timex,
    /// What the clock read around the call, as if that had not moved it.
    read: Span,
    /// What MONOTONIC read before it.
    monotonic: Ns,
}

/// The clock that a script is played on: the host's, or that of a namespace.
struct Side<'a> {
    namespace: Option<&'a Namespace>,
    adjusters: &'a [Adjuster],
}

impl Side<'_> {
    /// Plays a script: an answer for each step.
    fn play(&self, script: &Script) -> Outcome<Vec<Answer>> {
        let play = || {
            self.reset(script.start)?;
            let mut plan = script.start;
            let mut answers = Vec::new();
            for step in &script.steps {
                plan = wait_for(quiet(plan + step.delay))?;
                let answer = self.make(step)?;
                plan = match step.action {
                    Action::Set(time) if answer.result.is_ok() => time,
                    Action::Adjust(i, request) => {
                        plan + moved(&request, self.adjusters[i].is_narrow(), &answer.result)
                    }
                    Action::Set(_) => plan,
                };
                answers.push(answer);
            }
            Ok(answers)
        };
        match self.namespace {
            Some(namespace) => namespace.inside(play),
            None => play(),
        }
    }

    /// Brings the clock into a state that is always the same, and sets it to `start`.
    fn reset(&self, start: Ns) -> Outcome {
        let adjuster = self.adjusters.first().context("no adjuster")?;
        sys::clock_settime(libc::CLOCK_REALTIME, start).context("clock_settime")?;
        // Without STA_PLL, which it had, nothing is left of a leap second, either. With it, the
        // clock notes the second, from which it counts how long ago the last offset is.
        for status in [libc::STA_PLL, 0, libc::STA_PLL, 0] {
            adjuster.adjust(&Timex::of(modes::STATUS).status(status))?;
        }
        let all = modes::FREQUENCY | modes::TICK | modes::MAXERROR | modes::ESTERROR | modes::MICRO;
        adjuster.adjust(&Timex::of(all).tick(10_000))?;
        adjuster.adjust(&Timex::of(modes::TIMECONST))?;
        adjuster.adjust(&Timex::of(modes::TAI))?;
        adjuster.adjust(&Timex::of(modes::SINGLESHOT))?;
        // Again, as this is where its seconds and ticks begin.
        sys::clock_settime(libc::CLOCK_REALTIME, start).context("clock_settime")
    }

    fn make(&self, step: &Step) -> Outcome<Answer> {
        let monotonic = Clock::Monotonic.now()?;
        let before = Clock::Realtime.now()?;
        let (result, timex, moved) = match step.action {
            Action::Adjust(i, request) => {
                let (result, timex) = self.adjusters[i].call(&request);
                let moved = moved(&request, self.adjusters[i].is_narrow(), &result);
                (result, timex, moved)
            }
            Action::Set(time) => {
                let set = sys::clock_settime(libc::CLOCK_REALTIME, time);
                let moved = if set.is_ok() { time - before } else { 0 };
                (set.map(|()| 0), Timex::default(), moved)
            }
        };
        Ok(Answer {
            result,
            timex,
            read: Span::new(before, Clock::Realtime.now()? - moved),
            monotonic,
        })
    }
}

/// How far a request with that result has moved the clock. A `narrow` one has 32 bits of each number.
fn moved(request: &Timex, narrow: bool, result: &Result<usize, Errno>) -> Ns {
    if request.modes & modes::SETOFFSET == 0 || result.is_err() {
        return 0;
    }
    let unit = if request.modes & modes::NANO == 0 {
        1000
    } else {
        1
    };
    let passed = match narrow {
        true => request.narrow(),
        false => *request,
    };
    Ns::from(passed.sec) * SEC + Ns::from(passed.subsec) * unit
}

/// Waits until this process' clock reads `time`. Says which time that is: a leap second may take it
/// beyond the one that was waited for.
fn wait_for(time: Ns) -> Outcome<Ns> {
    let mut time = time;
    loop {
        let now = Clock::Realtime.now()?;
        let left = time - now;
        if left <= 0 {
            // A second that was left out is no reason to call at the begin of the next one.
            if left > -SEC / 2 && quiet(now) == now {
                return Ok(time);
            }
            time = quiet(now);
            continue;
        }
        // Not beyond the begin of a second, as that may be left out. The host finds that out with a
        // tick of the second.
        let second = match quiet(now) {
            known if known == now => quiet((now.div_euclid(SEC) + 1) * SEC),
            begun => begun,
        };
        let left = left.min(second - now);
        if left > 200_000 {
            host::pass((left - 150_000) * 3 / 4)?;
        }
    }
}

/// What may have been slewed since the second began, at most, and how exactly it is known.
#[derive(Clone, Copy, Debug, Default)]
struct Slew {
    /// What MONOTONIC read at the last call, and REALTIME if there are no leap seconds.
    monotonic: Ns,
    time: Ns,
    /// What the last call has left: of the phase offset, ns, and of the singleshot, ns.
    offset: Ns,
    adjust: Ns,
    constant: i64,
    /// What is slewed in this second at most, ns.
    chunk: Ns,
    /// What was before the clock was set, which was when MONOTONIC read that.
    stale: Ns,
    set: Ns,
    /// How many ticks of that two clocks may differ by.
    ticks: Ns,
    /// Whether there has been anything to slew, of which less than 1 ns may be left.
    dust: bool,
}

impl Slew {
    /// The largest phase offset, and what an adjtime() slews a second, ns.
    const OFFSET_MAX: Ns = SEC / 2;
    const ADJUST_MAX: Ns = 500_000;

    /// Notes that a call is made when MONOTONIC reads `monotonic`.
    fn reach(&mut self, monotonic: Ns) {
        let second = self.time.div_euclid(SEC);
        self.time += monotonic - self.monotonic;
        self.monotonic = monotonic;
        let seconds = self.time.div_euclid(SEC) - second;
        if seconds != 0 {
            let offset = self.offset.abs() >> (2 + self.constant.max(0));
            self.chunk = self
                .chunk
                .max(offset + self.adjust.abs().min(Self::ADJUST_MAX));
            self.ticks += seconds;
        }
    }

    /// By how much two clocks that are `apart` may differ in what is left.
    fn doubt(&self, apart: Ns) -> Ns {
        let tick = 2 * host::tick() + apart;
        let slewed = self.chunk * (self.ticks * host::tick() + tick) + self.stale * tick;
        (slewed + SEC - 1) / SEC + Ns::from(self.dust)
    }

    /// What the next tick may slew that should not.
    fn recently_stale(&self) -> Ns {
        match self.monotonic - self.set > 2 * host::tick() {
            true => 0,
            false => self.stale,
        }
    }

    /// Notes what a call was, and its answer.
    fn note(&mut self, request: &Timex, answer: &Timex, unit: Ns) {
        if request.modes & modes::SETOFFSET != 0 {
            self.stop();
        }
        self.constant = answer.constant;
        let sets = request.modes & (0x8000 | modes::OFFSET) == modes::OFFSET;
        if sets && answer.status & libc::STA_PLL != 0 {
            // What was taken was from another one, or from a singleshot.
            if self.adjust == 0 {
                self.stale = self.recently_stale();
            }
            self.dust = true;
        }
        if request.modes & 0x8000 != 0 {
            if request.modes & modes::NANO == 0 {
                // What was slewing before goes on to the end of the second.
                self.adjust = Ns::from(request.offset).saturating_mul(1000);
                self.dust = true;
            }
        } else {
            self.offset =
                (Ns::from(answer.offset) * unit).clamp(-Self::OFFSET_MAX, Self::OFFSET_MAX);
        }
    }

    /// Notes that the clock was set, which ends all slewing.
    fn stop(&mut self) {
        *self = Self {
            monotonic: self.monotonic,
            time: self.time,
            constant: self.constant,
            stale: self.chunk.max(self.recently_stale()),
            set: self.monotonic,
            dust: self.dust,
            ..Self::default()
        };
    }
}

/// Why two answers cannot be compared, or what is wrong.
enum Verdict {
    Same,
    Disturbed,
    Differ(String),
}

fn compare(request: &Timex, narrow: bool, slew: &mut Slew, one: &Answer, two: &Answer) -> Verdict {
    let differ = |what: &str| Verdict::Differ(format!("{what}: {one:?} and {two:?}"));
    let apart = (one.read.lo - two.read.lo).abs();
    let width = one.read.width().max(two.read.width());
    if apart.max(width) > LATE {
        return Verdict::Disturbed;
    }
    if one.result != two.result {
        return differ("results");
    }
    if one.result.is_err() {
        return match one.timex == two.timex {
            true => Verdict::Same,
            false => differ("what a call that failed has written"),
        };
    }
    let unit = match one.timex.status & libc::STA_NANO {
        0 => 1000,
        _ => 1,
    };
    let timeless = |timex: &Timex| Timex {
        sec: 0,
        subsec: 0,
        offset: 0,
        ..*timex
    };
    if timeless(&one.timex) != timeless(&two.timex) {
        return differ("fields");
    }
    for answer in [one, two] {
        let (time, unit) = answer.timex.time();
        let earliest = answer.read.lo / unit * unit;
        let fits = !narrow || i32::try_from(answer.read.lo / SEC).is_ok();
        if fits && !(earliest..=answer.read.hi).contains(&time) {
            return differ("time");
        }
    }
    // A singleshot's is in microseconds, whatever the rest.
    let offset_unit = if request.modes & 0x8000 == 0 {
        unit
    } else {
        1000
    };
    let doubt = slew.doubt(apart + width);
    let offsets = Ns::from(one.timex.offset) - Ns::from(two.timex.offset);
    if offsets.abs() * offset_unit > doubt + if doubt > 0 { offset_unit } else { 0 } {
        return differ(&format!("offsets, which may differ by {doubt} ns"));
    }
    slew.note(request, &one.timex, unit);
    Verdict::Same
}

/// Compares what came of a script. Says if the machine was too busy.
fn compare_all(
    script: &Script,
    adjusters: &[Adjuster],
    one: &[Answer],
    two: &[Answer],
) -> Outcome<bool> {
    let first = one.first().context("a script without a step")?;
    let mut slew = Slew {
        time: first.read.lo,
        monotonic: first.monotonic,
        ..Slew::default()
    };
    for (i, ((step, one), two)) in script.steps.iter().zip(one).zip(two).enumerate() {
        slew.reach(one.monotonic);
        let (request, narrow) = match step.action {
            Action::Adjust(i, request) => (request, adjusters[i].is_narrow()),
            Action::Set(time) => {
                if one.result != two.result {
                    fail!("step {i}, {step:?}: {one:?} and {two:?}");
                }
                if one.result.is_ok() {
                    slew.stop();
                    slew.time = time;
                }
                continue;
            }
        };
        match compare(&request, narrow, &mut slew, one, two) {
            Verdict::Same => {}
            Verdict::Disturbed => return Ok(false),
            Verdict::Differ(what) => fail!("step {i} of {}, {step:?}: {what}", script.steps.len()),
        }
        slew.time += moved(&request, narrow, &one.result);
    }
    Ok(true)
}

/// Gives the same scripts to two clocks. The host's is as it was, afterwards.
fn compare_sides(setting: &Setting, namespace: Option<&Namespace>) -> Outcome {
    let command_line = fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    if !setting.exact || !command_line.contains("nohz=off") {
        let why = "time does not pass by instructions, or ticks stop in idle time";
        return Err(Trouble::Skip(why.into()));
    }
    let adjusters = Adjuster::all()?;
    let one = Side {
        namespace: None,
        adjusters: &adjusters,
    };
    let two = Side {
        namespace,
        adjusters: &adjusters,
    };
    let count = setting.sequences.unwrap_or(300);
    let before = ahead(Clock::Realtime)?;
    let play_all = || {
        let (mut disturbed, mut steps) = (0, 0);
        for number in 0..count as u64 {
            let number = setting.seed.wrapping_mul(1 << 32) + number;
            let script = Script::new(number, adjusters.len());
            let mut tries = 0;
            loop {
                let answers = (one.play(&script)?, two.play(&script)?);
                let compared = compare_all(&script, &adjusters, &answers.0, &answers.1);
                if compared.during(format_args!("script {number}"))? {
                    break;
                }
                tries += 1;
                check!(tries < TRIES, "the machine is too busy for script {number}");
            }
            disturbed += tries;
            steps += script.steps.len();
        }
        println!("    {count} sequences, {steps} calls, {disturbed} repeated on a busy machine");
        Ok(())
    };
    let result = play_all();
    let now = Clock::Monotonic.now()? + before.lo;
    one.reset(now)?;
    let unsynchronised = Timex::of(modes::STATUS).status(libc::STA_UNSYNC);
    adjusters[0].adjust(&unsynchronised)?;
    result
}

fn host_agrees_with_itself(setting: &Setting) -> Outcome {
    compare_sides(setting, None)
}

fn namespace_agrees_with_host(setting: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    compare_sides(setting, Some(&tracked.namespace))?;
    // What was done to the namespace last was not done to anybody else.
    let bystanders = Bystanders::new()?;
    let adjusters = Adjuster::all()?;
    let side = Side {
        namespace: Some(&tracked.namespace),
        adjusters: &adjusters,
    };
    for number in 0..10 {
        side.play(&Script::new(number, adjusters.len()))?;
    }
    bystanders.verify()
}
