// SPDX-License-Identifier: GPL-2.0

//! A user without privilege who changes clocks and arms timers as fast as can be, on all CPUs: the
//! interrupts that this costs everybody are limited, however many namespaces he has.

use std::fs;

use rustix::io::Errno;
use rustix::process::{setrlimit, Resource, Rlimit};
use rustix::thread::{sched_getaffinity, UnshareFlags};

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome, Trouble};
use crate::host;
use crate::module::Counter;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::ProcFile;
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::sys::{clock_settime, unshare, Ns};
use crate::task::{pin_to, Gate, Task};
use crate::tests::unprivileged::{become_nobody, unshare_user};
use crate::timers::call::Timeout;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;

tests![
    one_namespace,
    many_namespaces,
    one_cpu,
    clocks_that_timers_keep,
];

const SEC: Ns = 1_000_000_000;
const MSEC: Ns = 1_000_000;
/// For a second of reference time and each CPU.
const LIMIT: u64 = 1000;
/// As many as one process has open.
const TIMERS: usize = 64;

/// Changes the clocks of some namespaces and arms timers in them, and does not stop.
///
/// All timers are near enough to their ends for a slower clock to leave them early, and a faster
/// one late.
fn hammer(namespaces: &[Namespace], seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let timeouts = [
        Timeout::absolute(Clock::Monotonic),
        Timeout::absolute(Clock::Boottime),
        Timeout::absolute(Clock::Realtime),
    ];
    let mut timers = Vec::new();
    for _ in 0..TIMERS {
        let timeout = random.pick(&timeouts);
        let timer = TimerFd::new(Entry::Native, timeout, libc::TFD_NONBLOCK)?;
        timers.push((timeout, timer));
    }
    loop {
        namespaces[random.below(namespaces.len())].enter()?;
        for _ in 0..8 {
            let (timeout, timer) = &timers[random.below(timers.len())];
            let length = random.pick(&[10_000, 1_000_000, 10_000_000]);
            timer.arm(timeout.clock.now()? + length, length / 10)?;
        }
        let text = match random.below(4) {
            0 => format!("realtime {} 0\n", random.below(1000)),
            1 => "rate 0 1000000\n".into(),
            2 => "rate 255 0\n".into(),
            _ => format!("rate 1 {}\n", random.below(1_000_000)),
        };
        ProcFile::Clock.write("self", text).context("a change")?;
    }
}

fn cpus() -> Outcome<usize> {
    let cpus = sched_getaffinity(None).context("sched_getaffinity")?;
    Ok(cpus.count() as usize)
}

/// Waits until one of them fails.
fn watch(hands: &mut [Task]) -> Outcome {
    loop {
        for hand in &mut *hands {
            if !hand.is_running()? {
                hand.outcome().during("an attacker")?;
            }
        }
        host::pass(10 * MSEC)?;
    }
}

/// An ordinary user with `count` namespaces, and a process for each CPU.
fn attack(setting: &Setting, count: usize) -> Outcome {
    let cpus = cpus()?;
    let ready = Gate::new()?;
    let mut attacker = Task::spawn(|| {
        let many = Rlimit {
            current: Some(10_000),
            maximum: Some(10_000),
        };
        setrlimit(Resource::Nofile, many).context("setrlimit")?;
        become_nobody()?;
        unshare_user()?;
        let mut namespaces = Vec::new();
        for _ in 0..count {
            Pending::new()?.write("rate 1 0\nrealtime 0 0\n")?;
            // There is no way back from it for an ordinary user, and none is needed.
            namespaces.push(Namespace::for_children()?);
        }
        let mut hands = Vec::new();
        for i in 0..2 * cpus {
            hands.push(Task::spawn(|| {
                pin_to(i % cpus)?;
                hammer(&namespaces, i as u64)
            })?);
        }
        ready.open()?;
        watch(&mut hands)
    })?;
    ready.wait_for(&mut attacker)?;
    host::pass(100 * MSEC)?;

    // Counted from before until after what is timed: never too few.
    let counters = || Ok((Counter::Early.read()?, Counter::Ipis.read()?));
    let changes = || {
        let rates = Counter::RateChanges.read()?;
        Ok::<u64, crate::failure::Trouble>(rates + Counter::Steps.read()?)
    };
    let seconds: Ns = setting.by_kernel(5, 20);
    let begun = host::reference()?;
    let (before, changed) = (counters()?, changes()?);
    host::pass(seconds * SEC)?;
    let (after, changed) = (counters()?, changes()? - changed);
    let passed = host::reference()? - begun;
    attacker.stop()?;

    let allowed = (Ns::from(LIMIT) * cpus as Ns * passed / SEC) as u64;
    let (early, ipis) = (after.0 - before.0, after.1 - before.1);
    println!(
        "    {count} namespaces: {changed} changes, {early} early, {ipis} IPIs in {} ms on {cpus} CPUs",
        passed / MSEC
    );
    check!(changed > 0, "no clock was changed");
    check!(ipis > 0 || cpus == 1, "no IPIs are counted");
    check!(
        early <= allowed,
        "{early} early expiries in {passed} ns on {cpus} CPUs, {allowed} are allowed"
    );
    check!(
        ipis <= allowed,
        "{ipis} IPIs in {passed} ns on {cpus} CPUs, {allowed} are allowed"
    );
    Ok(())
}

