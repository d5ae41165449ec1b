// SPDX-License-Identifier: GPL-2.0

//! Counting: how many instructions a clock read takes, in the context that this process is in.
//!
//! Under `-icount shift=0` the time stamp counter of the virtual machine goes on by one with each
//! instruction. The difference of two loops has neither their start nor their end in it, and
//! the fastest of many loops was not interrupted: the result is exact.

use std::{fs, thread::sleep, time::Duration};

use crate::{
    context::Context,
    cpu::{self, Read, Vdso},
    figures::{Figure, Kind, CLOCKS},
    Error,
};

const LOOPS: usize = 40;

/// Between two loops; all loops of a read together take more than a second. Around the end of
/// a second a clock read takes some instructions more, and this is not about them. In the virtual
/// machine idle time takes no time.
const PAUSE: Duration = Duration::from_millis(30);

/// Calls in the short loop; the long one has twice as many. Much shorter than a tick.
const CALLS: u32 = 500;

/// Calls for which system calls are counted.
const TRAPPED_CALLS: u32 = 10_000;

/// Counts everything in this context, and prints it.
pub(crate) fn measure(context: Context) -> Result<(), Error> {
    context.check()?;
    check_counter()?;

    let vdso = Vdso::find()?;
    let mut reads = Vec::new();
    for (name, clock) in CLOCKS {
        reads.push((name, vdso.clock_gettime(clock)?));
    }
    reads.push(("gettimeofday", vdso.gettimeofday()?));
    let time = vdso.time()?;

    for (name, read) in &reads {
        print(context, Kind::Vdso, name, instructions(read)?);
    }
    print(context, Kind::Vdso, "time", count(&time));
    for (name, clock) in CLOCKS {
        print(
            context,
            Kind::Syscall,
            name,
            instructions(&Read::syscall(clock))?,
        );
    }

    reads.push(("time", time));
    count_syscalls(context, &reads)
}

fn print(context: Context, kind: Kind, name: &str, value: f64) {
    let figure = Figure {
        context,
        kind,
        name: name.into(),
        value,
    };
    println!("{figure}");
}

/// How often each read asks the kernel.
fn count_syscalls(context: Context, reads: &[(&str, Read)]) -> Result<(), Error> {
    cpu::trap_syscalls()?;
    let trapped = |read: &Read| {
        let before = cpu::trapped();
        read.repeat(TRAPPED_CALLS);
        cpu::trapped() - before
    };
    let all = trapped(&Read::syscall(CLOCKS[0].1));
    if all != u64::from(TRAPPED_CALLS) {
        return Err(format!("{all} of {TRAPPED_CALLS} system calls were noticed").into());
    }
    for (name, read) in reads {
        print(context, Kind::Trapped, name, trapped(read) as f64);
    }
    Ok(())
}

/// The instructions of a read, of which the status has to be 0.
fn instructions(read: &Read) -> Result<f64, Error> {
    match read.repeat(1) {
        (_, 0) => Ok(count(read)),
        (_, status) => Err(format!("{read:?} returned {status:#x}").into()),
    }
}

/// The instructions of a function, but those that a function cannot do without.
fn count(read: &Read) -> f64 {
    in_loop(read) - in_loop(&Read::nothing())
}

fn in_loop(read: &Read) -> f64 {
    let shortest = |calls| {
        (0..LOOPS)
            .map(|_| {
                sleep(PAUSE);
                read.repeat(calls).0
            })
            .min()
            .unwrap_or_default()
    };
    let (short, long) = (shortest(CALLS), shortest(2 * CALLS));
    (long as f64 - short as f64) / f64::from(CALLS)
}

/// Fails unless the counter counts instructions, and the vDSO reads the counter.
fn check_counter() -> Result<(), Error> {
    const ROUNDS: u64 = 10_000;
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(source)?;
    if source.trim() != "tsc" {
        return Err(format!("the clock source is {}", source.trim()).into());
    }
    let shortest = |rounds| {
        (0..LOOPS)
            .map(|_| {
                sleep(PAUSE);
                cpu::count_pairs(rounds)
            })
            .min()
    };
    let difference = shortest(2 * ROUNDS).zip(shortest(ROUNDS));
    if difference.map(|(long, short)| long - short) != Some(2 * ROUNDS) {
        return Err(format!(
            "the counter does not count instructions (scripts/vm --warp): {difference:?}"
        )
        .into());
    }
    Ok(())
}
