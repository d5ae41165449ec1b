// SPDX-License-Identifier: GPL-2.0

//! How clocks run that are told to slew: what MONOTONIC gains on RAW, sampled for a long time.
//!
//! Not a test: `scripts/trajectories` compares what the host's clock does in one boot with what a
//! namespace's does in another. A namespace's reference is the host's slewed clock, so that
//! slewing both at once would count twice.
//!
//! All that is done is the same for both, to the microsecond of the clock's RAW: the clock is set, and
//! calls are made, right after a tick, because the host counts a new frequency from its last tick on.

use std::io::{self, Write};
use std::ops::Range;

use clap::ValueEnum;

use crate::clock::{ahead_of_raw, Clock};
use crate::failure::{check, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::random::Random;
use crate::sys::{self, Ns};
use crate::task::Task;
use crate::timers::entry::Entry;
use crate::timex::{modes, Adjuster, Timex};
use crate::tracked::Tracked;

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
/// When each sequence begins, by its clock: 1.3 s before a whole minute. As that is right after a
/// tick, the ticks come a moment after the seconds, until it slews: the host notes a second late,
/// with the next tick, and may otherwise be one whole tick late.
const BEGIN: Ns = 1_600_000_020 * SEC - 1_300 * MSEC + MSEC / 10;
/// So much before a time a sleep ends, and busy waiting begins.
const AHEAD: Ns = 150_000;
/// Between two sequences that begin in namespaces, so that no two of them do anything at once.
const STAGGER: Ns = 61 * MSEC;
/// How often the host counts its time. Seconds of the clock are multiples of it.
const BEAT: Ns = 500 * MSEC;

/// What is printed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The numbers of the sequences.
    pub(crate) sequences: Range<usize>,
    /// For how many seconds each is followed.
    pub(crate) seconds: u32,
    /// What the sequences depend on.
    pub(crate) seed: u64,
    /// What they slew by, or each fifth by `adjtime()`.
    pub(crate) kind: Option<Kind>,
}

/// What is done at a time since the begin, by RAW.
#[derive(Clone, Copy, Debug)]
enum Event {
    Call(Timex),
    Sample,
}

fn between(random: &mut Random, least: i64, most: i64) -> i64 {
    least + random.below((most - least + 1) as usize) as i64
}

/// What a sequence slews by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// By phase offsets and frequencies, as NTP does.
    Ntp,
    /// By `adjtime()` as well, which slews 500 ppm from one tick to the next.
    Adjtime,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ntp => "ntp",
            Self::Adjtime => "adjtime",
        }
    }

    /// Something to slew, in the direction that `sign` is.
    ///
    /// In a sequence it is always the same: when one slew takes the place of another in the middle of
    /// a second, the host goes on with the first until the second ends, and has that as an error, of
    /// up to 0.5 ms, which it works off at less than 0.1 us a second. For the same reason frequencies
    /// differ by no more than 60 ppm: the host counts a new one from the last tick on, be that a whole
    /// tick ago.
    fn request(self, random: &mut Random, sign: i64) -> Timex {
        let pll = modes::OFFSET | modes::STATUS | modes::TIMECONST | modes::NANO;
        let pll = Timex::of(pll).status(libc::STA_PLL);
        match (self, random.below(4)) {
            (_, 0) => Timex::of(modes::TICK | modes::FREQUENCY)
                .tick(10_000)
                .freq(between(random, -30 << 16, 30 << 16)),
            (_, 1) => {
                // A longer tick and a lower frequency, or the other way round.
                let longer = between(random, -3, 3);
                let freq = between(random, -30 << 16, 30 << 16) - longer * (100 << 16);
                Timex::of(modes::TICK | modes::FREQUENCY)
                    .tick(10_000 + longer)
                    .freq(freq)
            }
            (Self::Ntp, _) => pll
                .constant(between(random, 7, 10))
                .offset(sign * between(random, 100_000, 40_000_000)),
            (Self::Adjtime, _) => {
                Timex::of(modes::SINGLESHOT).offset(sign * between(random, 1_000, 400_000))
            }
        }
    }
}

impl Plan {
    fn kind(&self, number: usize) -> Kind {
        self.kind.unwrap_or(match number % 5 {
            0 => Kind::Adjtime,
            _ => Kind::Ntp,
        })
    }