/// Sets a clock to shortly before a time that a timer on the first CPU waits for, and far back.
fn push_and_pull(cpu: usize) -> Outcome {
    const TIME: Ns = 2_000_000_000 * SEC;
    let timeout = Timeout::absolute(Clock::Realtime);
    let timer = TimerFd::new(Entry::Native, timeout, libc::TFD_NONBLOCK)?;
    loop {
        pin_to(0)?;
        timer.arm(TIME, 0)?;
        pin_to(cpu)?;
        for before in [MSEC / 2, 3600 * SEC] {
            clock_settime(libc::CLOCK_REALTIME, TIME - before).context("clock_settime")?;
        }
    }
}

/// All CPUs, the first one included, want the first to look for its timers at the same times.
fn one_cpu(setting: &Setting) -> Outcome {
    const CLOCKS: usize = 24;
    let cpus = cpus()?;
    let ready = Gate::new()?;
    let mut attacker = Task::spawn(|| {
        become_nobody()?;
        unshare_user()?;
        let mut hands = Vec::new();
        for i in 0..CLOCKS {
            Pending::new()?.write("rate 1 0\n")?;
            let namespace = Namespace::for_children()?;
            hands.push(Task::spawn(|| {
                namespace.enter()?;
                // One on the first CPU itself, where there are others.
                push_and_pull(match i {
                    0 => 0,
                    _ => (1 + i % (cpus - 1).max(1)) % cpus,
                })
            })?);
        }
        ready.open()?;
        watch(&mut hands)
    })?;
    ready.wait_for(&mut attacker)?;

    let begun = host::reference()?;
    let (before, steps) = (Counter::Ipis.read()?, Counter::Steps.read()?);
    host::pass(setting.by_kernel(5, 10) * SEC)?;
    let ipis = Counter::Ipis.read()? - before;
    let steps = Counter::Steps.read()? - steps;
    let passed = host::reference()? - begun;
    attacker.stop()?;
    let allowed = (Ns::from(LIMIT) * passed / SEC) as u64;
    println!(
        "    {steps} steps, {ipis} IPIs in {} ms to one CPU",
        passed / MSEC
    );
    check!(steps > 0, "no clock was set");
    check!(ipis > 0 || cpus == 1, "no IPIs are counted");
    check!(
        ipis <= allowed,
        "{ipis} IPIs in {passed} ns, {allowed} are allowed"
    );
    Ok(())
}

/// Clocks that outlive their namespaces, because timers hold them, count as namespaces.
fn clocks_that_timers_keep(_: &Setting) -> Outcome {
    Task::spawn(|| {
        become_nobody()?;
        unshare_user()?;
        fs::write("/proc/sys/user/max_time_namespaces", "3").context("the limit")?;
        // A namespace, of which nothing is left but the timer.
        let left_timer = || {
            Pending::new()?.write("rate 1 0\n")?;
            let timer = TimerFd::new(
                Entry::Native,
                Timeout::absolute(Clock::Realtime),
                libc::TFD_NONBLOCK,
            )?;
            Task::spawn(|| {
                Namespace::for_children()?.enter()?;
                timer.arm(2_000_000_000 * SEC, 0)
            })?
            .join()?;
            Ok::<_, Trouble>(timer)
        };
        let mut timers = Vec::new();
        for _ in 0..3 {
            timers.push(left_timer().during("as many as are allowed")?);
        }
        // What this process still has for its children is the third.
        let unshare = || unshare(UnshareFlags::NEWTIME);
        check_eq!(unshare(), Err(Errno::NOSPC), "one more namespace");
        drop(timers);
        // No more than this process's own and the next. The first to be made waits for the
        // clocks of the timers, and the second for that of the third, which had one too: all
        // are freed a grace period later.
        fs::write("/proc/sys/user/max_time_namespaces", "2").context("the limit")?;
        let end = host::reference()? + 10 * SEC;
        for _ in 0..2 {
            while unshare() == Err(Errno::NOSPC) {
                check!(
                    host::reference()? < end,
                    "clocks without timers still count"
                );
                host::pass(MSEC)?;
            }
        }
        unshare().context("a namespace with no timer does not keep the next from being made")
    })?
    .join()
}

fn one_namespace(setting: &Setting) -> Outcome {
    attack(setting, 1)
}

fn many_namespaces(setting: &Setting) -> Outcome {
    attack(setting, setting.by_kernel(500, 100))
}
