// SPDX-License-Identifier: GPL-2.0

//! System calls that are made again and again, with nothing around them.

use std::{arch::asm, io, mem};

use crate::{timer::FAR, Error};

/// A time that clocks are set to.
const SET_TO: libc::time_t = 2_000_000_000;

/// A system call with its arguments.
#[derive(Debug)]
pub(crate) struct Call {
    number: libc::c_long,
    arguments: [usize; 4],
    /// What it has to return.
    result: isize,
    /// What undoes it at last, with its first argument.
    undo: Option<libc::c_long>,
}

impl Call {
    /// Sleeps so many ns.
    pub(crate) fn nanosleep(ns: u32) -> Self {
        Self {
            number: libc::SYS_nanosleep,
            arguments: [keep(timespec(0, ns)), 0, 0, 0],
            result: 0,
            undo: None,
        }
    }

    /// Waits so many ns on a futex that nobody wakes.
    pub(crate) fn futex_wait(ns: u32) -> Self {
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        Self {
            number: libc::SYS_futex,
            arguments: [keep(0u32), operation as usize, 0, keep(timespec(0, ns))],
            result: -(libc::ETIMEDOUT as isize),
            undo: None,
        }
    }

    /// Sets a POSIX timer, which stays armed.
    pub(crate) fn timer_settime() -> Result<Self, Error> {
        let mut timer: libc::c_int = 0;
        // SAFETY: Without an event, the kernel writes the timer's number and does no more.
        let status = unsafe {
            libc::syscall(
                libc::SYS_timer_create,
                libc::CLOCK_MONOTONIC,
                0,
                &raw mut timer,
            )
        };
        if status != 0 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(Self {
            number: libc::SYS_timer_settime,
            arguments: [timer as usize, 0, keep(once()), 0],
            result: 0,
            undo: Some(libc::SYS_timer_delete),
        })
    }

    /// Sets a timerfd, which stays armed.
    pub(crate) fn timerfd_settime() -> Result<Self, Error> {
        // SAFETY: It has no pointers.
        let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) };
        if timer < 0 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(Self {
            number: libc::SYS_timerfd_settime,
            arguments: [timer as usize, 0, keep(once()), 0],
            result: 0,
            undo: Some(libc::SYS_close),
        })
    }

    /// Asks how the clock is disciplined. It is not synchronised.
    pub(crate) fn adjtimex() -> Self {
        // SAFETY: A structure of numbers, of which 0 is one.
        let timex: libc::timex = unsafe { mem::zeroed() };
        Self {
            number: libc::SYS_adjtimex,
            arguments: [keep(timex), 0, 0, 0],
            result: libc::TIME_ERROR as isize,
            undo: None,
        }
    }

    /// Sets `CLOCK_REALTIME`, always to the same time.
    pub(crate) fn clock_settime() -> Self {
        let clock = libc::CLOCK_REALTIME as usize;
        Self {
            number: libc::SYS_clock_settime,
            arguments: [clock, keep(timespec(SET_TO, 0)), 0, 0],
            result: 0,
            undo: None,
        }
    }

    /// Sets it to that by the older call.
    pub(crate) fn settimeofday() -> Self {
        let time = libc::timeval {
            tv_sec: SET_TO,
            tv_usec: 0,
        };
        Self {
            number: libc::SYS_settimeofday,
            arguments: [keep(time), 0, 0, 0],
            result: 0,
            undo: None,
        }
    }

    /// Makes it so many times.
    #[inline(never)]
    pub(crate) fn repeat(&self, calls: u32) -> Result<(), Error> {
        let [first, second, third, fourth] = self.arguments;
        for _ in 0..calls {
            let result: isize;
            // SAFETY: These are the arguments of this call, and what they point to is kept.
            unsafe {
                asm!(
                    "syscall",
                    inlateout("rax") self.number as isize => result,
                    in("rdi") first,
                    in("rsi") second,
                    in("rdx") third,
                    in("r10") fourth,
                    out("rcx") _,
                    out("r11") _,
                    options(nostack),
                );
            }
            if result != self.result {
                return Err(format!("{self:?} returned {result}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(undo) = self.undo {
            // SAFETY: The timer is this call's own.
            unsafe { libc::syscall(undo, self.arguments[0]) };
        }
    }
}

/// The address of a value that stays.
fn keep<T>(value: T) -> usize {
    Box::into_raw(Box::new(value)).expose_provenance()
}

fn timespec(tv_sec: libc::time_t, ns: u32) -> libc::timespec {
    libc::timespec {
        tv_sec,
        tv_nsec: ns.into(),
    }
}

fn once() -> libc::itimerspec {
    libc::itimerspec {
        it_interval: timespec(0, 0),
        it_value: timespec(FAR as libc::time_t, 0),
    }
}
