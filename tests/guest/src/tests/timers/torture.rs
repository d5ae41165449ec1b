// SPDX-License-Identifier: GPL-2.0

//! Timers of all kinds on all CPUs, while clocks are changed, CPUs come and go, and tasks are
//! killed: none early, none lost.
//!
//! `--expiries` says how many, `--seed` what is done. The same seed does the same operations, but
//! when they happen is the machine's affair.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Clock;
use crate::failure::{check, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::module::Counter;
use crate::proc_file::{ProcFile, State};
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::timers::board::shared_numbers;
use crate::timers::counters::Counters;
use crate::timers::cpu::{all_online, several, Offline};
use crate::timers::worker::{Record, Worker};
use crate::tracked::Tracked;

tests![torture,];

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
const NAMESPACES: usize = 4;

/// A rate, and how often it is chosen: of those that make the most trouble, more.
fn some_rate(random: &mut Random) -> (u64, u32) {
    match random.below(8) {
        0 => (255, 0),
        1 => (0, 50_000_000),
        2 => (1, 50_000),
        3 => (0, 500_000_000),
        4 => (100, 0),
        _ => (random.below(5) as u64, 1 + random.below(999_999_999) as u32),
    }
}

/// How far a step goes at most, mostly about as far as a timer is away. One that goes back further
/// has everything wait that is armed on REALTIME, until another makes up for it, so that it is
/// seldom.
fn some_range(random: &mut Random) -> usize {
    match random.below(200) {
        0 => 1_000_000_000,
        1..=20 => 20_000_000,
        _ => random.pick(&[1000, 50_000, 2_000_000]),
    }
}

/// Changes a clock now and then, for as long as it lives.
fn change_on(tracked: &Tracked, steps: &AtomicI64, changes: &AtomicI64, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let write = |lines: Lines| {
        tracked.namespace.inside(|| {
            ProcFile::Clock
                .write("self", lines.to_string())
                .context(format_args!("writing {lines}"))
        })
    };
    loop {
        match random.below(6) {
            0 => {
                write(Lines::new().rate(0, 0))?;
                host::pass(MSEC * (1 + random.below(5)) as Ns)?;
                let (secs, nsecs) = some_rate(&mut random);
                write(Lines::new().rate(secs, nsecs))?;
            }
            1 | 2 => {
                let (secs, nsecs) = some_rate(&mut random);
                write(Lines::new().rate(secs, nsecs))?;
            }
            _ => {
                let range = some_range(&mut random);
                let by = random.below(2 * range) as Ns - range as Ns;
                let realtime = tracked
                    .namespace
                    .inside(|| State::read("self")?.context("timens_clock is empty"))?
                    .realtime;
                // Not so far that it becomes negative, or leaves 32 bits.
                let realtime = (realtime + by).clamp(-SEC * 1_000_000, SEC * 1_000_000);
                steps.fetch_add(1, Ordering::SeqCst);
                write(Lines::new().realtime(realtime))?;
                steps.fetch_add(1, Ordering::SeqCst);
            }
        }
        changes.fetch_add(1, Ordering::SeqCst);
        host::pass(MSEC * random.below(20) as Ns)?;
    }
}

/// Takes CPUs offline and brings them back.
fn unplug_on(cpus: usize, unplugged: &AtomicI64, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    loop {
        host::pass(MSEC * (50 + random.below(100 * cpus)) as Ns)?;
        let offline = Offline::new(1 + random.below(cpus - 1))?;
        host::pass(MSEC * random.below(100) as Ns)?;
        offline.end()?;
        unplugged.fetch_add(1, Ordering::SeqCst);
    }
}

/// A worker, and what the one that watches knows of it.
struct Place {
    record: Record,
    task: Task,
    namespace: usize,
    /// What it had done, and when that was seen first.
    seen: (i64, Ns),
    /// Whether it has waited for anything yet.
    begun: bool,
}

/// All that goes on.
struct Torture<'a> {
    worlds: &'a [(Tracked, &'a AtomicI64)],
    random: Random,
    killed: usize,
    lost: usize,
    /// The longest that a wait went on when its time had come, and when it is lost, in the host's
    /// time, which includes how long the machine stands still.
    late: Ns,
    too_late: Ns,
}

