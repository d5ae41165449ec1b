// SPDX-License-Identifier: GPL-2.0

//! setitimer() and alarm().

use super::returned;
use crate::failure::{Context, Outcome};
use crate::sys::Ns;
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::signal::Blocked;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[
    Call::new("setitimer", Timeout::MONOTONIC, setitimer)
        .entries(Entry::OLD)
        .unit(1000),
    Call::new("alarm", Timeout::MONOTONIC, alarm)
        .entries(Entry::OLD)
        .unit(1_000_000_000),
];

const ITIMER_REAL: i32 = 0;
const SETITIMER: Number = Number::plain(libc::SYS_setitimer, 104);
const GETITIMER: Number = Number::plain(libc::SYS_getitimer, 105);
const ALARM: Number = Number::plain(libc::SYS_alarm, 27);

/// The process' timer of real time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Itimer {
    entry: Entry,
    time: Place,
}

impl Itimer {
    /// It, by way of `entry`.
    pub(crate) fn new(entry: Entry) -> Outcome<Self> {
        let time = room(entry, 2)?;
        Ok(Self { entry, time })
    }

    /// Arms it, for once or for every `interval`.
    pub(crate) fn arm(&self, ns: Ns, interval: Ns) -> Outcome {
        let entry = self.entry;
        self.time.write(0, &entry.timeval(interval));
        self.time.write(entry.time_size(), &entry.timeval(ns));
        let set = syscall!(entry, SETITIMER, ITIMER_REAL, &self.time, Arg::NULL);
        returned("setitimer", set, 0)
    }

    /// What is left.
    pub(crate) fn left(&self) -> Outcome<Ns> {
        syscall!(self.entry, GETITIMER, ITIMER_REAL, &self.time).context("getitimer")?;
        Ok(self.entry.read_timeval(&self.time, self.entry.time_size()))
    }
}

/// Sets the alarm. Returns the seconds that were left of the one before.
pub(crate) fn set_alarm(entry: Entry, secs: usize) -> Outcome<usize> {
    syscall!(entry, ALARM, secs).context("alarm")
}

fn setitimer(site: Site) -> Outcome<Wait> {
    let blocked = Blocked::new(libc::SIGALRM)?;
    let timer = Itimer::new(site.entry)?;
    Ok(Box::new(move |ns| {
        timer.arm(ns, 0)?;
        blocked.wait()
    }))
}

fn alarm(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let blocked = Blocked::new(libc::SIGALRM)?;
    Ok(Box::new(move |ns| {
        set_alarm(entry, (ns / 1_000_000_000) as usize)?;
        blocked.wait()
    }))
}