    /// What is done in the sequence with that number: calls in its first half, and a sample every ten
    /// seconds, and soon after each call.
    fn events(&self, number: usize) -> Vec<(Ns, Event)> {
        let mut random = Random::new(self.seed.wrapping_mul(1 << 32) + number as u64);
        let end = Ns::from(self.seconds) * SEC;
        let mut events: Vec<_> = (1..=Ns::from(self.seconds) / 10)
            .map(|i| (i * 10 * SEC, Event::Sample))
            .collect();
        let sign = random.pick(&[-1, 1]);
        let mut time = 2 * SEC;
        for _ in 0..2 + random.below(5) {
            // In the middle of a second, or nearly.
            let request = self.kind(number).request(&mut random, sign);
            events.push((time + 500 * MSEC, Event::Call(request)));
            events.push((time + 3_700 * MSEC, Event::Sample));
            time += Ns::from(between(&mut random, 5, i64::from(self.seconds / 12).max(6))) * SEC;
            if time > end / 2 {
                break;
            }
        }
        events.sort_by_key(|(time, _)| *time);
        events
    }

    /// Prints what the host's clock does, or what namespaces' clocks do.
    pub(crate) fn print(&self, in_namespaces: bool) -> Outcome {
        let mut tasks = Vec::new();
        let _beats = if in_namespaces {
            None
        } else {
            Some(Task::spawn(beat)?)
        };
        for number in self.sequences.clone() {
            let run = || self.run(number).during(format_args!("sequence {number}"));
            if !in_namespaces {
                Task::spawn(run)?.join()?;
                continue;
            }
            let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
            tasks.push(Task::spawn(|| {
                tracked.namespace.enter()?;
                wait_until(Clock::Raw.now()? + number as Ns * STAGGER)?;
                run()
            })?);
        }
        tasks.into_iter().try_for_each(Task::join)
    }

    fn run(&self, number: usize) -> Outcome {
        let adjuster = Adjuster::adjtimex(Entry::Native)?;
        for status in [libc::STA_PLL, 0] {
            adjuster.adjust(&Timex::of(modes::STATUS).status(status))?;
        }
        adjuster.adjust(&Timex::of(modes::FREQUENCY | modes::TICK).tick(10_000))?;
        // What it was slewing before is slewed no longer, but for a tick or two of the host. Then
        // again, as ticks begin here.
        for _ in 0..2 {
            host::pass(SEC / 10)?;
            wait_for_tick()?;
            sys::clock_settime(libc::CLOCK_REALTIME, BEGIN).context("clock_settime")?;
        }
        let (begin, start) = gained()?;
        for (time, event) in self.events(number) {
            wait_until(begin + time)?;
            match event {
                Event::Call(request) => {
                    wait_for_tick()?;
                    adjuster.adjust(&request)?;
                }
                Event::Sample => {
                    let (raw, now) = gained()?;
                    let (time, gain) = (raw - begin, now - start);
                    let kind = self.kind(number).name();
                    let line = format!("{number} {kind} {time} {gain}\n");
                    io::stdout().write_all(line.as_bytes()).context("output")?;
                }
            }
        }
        io::stdout().flush().context("output")
    }
}

/// Has the host count its time in the tick after each [`BEAT`] of it, and in each tick of the last
/// two seconds of an `adjtime()`.
///
/// An idle host does so only when something happens, and would slew at the rate of the last second
/// until then. Where nothing else happens, all that happens in between is more ticks; but it may
/// slew by more than is left, if it counts several at once.
fn beat() -> Outcome {
    let adjuster = Adjuster::adjtimex(Entry::Native)?;
    let tick = host::tick();
    let part = tick / 4;
    let mut parts = 0;
    loop {
        let (_, left) = adjuster.adjust(&Timex::of(modes::SINGLESHOT_READ))?;
        let now = Clock::Realtime.now()?;
        if left.offset != 0 && left.offset.abs() <= 1000 {
            parts = (SEC + 2 * tick) / part;
        }
        let beat = if parts > 0 { tick } else { BEAT };
        parts -= 1;
        let past = now % beat;
        let next = match past < tick {
            true => (past / part + 1) * part,
            false => beat + part,
        };
        // Not until then by REALTIME, which is set back.
        host::pass(next - past)?;
    }
}

/// Waits until RAW reads `time`.
fn wait_until(time: Ns) -> Outcome {
    loop {
        let left = time - Clock::Raw.now()?;
        if left <= 0 {
            return Ok(());
        }
        // By MONOTONIC, which may be faster.
        let sleep = ((left - AHEAD).min(SEC * 100) * 9 / 10).max(0) as u64;
        if sleep > 0 {
            std::thread::sleep(std::time::Duration::from_nanos(sleep));
        }
    }
}

/// Waits for the next tick of the host.
fn wait_for_tick() -> Outcome {
    let before = Clock::MonotonicCoarse.now()?;
    while Clock::MonotonicCoarse.now()? == before {}
    Ok(())
}

/// What RAW reads, and what MONOTONIC is ahead of it: the best of some readings.
fn gained() -> Outcome<(Ns, Ns)> {
    let (raw, span) = ahead_of_raw()?;
    check!(span.width() < 2000, "reading two clocks takes {span} ns");
    Ok((raw, (span.lo + span.hi) / 2))
}
