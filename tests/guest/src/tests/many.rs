// SPDX-License-Identifier: GPL-2.0

//! Many namespaces at once.

use std::fs;

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use crate::failure::{check, check_eq, fail, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::module::{self, Counter};
use crate::namespace::{Namespace, Pending};
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{Gate, Task};
use crate::tracked::Tracked;

tests![all_gone_afterwards, counters,];

const SEC: Ns = 1_000_000_000;

/// Lets this process have as many namespaces, and files of them.
fn raise_limits(count: usize) -> Outcome {
    fs::write(
        "/proc/sys/user/max_time_namespaces",
        format!("{}", count + 1000),
    )
    .context("max_time_namespaces")?;
    let files = count as u64 + 100;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < files) {
        let limit = Rlimit {
            current: Some(files),
            maximum: limit.maximum.map(|most| most.max(files)),
        };
        setrlimit(Resource::Nofile, limit).context("setrlimit")?;
    }
    Ok(())
}

/// One that has been entered.
fn another() -> Outcome<Namespace> {
    let pending = Pending::new()?;
    pending.write("rate 2 0\nrealtime 1000 0\n")?;
    let namespace = pending.detach()?;
    namespace.inside(|| Ok(()))?;
    Ok(namespace)
}

fn make_all(count: usize, make: fn() -> Outcome<Namespace>) -> Outcome<Vec<Namespace>> {
    (0..count)
        .map(|made| make().during(format_args!("after {made} namespaces")))
        .collect()
}

fn all_gone_afterwards(setting: &Setting) -> Outcome {
    let count = setting.by_kernel(1000, 200);
    raise_limits(count)?;
    let before = Counter::Clocks.read()?;
    let namespaces = make_all(count, another)?;
    check_eq!(Counter::Clocks.read()?, before + count as u64, "clocks");
    let lines = Lines::new().rate(2, 0).realtime(SEC);
    Tracked::new(&lines)?.verify().during("one more")?;
    drop(namespaces);
    module::wait_for_clocks(before)
}

fn counters(_: &Setting) -> Outcome {
    const ALL: [Counter; 4] = [
        Counter::Clocks,
        Counter::Created,
        Counter::Steps,
        Counter::RateChanges,
    ];
    let read = || {
        ALL.iter()
            .map(|counter| counter.read())
            .collect::<Outcome<Vec<_>>>()
    };
    let before = read()?;
    let advance = |by: [u64; 4]| {
        before
            .iter()
            .zip(by)
            .map(|(count, by)| count + by)
            .collect::<Vec<_>>()
    };

    Pending::new()?.detach()?;
    check_eq!(read()?, before, "with a plain namespace");
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    check_eq!(read()?, advance([1, 1, 0, 0]), "with an own-clock one");
    tracked.change(ProcFile::Clock, &Lines::new().rate(1, 0))?;
    tracked.change(ProcFile::Clock, &Lines::new().realtime(5))?;
    check_eq!(read()?, advance([1, 1, 1, 1]), "after a change and a step");
    let refused = tracked
        .namespace
        .inside(|| Ok(ProcFile::Clock.write("self", "rate 256 0\n")))?;
    check!(refused.is_err(), "a rate of 256 was taken");
    check_eq!(read()?, advance([1, 1, 1, 1]), "after a refusal");
    let clone = tracked.cloned(&Lines::new())?;
    check_eq!(read()?, advance([2, 2, 1, 1]), "with a clone");
    drop((tracked, clone));
    module::wait_for_clocks(before[0])
}

fn field(file: &str, name: &str) -> Outcome<u64> {
    let text = fs::read_to_string(file).context(file)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    number.context(format_args!("no {name} in {file}"))
}

/// KiB: free for use, and unreclaimable in the slab.
fn memory() -> Outcome<[u64; 2]> {
    Ok([
        field("/proc/meminfo", "MemAvailable")?,
        field("/proc/meminfo", "SUnreclaim")?,
    ])
}

/// Measures what `count` namespaces take, own-clock and plain ones, and that it is given back.
pub(crate) fn report(count: usize) -> Outcome {
    // The first ones also pay for what the kernel keeps for the next.
    Task::spawn(|| {
        raise_limits(count)?;
        make_all(count, make_plain).map(drop)
    })?
    .join()?;
    measure("plain", count, make_plain)?;
    measure("own-clock", count, another)
}

fn make_plain() -> Outcome<Namespace> {
    let namespace = Pending::new()?.detach()?;
    namespace.inside(|| Ok(()))?;
    Ok(namespace)
}

fn measure(name: &str, count: usize, make: fn() -> Outcome<Namespace>) -> Outcome {
    let clocks = || {
        if module::is_there() {
            Counter::Clocks.read()
        } else {
            Ok(0)
        }
    };
    let clocks_before = clocks()?;
    let before = memory()?;
    let made = Gate::new()?;
    let mut task = Task::spawn(|| {
        raise_limits(count)?;
        let _namespaces = make_all(count, make)?;
        made.open()?;
        Gate::new()?.wait()
    })?;
    made.wait_for(&mut task)?;
    let with = memory()?;
    let bytes = |more: u64, less: u64| more.saturating_sub(less) * 1024 / count as u64;
    println!(
        "{count} {name} namespaces, {} clocks more: {} bytes each less available, {} in the slab",
        clocks()? - clocks_before,
        bytes(before[0], with[0]),
        bytes(with[1], before[1]),
    );
    task.kill();
    module::is_there()
        .then(|| module::wait_for_clocks(clocks_before))
        .transpose()?;

    // A tenth may be kept for reuse or be somebody else's. The rest comes back after a grace period.
    let deadline = host::reference()? + 120 * SEC;
    loop {
        let left = memory()?;
        if bytes(before[0], left[0]) * 10 <= bytes(before[0], with[0]) {
            println!(
                "all gone: {} clocks left, {} KiB less available",
                clocks()?,
                before[0].saturating_sub(left[0])
            );
            return Ok(());
        }
        if host::reference()? > deadline {
            fail!("available memory was {} KiB, is {} KiB", before[0], left[0]);
        }
        host::pass(SEC / 10)?;
    }
}