impl Torture<'_> {
    fn start(&mut self, record: Record, namespace: usize) -> Outcome<Place> {
        let (tracked, steps) = &self.worlds[namespace];
        let seed = self.random.next();
        let other = rustix::process::getpid().as_raw_nonzero().get();
        record.hand_over();
        let task = Task::spawn(|| {
            tracked.namespace.enter()?;
            Worker::new(record, steps, other, seed)?.run()
        })?;
        Ok(Place {
            record,
            task,
            namespace,
            seen: (record.expired(), host::reference()?),
            begun: false,
        })
    }

    /// Has another worker take the place of one.
    fn replace(&mut self, place: &mut Place) -> Outcome {
        place.task.kill();
        let namespace = self.random.below(self.worlds.len());
        *place = self.start(place.record, namespace)?;
        Ok(())
    }

    /// Looks after a worker that should have done something by now.
    fn look_after(&mut self, place: &mut Place) -> Outcome {
        if !place.task.is_running()? {
            place.task.outcome().during("a worker")?;
        }
        let (tracked, _) = &self.worlds[place.namespace];
        let (expired, now) = (place.record.expired(), host::reference()?);
        let overdue = match place.record.ends() {
            Some((clock, until)) => {
                place.begun = true;
                tracked.namespace.inside(|| clock.now())? >= until
            }
            None => !place.begun,
        };
        if expired != place.seen.0 || !overdue {
            place.seen = (expired, now);
            return Ok(());
        }
        self.late = self.late.max(now - place.seen.1);
        if now - place.seen.1 > self.too_late {
            self.lost += 1;
            let times = tracked.namespace.inside(|| {
                Ok((
                    Clock::Monotonic.now()?,
                    Clock::Boottime.now()?,
                    Clock::Realtime.now()?,
                ))
            })?;
            println!("    lost: {}; it is {times:?}", place.record.waits_for());
            self.replace(place)?;
        }
        Ok(())
    }
}

fn torture(setting: &Setting) -> Outcome {
    let enough = setting.expiries(50_000, 5000) as i64;
    let cpus = several()?;
    let mut random = Random::new(setting.seed);
    let counts = shared_numbers(NAMESPACES + 2)?;
    let (changes, unplugged) = (&counts[NAMESPACES], &counts[NAMESPACES + 1]);
    let mut worlds = Vec::new();
    for steps in &counts[..NAMESPACES] {
        let lines = Lines::new().rate(1, 0).monotonic(1000 * SEC);
        worlds.push((Tracked::new(&lines)?, steps));
    }
    let mut others = Vec::new();
    for (tracked, steps) in &worlds {
        let seed = random.next();
        others.push(Task::spawn(|| change_on(tracked, steps, changes, seed))?);
    }
    let seed = random.next();
    others.push(Task::spawn(|| unplug_on(cpus, unplugged, seed))?);

    let mut torture = Torture {
        worlds: &worlds,
        random,
        killed: 0,
        lost: 0,
        late: 0,
        too_late: setting.by_kernel(10, 60) * SEC,
    };
    let mut places = Vec::new();
    for i in 0..2 * cpus {
        places.push(torture.start(Record::new()?, i % NAMESPACES)?);
    }
    let begun = host::reference()?;
    let total = |places: &[Place], count: fn(&Record) -> i64| -> i64 {
        places.iter().map(|place| count(&place.record)).sum()
    };
    let disturbed = |killed: usize| {
        let counts = [changes, unplugged].map(|count| count.load(Ordering::SeqCst));
        killed > 0 && counts.into_iter().all(|count| count > 0)
    };
    while total(&places, Record::expired) < enough || !disturbed(torture.killed) {
        host::pass(50 * MSEC)?;
        for place in &mut places {
            torture.look_after(place)?;
        }
        for task in &mut others {
            if !task.is_running()? {
                task.outcome().during("who disturbs")?;
            }
        }
        let victim = torture.random.below(4 * places.len());
        if let Some(place) = places.get_mut(victim) {
            torture.replace(place)?;
            torture.killed += 1;
        }
        if torture.lost > 10 || total(&places, Record::early) > 1000 {
            break;
        }
    }
    let passed = host::reference()? - begun;
    let (expired, early, unjudged) = (
        total(&places, Record::expired),
        total(&places, Record::early),
        total(&places, Record::unjudged),
    );
    for task in others {
        task.stop()?;
    }
    // One of them was stopped between taking a CPU offline and bringing it back.
    all_online(cpus)?;
    println!(
        "    {expired} expiries in {} s, {early} early, {} lost, late by {} ms at most, \
         {unjudged} not to be judged; {} changes, {} times a CPU offline, {} tasks killed; seed {}",
        passed / SEC,
        torture.lost,
        torture.late / MSEC,
        changes.load(Ordering::SeqCst),
        unplugged.load(Ordering::SeqCst),
        torture.killed,
        setting.seed
    );
    let lost = torture.lost;
    for mut place in places {
        place.task.kill();
    }
    for (tracked, _) in &worlds {
        if let Ok(counters) = tracked.namespace.inside(|| Counters::read("self")) {
            println!("    {counters:?}");
        }
    }
    println!("    {} clocks", Counter::Clocks.read()?);
    check!(
        early == 0 && lost == 0,
        "{early} expiries of {expired} were early, {lost} lost"
    );
    Ok(())
}
