// SPDX-License-Identifier: GPL-2.0

//! Timers of timerfd_create(). They know no TAI.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

use super::returned;
use crate::failure::{Context, Outcome};
use crate::sys::{self, Ns};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[Call::new("timerfd_settime", Timeout::ALL, by_reading)];

const CREATE: Number = Number::plain(libc::SYS_timerfd_create, 322);
const SETTIME: Number = Number::timed(libc::SYS_timerfd_settime, 325, 411);
const GETTIME: Number = Number::timed(libc::SYS_timerfd_gettime, 326, 410);
const READ: Number = Number::plain(libc::SYS_read, 3);

/// A timer.
#[derive(Debug)]
pub(crate) struct TimerFd {
    entry: Entry,
    flags: i32,
    fd: OwnedFd,
    time: Place,
    left: Place,
    count: Place,
}

impl TimerFd {
    /// A disarmed one. `flags` are of timerfd_create().
    pub(crate) fn new(entry: Entry, timeout: Timeout, flags: i32) -> Outcome<Self> {
        let fd = syscall!(entry, CREATE, timeout.clock_id(), flags)
            .context(format_args!("timerfd_create for {timeout}"))?;
        Self::of(entry, timeout, sys::own_descriptor(fd as i32))
    }

    /// The one with that descriptor.
    pub(crate) fn of(entry: Entry, timeout: Timeout, fd: OwnedFd) -> Outcome<Self> {
        Ok(Self {
            entry,
            flags: match timeout.absolute {
                true => libc::TFD_TIMER_ABSTIME,
                false => 0,
            },
            fd,
            time: room(entry, 2)?,
            left: room(entry, 2)?,
            count: Place::zeroed(8)?,
        })
    }

    /// As it is armed from now on: when REALTIME is set, it says so.
    pub(crate) fn cancelled_when_set(self) -> Self {
        Self {
            flags: self.flags | libc::TFD_TIMER_CANCEL_ON_SET,
            ..self
        }
    }

    /// The descriptor.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    /// Arms it, for once or for every `interval`.
    pub(crate) fn arm(&self, ns: Ns, interval: Ns) -> Outcome {
        let Self { entry, fd, .. } = self;
        self.time.write(0, &entry.timespec(interval));
        self.time.write(entry.time_size(), &entry.timespec(ns));
        let fd = fd.as_raw_fd();
        syscall!(entry, SETTIME, fd, self.flags, &self.time, &self.left)
            .context("timerfd_settime")
            .map(drop)
    }

    /// What is left.
    pub(crate) fn left(&self) -> Outcome<Ns> {
        syscall!(self.entry, GETTIME, self.fd.as_raw_fd(), &self.left)
            .context("timerfd_gettime")?;
        Ok(self.entry.read_timespec(&self.left, self.entry.time_size()))
    }

    /// Waits for its expiry. Says how often it has expired: nothing when the clock was set back
    /// meanwhile, so that a periodic one has yet to expire.
    pub(crate) fn read(&self) -> Result<u64, Errno> {
        let size = 8_usize;
        let fd = self.fd.as_raw_fd();
        syscall!(self.entry, READ, fd, &self.count, size).map(|read| match read {
            0 => 0,
            _ => self.count.read_u64(0),
        })
    }
}

fn by_reading(site: Site) -> Outcome<Wait> {
    let timer = TimerFd::new(site.entry, site.timeout, 0)?;
    Ok(Box::new(move |ns| {
        timer.arm(ns, 0)?;
        returned("read", timer.read().map(|count| count as usize), 1)
    }))
}
