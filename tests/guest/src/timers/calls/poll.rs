// SPDX-License-Identifier: GPL-2.0

//! poll() and select(), which wait for nothing here.

use rustix::io::Errno;

use super::{returned, Interruptible, WaitForSignal};
use crate::failure::{check_eq, Outcome};
use crate::sys::Ns;
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

// All but poll() write to their timeout what is left of it when they are stopped.
pub(crate) const CALLS: &[Call] = &[
    Call::new("poll", Timeout::MONOTONIC, poll)
        .entries(Entry::OLD)
        .unit(1_000_000),
    Call::new("ppoll", Timeout::MONOTONIC, |site| TIMED_PPOLL.wait(site)).disturbed(),
    Call::new("select", Timeout::MONOTONIC, |site| TIMED_SELECT.wait(site))
        .entries(Entry::OLD)
        .unit(1000)
        .disturbed(),
    Call::new("old-select", Timeout::MONOTONIC, old_select)
        .entries(&[Entry::Time32])
        .unit(1000)
        .disturbed(),
    Call::new("pselect6", Timeout::MONOTONIC, |site| {
        TIMED_PSELECT6.wait(site)
    })
    .disturbed(),
];

/// Those that write to their timeout what is left of it when a signal ends them.
pub(crate) const INTERRUPTIBLE: &[Interruptible] = &[
    Interruptible {
        name: "ppoll",
        entries: Entry::ALL,
        timeouts: Timeout::MONOTONIC,
        prepare: |site| TIMED_PPOLL.wait_for_signal(site),
    },
    Interruptible {
        name: "select",
        entries: Entry::OLD,
        timeouts: Timeout::MONOTONIC,
        prepare: |site| TIMED_SELECT.wait_for_signal(site),
    },
    Interruptible {
        name: "pselect6",
        entries: Entry::ALL,
        timeouts: Timeout::MONOTONIC,
        prepare: |site| TIMED_PSELECT6.wait_for_signal(site),
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

/// A call with a timeout to which it writes what is left.
struct Timed {
    name: &'static str,
    /// How the timeout is written and read.
    write: fn(Entry, Ns) -> Vec<u8>,
    read: fn(Entry, &Place, usize) -> Ns,
    call: fn(Entry, &Place) -> Result<usize, Errno>,
}

const NONE: Arg = Arg::NULL;

const TIMED_PPOLL: Timed = Timed {
    name: "ppoll",
    write: Entry::timespec,
    read: Entry::read_timespec,
    call: |entry, time| syscall!(entry, PPOLL, NONE, NONE, time, NONE, 8),
};

const TIMED_SELECT: Timed = Timed {
    name: "select",
    write: Entry::timeval,
    read: Entry::read_timeval,
    call: |entry, time| syscall!(entry, SELECT, NONE, NONE, NONE, NONE, time),
};

const TIMED_PSELECT6: Timed = Timed {
    name: "pselect6",
    write: Entry::timespec,
    read: Entry::read_timespec,
    call: |entry, time| syscall!(entry, PSELECT6, NONE, NONE, NONE, NONE, time, NONE),
};

impl Timed {
    fn wait(self, Site { entry, .. }: Site) -> Outcome<Wait> {
        let time = room(entry, 1)?;
        Ok(Box::new(move |ns| {
            time.write(0, &(self.write)(entry, ns));
            returned(self.name, (self.call)(entry, &time), 0)
        }))
    }

    fn wait_for_signal(self, Site { entry, .. }: Site) -> Outcome<WaitForSignal> {
        let time = room(entry, 1)?;
        Ok(Box::new(move |ns| {
            time.write(0, &(self.write)(entry, ns));
            check_eq!((self.call)(entry, &time), Err(Errno::INTR), "{}", self.name);
            Ok((self.read)(entry, &time, 0))
        }))
    }
}
