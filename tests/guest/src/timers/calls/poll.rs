// SPDX-License-Identifier: GPL-2.0

//! poll() and select(), which wait for nothing here.

use rustix::io::Errno;

use super::{returned, Interruptible, WaitForSignal};
use crate::failure::{check_eq, Outcome};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

// All but poll() write to their timeout what is left of it when they are stopped.
pub(crate) const CALLS: &[Call] = &[
    Call::new("poll", Timeout::MONOTONIC, poll)
        .entries(Entry::OLD)
        .unit(1_000_000),
    Call::new("ppoll", Timeout::MONOTONIC, ppoll).disturbed(),
    Call::new("select", Timeout::MONOTONIC, select)
        .entries(Entry::OLD)
        .unit(1000)
        .disturbed(),
    Call::new("old-select", Timeout::MONOTONIC, old_select)
        .entries(&[Entry::Time32])
        .unit(1000)
        .disturbed(),
    Call::new("pselect6", Timeout::MONOTONIC, pselect6).disturbed(),
];

/// Those that write to their timeout what is left of it when a signal ends them.
pub(crate) const INTERRUPTIBLE: &[Interruptible] = &[
    Interruptible {
        name: "ppoll",
        entries: Entry::ALL,
        timeouts: Timeout::MONOTONIC,
        prepare: interrupted_ppoll,
    },
    Interruptible {
        name: "select",
        entries: Entry::OLD,
        timeouts: Timeout::MONOTONIC,
        prepare: interrupted_select,
    },
    Interruptible {
        name: "pselect6",
        entries: Entry::ALL,
        timeouts: Timeout::MONOTONIC,
        prepare: interrupted_pselect6,
    },
];

const POLL: Number = Number::plain(libc::SYS_poll, 168);
const PPOLL: Number = Number::timed(libc::SYS_ppoll, 309, 414);
const SELECT: Number = Number::plain(libc::SYS_select, 142);
// Not a call of 64-bit programs.
const OLD_SELECT: Number = Number::plain(-1, 82);
const PSELECT6: Number = Number::timed(libc::SYS_pselect6, 308, 413);

fn poll(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    Ok(Box::new(move |ns| {
        let milliseconds = (ns / 1_000_000) as i32;
        let polled = syscall!(entry, POLL, Arg::NULL, Arg::NULL, milliseconds);
        returned("poll", polled, 0)
    }))
}

fn ppoll(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let polled = syscall!(entry, PPOLL, Arg::NULL, Arg::NULL, &time, Arg::NULL, 8);
        returned("ppoll", polled, 0)
    }))
}

fn select(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timeval(ns));
        let selected = syscall!(
            entry,
            SELECT,
            Arg::NULL,
            Arg::NULL,
            Arg::NULL,
            Arg::NULL,
            &time
        );
        returned("select", selected, 0)
    }))
}

fn old_select(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    // What are arguments elsewhere.
    let arguments = Place::zeroed(20)?;
    arguments.write_u32(16, time.address() as u32);
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timeval(ns));
        returned("select", syscall!(entry, OLD_SELECT, &arguments), 0)
    }))
}

fn pselect6(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let selected = syscall!(
            entry,
            PSELECT6,
            Arg::NULL,
            Arg::NULL,
            Arg::NULL,
            Arg::NULL,
            &time,
            Arg::NULL,
        );
        returned("pselect6", selected, 0)
    }))
}

fn interrupted_ppoll(site: Site) -> Outcome<WaitForSignal> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let polled = syscall!(entry, PPOLL, Arg::NULL, Arg::NULL, &time, Arg::NULL, 8);
        check_eq!(polled, Err(Errno::INTR), "ppoll");
        Ok(entry.read_timespec(&time, 0))
    }))
}

fn interrupted_select(site: Site) -> Outcome<WaitForSignal> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    let none = Arg::NULL;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timeval(ns));
        let selected = syscall!(entry, SELECT, none, none, none, none, &time);
        check_eq!(selected, Err(Errno::INTR), "select");
        Ok(entry.read_timeval(&time, 0))
    }))
}

fn interrupted_pselect6(site: Site) -> Outcome<WaitForSignal> {
    let Site { entry, .. } = site;
    let time = room(entry, 1)?;
    let none = Arg::NULL;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let selected = syscall!(entry, PSELECT6, none, none, none, none, &time, none);
        check_eq!(selected, Err(Errno::INTR), "pselect6");
        Ok(entry.read_timespec(&time, 0))
    }))
}
