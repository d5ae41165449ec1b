// SPDX-License-Identifier: GPL-2.0

//! How many instructions a clock read takes, in the context that this process is in.

use crate::{
    context::Context,
    cpu::{self, Read, Vdso},
    figures::{Figure, Kind, CLOCKS},
    loops, Error,
};

/// Calls in the short loop.
const CALLS: u32 = 500;

/// Calls for which system calls are counted.
const TRAPPED_CALLS: u32 = 10_000;

/// Counts the vDSO's functions.
pub(crate) fn vdso(context: Context) -> Result<(), Error> {
    let vdso = Vdso::find()?;
    let mut reads = Vec::new();
    for (name, clock) in CLOCKS {
        reads.push((name, vdso.clock_gettime(clock)?));
    }
    reads.push(("gettimeofday", vdso.gettimeofday()?));
    let time = vdso.time()?;

    for (name, read) in &reads {
        Figure::print(context, Kind::Vdso, name, instructions(read)?);
    }
    Figure::print(context, Kind::Vdso, "time", count(&time)?);

    reads.push(("time", time));
    count_syscalls(context, &reads)
}

/// Counts the system call.
pub(crate) fn syscalls(context: Context) -> Result<(), Error> {
    for (name, clock) in CLOCKS {
        let value = instructions(&Read::syscall(clock))?;
        Figure::print(context, Kind::Syscall, name, value);
    }
    Ok(())
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
        Figure::print(context, Kind::Trapped, name, trapped(read) as f64);
    }
    Ok(())
}

/// The instructions of a read, of which the status has to be 0.
fn instructions(read: &Read) -> Result<f64, Error> {
    match read.repeat(1) {
        (_, 0) => count(read),
        (_, status) => Err(format!("{read:?} returned {status:#x}").into()),
    }
}

/// The instructions of a function, but those that a function cannot do without.
fn count(read: &Read) -> Result<f64, Error> {
    Ok(in_loop(read)? - in_loop(&Read::nothing())?)
}

fn in_loop(read: &Read) -> Result<f64, Error> {
    loops::one_of(CALLS, |calls| {
        loops::pause();
        Ok(read.repeat(calls).0)
    })
}
