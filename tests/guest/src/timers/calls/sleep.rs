// SPDX-License-Identifier: GPL-2.0

//! nanosleep() and clock_nanosleep().

use super::{returned, Interruptible, WaitForSignal};
use crate::failure::{check_eq, Outcome};
use crate::timers::call::{Call, Site, Timeout, Wait};
use rustix::io::Errno;

use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[
    Call::new("nanosleep", Timeout::MONOTONIC, nanosleep).entries(Entry::OLD),
    Call::new("clock_nanosleep", Timeout::ALL, clock_nanosleep),
    Call::new("clock_nanosleep", Timeout::TAI, clock_nanosleep),
];

/// Those that say what is left when a signal ends them.
pub(crate) const INTERRUPTIBLE: &[Interruptible] = &[
    Interruptible {
        name: "nanosleep",
        entries: Entry::OLD,
        timeouts: Timeout::MONOTONIC,
        prepare: interrupted_nanosleep,
    },
    Interruptible {
        name: "clock_nanosleep",
        entries: Entry::ALL,
        timeouts: Timeout::LENGTHS,
        prepare: interrupted_clock_nanosleep,
    },
];

const NANOSLEEP: Number = Number::plain(libc::SYS_nanosleep, 162);
const CLOCK_NANOSLEEP: Number = Number::timed(libc::SYS_clock_nanosleep, 267, 407);

fn nanosleep(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        returned("nanosleep", syscall!(entry, NANOSLEEP, &time, Arg::NULL), 0)
    }))
}

fn clock_nanosleep(site: Site) -> Outcome<Wait> {
    sleeper(site.entry, site.timeout)
}

/// What sleeps by clock_nanosleep().
pub(crate) fn sleeper(entry: Entry, timeout: Timeout) -> Outcome<Wait> {
    let time = room(entry, 1)?;
    let flags = if timeout.absolute {
        libc::TIMER_ABSTIME
    } else {
        0
    };
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let slept = syscall!(
            entry,
            CLOCK_NANOSLEEP,
            timeout.clock_id(),
            flags,
            &time,
            Arg::NULL
        );
        returned("clock_nanosleep", slept, 0)
    }))
}

fn interrupted_nanosleep(site: Site) -> Outcome<WaitForSignal> {
    let Site { entry, .. } = site;
    let (time, left) = (room(entry, 1)?, room(entry, 1)?);
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let slept = syscall!(entry, NANOSLEEP, &time, &left);
        check_eq!(slept, Err(Errno::INTR), "nanosleep");
        Ok(entry.read_timespec(&left, 0))
    }))
}

fn interrupted_clock_nanosleep(site: Site) -> Outcome<WaitForSignal> {
    let Site { entry, timeout, .. } = site;
    let (time, left) = (room(entry, 1)?, room(entry, 1)?);
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let clock = timeout.clock_id();
        let slept = syscall!(entry, CLOCK_NANOSLEEP, clock, 0, &time, &left);
        check_eq!(slept, Err(Errno::INTR), "clock_nanosleep");
        Ok(entry.read_timespec(&left, 0))
    }))
}
