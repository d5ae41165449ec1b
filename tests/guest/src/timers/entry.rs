// SPDX-License-Identifier: GPL-2.0

//! The ways into the kernel: as a 64-bit program, and as a 32-bit one with either width of time.

#![expect(unsafe_code, reason = "system calls have no other form")]

use std::arch::asm;
use std::ffi::c_long;
use std::fmt;

use rustix::io::Errno;

use crate::timers::place::Place;

/// A way into the kernel, and how times look there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The system calls of 64-bit programs.
    Native,
    /// Those of 32-bit programs, whose times have 32-bit seconds.
    Time32,
    /// Those of 32-bit programs, whose times have 64-bit seconds.
    Time64,
}

impl Entry {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[Self::Native, Self::Time32, Self::Time64];
    /// Those of calls that have never had 64-bit seconds.
    pub(crate) const OLD: &'static [Self] = &[Self::Native, Self::Time32];
    /// Those of calls that have always had 64-bit seconds.
    pub(crate) const NEW: &'static [Self] = &[Self::Native, Self::Time64];

    /// Whether pointers and longs have 32 bits.
    pub(crate) fn is_narrow(self) -> bool {
        self != Self::Native
    }

    /// Whether the seconds of times have 32 bits.
    pub(crate) fn has_narrow_time(self) -> bool {
        self == Self::Time32
    }

    /// Makes a system call.
    ///
    /// Pointers are those of places, which always are: no argument makes it do what it must not
    /// with this process' memory, unless a number is one that the call takes for a pointer.
    pub(crate) fn call(self, number: Number, args: &[Arg]) -> Result<usize, Errno> {
        let arg = |i: usize| args.get(i).map_or(0, |arg| arg.0);
        let args = [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)];
        let result = match self {
            Self::Native => native(number.native, args),
            Self::Time32 => narrow(number.time32, args),
            Self::Time64 => narrow(number.time64, args),
        };
        match result {
            -4095..0 => Err(Errno::from_raw_os_error(-result as i32)),
            result => Ok(result as usize),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "64",
            Self::Time32 => "32",
            Self::Time64 => "32-time64",
        })
    }
}

/// The number of a system call, by entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    native: c_long,
    time32: i32,
    time64: i32,
}

impl Number {
    /// Of a call that has one for each width of time.
    pub(crate) const fn timed(native: c_long, time32: i32, time64: i32) -> Self {
        Self {
            native,
            time32,
            time64,
        }
    }

    /// Of a call that is the same with either.
    pub(crate) const fn plain(native: c_long, narrow: i32) -> Self {
        Self::timed(native, narrow, narrow)
    }
}

/// An argument of a system call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arg(usize);

impl Arg {
    /// No pointer, or the number 0.
    pub(crate) const NULL: Self = Self(0);
}

impl From<i32> for Arg {
    fn from(number: i32) -> Self {
        Self(number as isize as usize)
    }
}

impl From<usize> for Arg {
    fn from(number: usize) -> Self {
        Self(number)
    }
}

impl From<&Place> for Arg {
    fn from(place: &Place) -> Self {
        Self(place.address())
    }
}

/// Calls with arguments of any type that there is an [`Arg`] from.
macro_rules! syscall {
    ($entry:expr, $number:expr $(, $arg:expr)* $(,)?) => {
        $entry.call($number, &[$($crate::timers::entry::Arg::from($arg)),*])
    };
}

pub(crate) use syscall;

fn native(number: c_long, args: [usize; 6]) -> isize {
    let result;
    // SAFETY: see `Entry::call()`.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

fn narrow(number: i32, args: [usize; 6]) -> isize {
    let mut result = number as isize;
    // Two registers are the compiler's own, which it lends for the moment.
    // SAFETY: see `Entry::call()`. The stack pointer is where it was.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov rbx, r12",
            "mov rbp, r13",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            inout("rax") result,
            in("r12") args[0],
            in("rcx") args[1],
            in("rdx") args[2],
            in("rsi") args[3],
            in("rdi") args[4],
            in("r13") args[5],
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    // The kernel extends its sign, or not: an address is below 4 GiB.
    let low = result as u32;
    if low > u32::MAX - 4095 {
        low as i32 as isize
    } else {
        low as isize
    }
}
