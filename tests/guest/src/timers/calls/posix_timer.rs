// SPDX-License-Identifier: GPL-2.0

//! Timers of timer_create(), by how they say that they have expired.

use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::thread::gettid;

use crate::clock::Clock;
use crate::failure::{check, Context, Outcome};
use crate::timers::call::{Call, Precision, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Entry, Number};
use crate::timers::place::Place;
use crate::timers::signal::Blocked;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[
    Call::new("timer_settime", Timeout::ALL, by_signal),
    Call::new("timer_settime", Timeout::TAI, by_signal),
    Call::new(
        "timer_settime-thread",
        &[
            Timeout::relative(Clock::Monotonic),
            Timeout::absolute(Clock::Realtime),
        ],
        by_signal_to_thread,
    ),
    Call::new(
        "timer_gettime-none",
        &[
            Timeout::relative(Clock::Monotonic),
            Timeout::absolute(Clock::Monotonic),
            Timeout::relative(Clock::Realtime),
            Timeout::absolute(Clock::Realtime),
            Timeout::absolute(Clock::Boottime),
            Timeout::absolute(Clock::Tai),
        ],
        by_asking,
    )
    .precision(Precision::Paced),
];

const CREATE: Number = Number::plain(libc::SYS_timer_create, 259);
const SETTIME: Number = Number::timed(libc::SYS_timer_settime, 260, 409);
const GETTIME: Number = Number::timed(libc::SYS_timer_gettime, 261, 408);
const OVERRUN: Number = Number::plain(libc::SYS_timer_getoverrun, 262);
const DELETE: Number = Number::plain(libc::SYS_timer_delete, 263);

/// A timer. It is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    entry: Entry,
    id: i32,
    flags: i32,
    time: Place,
    left: Place,
}

impl Timer {
    /// One that `notify` says how it expires: a `SIGEV_` constant.
    pub(crate) fn new(entry: Entry, timeout: Timeout, notify: i32, signal: i32) -> Outcome<Self> {
        // The value, the signal, the way, the thread; then nothing that is looked at.
        let event = Place::zeroed(64)?;
        let value = if entry.is_narrow() { 4 } else { 8 };
        event.write_u32(value, signal as u32);
        event.write_u32(value + 4, notify as u32);
        event.write_u32(value + 8, gettid().as_raw_nonzero().get() as u32);
        let id = Place::zeroed(4)?;
        syscall!(entry, CREATE, timeout.clock_id(), &event, &id)
            .context(format_args!("timer_create for {timeout}"))?;
        Ok(Self {
            entry,
            id: id.read_u32(0) as i32,
            flags: match timeout.absolute {
                true => libc::TIMER_ABSTIME,
                false => 0,
            },
            time: room(entry, 2)?,
            left: room(entry, 2)?,
        })
    }

    /// Arms it, for once or for every `interval`. Returns what was left until then.
    pub(crate) fn arm(&self, ns: i128, interval: i128) -> Outcome<i128> {
        self.time.write(0, &self.entry.timespec(interval));
        self.time
            .write(self.entry.time_size(), &self.entry.timespec(ns));
        syscall!(self.entry, SETTIME, self.id, self.flags, &self.time, &self.left)
            .context("timer_settime")?;
        Ok(self.entry.read_timespec(&self.left, self.entry.time_size()))
    }

    /// What is left.
    pub(crate) fn left(&self) -> Outcome<i128> {
        syscall!(self.entry, GETTIME, self.id, &self.left).context("timer_gettime")?;
        Ok(self.entry.read_timespec(&self.left, self.entry.time_size()))
    }

    /// How many expiries came after the one that was said. None makes up for that one: the clock was
    /// set back meanwhile, so that a periodic timer has yet to expire.
    pub(crate) fn overrun(&self) -> Outcome<Option<usize>> {
        match syscall!(self.entry, OVERRUN, self.id) {
            // It returns -1, and sets no error.
            Err(Errno::PERM) => Ok(None),
            count => count.context("timer_getoverrun").map(Some),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // There is such a timer, so that it cannot fail.
        let _ = syscall!(self.entry, DELETE, self.id);
    }
}

fn await_signal(site: &Site, notify: i32) -> Outcome<Wait> {
    let signal = libc::SIGRTMIN();
    let blocked = Blocked::new(signal)?;
    let timer = Timer::new(site.entry, site.timeout, notify, signal)?;
    Ok(Box::new(move |ns| {
        timer.arm(ns, 0)?;
        blocked.wait()
    }))
}

fn by_signal(site: Site) -> Outcome<Wait> {
    await_signal(&site, libc::SIGEV_SIGNAL)
}

fn by_signal_to_thread(site: Site) -> Outcome<Wait> {
    await_signal(&site, libc::SIGEV_THREAD_ID)
}

fn by_asking(site: Site) -> Outcome<Wait> {
    const READ: Number = Number::plain(libc::SYS_read, 3);
    let timer = Timer::new(site.entry, site.timeout, libc::SIGEV_NONE, 0)?;
    let pace = site.pace.context("it has to be paced")?;
    let byte = Place::zeroed(1)?;
    Ok(Box::new(move |ns| {
        timer.arm(ns, 0)?;
        while timer.left()? != 0 {
            let one = 1_usize;
            let came = syscall!(Entry::Native, READ, pace.as_raw_fd(), &byte, one);
            check!(came == Ok(1), "pace: {came:?}");
        }
        Ok(())
    }))
}
