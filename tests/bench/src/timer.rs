// SPDX-License-Identifier: GPL-2.0

//! Timers that stay when a process leaves the namespace where it has armed them.

use std::{
    os::fd::OwnedFd,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    io,
    process::{setrlimit, Resource, Rlimit},
    time::{
        timerfd_create, timerfd_gettime, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags,
        TimerfdTimerFlags, Timespec,
    },
};

use crate::Error;

/// A time that does not come while anything is counted, s.
pub(crate) const FAR: u64 = 1_000_000;

/// More descriptors than this program ever has.
const DESCRIPTORS: u64 = 200_000;

/// A timer that expires once.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// One of `CLOCK_MONOTONIC`.
    pub(crate) fn monotonic() -> io::Result<Self> {
        Self::new(TimerfdClockId::Monotonic)
    }

    /// One of `CLOCK_REALTIME`.
    pub(crate) fn realtime() -> io::Result<Self> {
        Self::new(TimerfdClockId::Realtime)
    }

    fn new(clock: TimerfdClockId) -> io::Result<Self> {
        timerfd_create(clock, TimerfdFlags::CLOEXEC).map(Self)
    }

    /// Arms it, to expire after some time.
    pub(crate) fn arm_after(&self, after: Duration) -> Result<(), Error> {
        self.arm(TimerfdTimerFlags::empty(), after)
    }

    /// Arms one of `CLOCK_REALTIME`, to expire at a time since 1970.
    pub(crate) fn arm_at(&self, time: Duration) -> Result<(), Error> {
        self.arm(TimerfdTimerFlags::ABSTIME, time)
    }

    fn arm(&self, flags: TimerfdTimerFlags, time: Duration) -> Result<(), Error> {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: time.try_into()?,
        };
        timerfd_settime(&self.0, flags, &once)?;
        Ok(())
    }

    /// Whether it has expired, or was never armed.
    pub(crate) fn is_idle(&self) -> Result<bool, Error> {
        Ok(timerfd_gettime(&self.0)?.it_value == Timespec::default())
    }
}

/// `CLOCK_REALTIME`, since 1970.
pub(crate) fn now() -> Result<Duration, Error> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// From now on this process may have many timers.
pub(crate) fn allow_many() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(DESCRIPTORS),
    };
    setrlimit(Resource::Nofile, limit)
}
