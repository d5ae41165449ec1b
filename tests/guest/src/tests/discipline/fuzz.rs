// SPDX-License-Identifier: GPL-2.0

//! Random calls that set and discipline clocks, on all CPUs at once, while others read these clocks
//! and wait for their timers.

use std::sync::atomic::{AtomicI64, Ordering};

use rustix::io::Errno;
use rustix::thread::sched_getaffinity;

use crate::bystanders::Bystanders;
use crate::clock::{Clock, Way};
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::lines::Lines;
use crate::model::Model;
use crate::namespace::Namespace;
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::script;
use crate::sys::{self, Ns};
use crate::task::{pin_to, Task};
use crate::timers::board::shared_numbers;
use crate::timers::call::Timeout;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timex::Adjuster;
use crate::tracked::Tracked;
use crate::vdso::Vdso;

tests![one_writer_each, all_write_to_one,];

const MSEC: Ns = 1_000_000;
/// As many writers, each on a CPU.
const WRITERS: usize = 4;

/// Which CPU the task with that number has.
fn pin(task: usize) -> Outcome {
    let cpus = sched_getaffinity(None).context("sched_getaffinity")?;
    pin_to(task % cpus.count() as usize)
}

/// Reads MONOTONIC, which never goes back, and waits for timers, which are neither early nor lost.
/// Counts them.
fn read(namespace: &Namespace, task: usize, expired: &AtomicI64) -> Outcome {
    // So late is lost, while a machine with more to do than it has CPUs may stand still for long.
    const LOST: Ns = 60_000 * MSEC;
    namespace.enter()?;
    pin(task)?;
    Vdso::get()?;
    let timeout = Timeout::absolute(Clock::Monotonic);
    let timer = TimerFd::new(Entry::Native, timeout, libc::TFD_NONBLOCK)?;
    let by_realtime = TimerFd::new(
        Entry::Native,
        Timeout::absolute(Clock::Realtime),
        libc::TFD_NONBLOCK,
    )?;
    let mut last = 0;
    let mut until = None;
    loop {
        for way in Way::ALL {
            for clock in [Clock::Monotonic, Clock::MonotonicCoarse] {
                let now = way.read(clock)?;
                if clock == Clock::Monotonic {
                    check!(now >= last, "MONOTONIC by {way:?} was {last}, is {now}");
                    last = now;
                } else {
                    check!(now <= Clock::Monotonic.now()?, "{clock} is ahead: {now}");
                }
            }
        }
        match until {
            None => {
                timer.arm(last + MSEC, 0)?;
                by_realtime.arm(Clock::Realtime.now()? + MSEC, 0)?;
                until = Some(last + MSEC);
            }
            Some(time) => match timer.read() {
                Ok(count) => {
                    let now = Clock::Monotonic.now()?;
                    check!(now >= time, "a timer until {time} expired at {now}");
                    check_eq!(count, 1, "expiries");
                    expired.fetch_add(1, Ordering::SeqCst);
                    until = None;
                }
                Err(errno) => {
                    check_eq!(errno, Errno::AGAIN, "reading a timer");
                    check!(last < time + LOST, "a timer until {time} is lost at {last}");
                }
            },
        }
    }
}

/// Makes `calls` calls in a namespace that nobody else sets: each does what it has to.
fn write_alone(namespace: &Namespace, task: usize, seed: u64, calls: usize) -> Outcome {
    namespace.enter()?;
    pin(task)?;
    let adjusters = Adjuster::all()?;
    let mut random = Random::new(seed);
    let mut model = Model::of(&adjusters[0].read()?.1);
    for call in 0..calls {
        if random.below(12) == 0 {
            let time = script::time(&mut random);
            let result = sys::clock_settime(libc::CLOCK_REALTIME, time);
            model.set(&result).during(format_args!("call {call}"))?;
            continue;
        }
        let request = script::request(&mut random);
        let adjuster = random.pick(&adjusters);
        let before = Clock::Realtime.now()? - Clock::Monotonic.now()?;
        let (result, answer) = adjuster.call(&request);
        model
            .adjust(&request, adjuster.is_narrow(), before, &result, &answer)
            .during(format_args!(
                "call {call}, {adjuster} of {request:?}: {answer:?}"
            ))?;
    }
    Ok(())
}

/// Makes `calls` calls in a namespace that others set, too.
fn write_among_others(namespace: &Namespace, task: usize, seed: u64, calls: usize) -> Outcome {
    namespace.enter()?;
    pin(task)?;
    let adjusters = Adjuster::all()?;
    let mut random = Random::new(seed);
    for _ in 0..calls {
        if random.below(12) == 0 {
            let _ = sys::clock_settime(libc::CLOCK_REALTIME, script::time(&mut random));
            continue;
        }
        let request = script::request(&mut random);
        let (result, answer) = random.pick(&adjusters).call(&request);
        match result {
            Ok(state) => check!(state <= 5, "{request:?} returned {state}: {answer:?}"),
            Err(errno) => check_eq!(errno, Errno::INVAL, "{request:?}"),
        }
    }
    Ok(())
}

type Write = fn(&Namespace, usize, u64, usize) -> Outcome;

/// Has writers write to `namespaces` in turn, while each of these is read.
fn run(setting: &Setting, namespaces: &[Tracked], write: Write) -> Outcome {
    let calls = setting.calls.unwrap_or(2000) / WRITERS;
    let bystanders = Bystanders::new()?;
    let counts = shared_numbers(namespaces.len())?;
    let mut readers = Vec::new();
    for (number, (tracked, count)) in namespaces.iter().zip(counts).enumerate() {
        let namespace = &tracked.namespace;
        readers.push(Task::spawn(|| read(namespace, number + 1, count))?);
    }
    let mut writers = Vec::new();
    for (number, tracked) in (0..WRITERS).zip(namespaces.iter().cycle()) {
        let seed = setting.seed * 1000 + number as u64;
        writers.push(Task::spawn(move || {
            write(&tracked.namespace, number, seed, calls)
        })?);
    }
    for (number, writer) in writers.into_iter().enumerate() {
        writer.join().during(format_args!("writer {number}"))?;
    }
    for (reader, (tracked, count)) in readers.into_iter().zip(namespaces.iter().zip(counts)) {
        reader.stop().during("a reader")?;
        // A frozen clock's do not expire.
        let (expired, rate) = (count.load(Ordering::SeqCst), tracked.state()?.0.rate);
        check!(
            (expired > 0) == (rate != (0, 0)),
            "{expired} timers have expired at rate {rate:?}"
        );
    }
    bystanders.verify().during("outside")
}

fn namespaces(count: usize) -> Outcome<Vec<Tracked>> {
    const RATES: [u64; WRITERS] = [1, 1, 2, 0];
    let new = |rate: u64| Tracked::new(&Lines::new().rate(rate, 0));
    RATES.into_iter().take(count).map(new).collect()
}

fn one_writer_each(setting: &Setting) -> Outcome {
    run(setting, &namespaces(WRITERS)?, write_alone)
}

fn all_write_to_one(setting: &Setting) -> Outcome {
    run(setting, &namespaces(1)?, write_among_others)
}
