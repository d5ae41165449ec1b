// SPDX-License-Identifier: GPL-2.0

//! System calls that neither the standard library nor rustix has a safe or a plain form of.

#![expect(unsafe_code, reason = "system calls have no other form")]

use std::ffi::{c_int, c_long, c_void};
use std::mem::{size_of, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{unshare_unsafe, UnshareFlags};

/// Nanoseconds. Wide enough for any sum of what is added here.
pub(crate) type Ns = i128;

const NSEC_PER_SEC: Ns = 1_000_000_000;

fn errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn result(value: c_long) -> Result<c_long, Errno> {
    if value == -1 {
        Err(errno())
    } else {
        Ok(value)
    }
}

/// The nanoseconds of a `timespec`.
pub(crate) fn to_ns(ts: &libc::timespec) -> Ns {
    Ns::from(ts.tv_sec) * NSEC_PER_SEC + Ns::from(ts.tv_nsec)
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    Child,
    Parent(Pid),
}

/// Makes a child process, in what namespaces `fork()` puts it.
///
/// The caller must have one thread, as a child that allocates memory needs that.
pub(crate) fn fork() -> Result<Fork, Errno> {
    clone(0)
}

/// Makes a child process in new namespaces: `flags` are of clone3(). One thread, as for `fork()`.
pub(crate) fn clone(flags: u64) -> Result<Fork, Errno> {
    let args = libc::clone_args {
        flags,
        exit_signal: libc::SIGCHLD as u64,
        // SAFETY: a structure of numbers, of which 0 is one.
        ..unsafe { MaybeUninit::zeroed().assume_init() }
    };
    // SAFETY: the child gets a copy of the address space; the C library keeps nothing of a process
    // with one thread that would be wrong there.
    let pid =
        result(unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) })?;
    Ok(match Pid::from_raw(pid as i32) {
        None => Fork::Child,
        Some(pid) => Fork::Parent(pid),
    })
}

/// Ends the process without running what the parent has registered for its own end.
pub(crate) fn exit(status: c_int) -> ! {
    // SAFETY: only ends the process.
    unsafe { libc::_exit(status) }
}

/// Makes new namespaces for this process or its children.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: file descriptors are not unshared.
    unsafe { unshare_unsafe(flags - UnshareFlags::FILES) }
}

/// Reads a clock by the system call, never the vDSO.
pub(crate) fn clock_gettime(id: c_int) -> Result<Ns, Errno> {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` may be written to.
    result(unsafe { libc::syscall(libc::SYS_clock_gettime, id, &mut ts) })?;
    Ok(to_ns(&ts))
}

/// `gettimeofday()` by the system call.
pub(crate) fn gettimeofday() -> Result<Ns, Errno> {
    let mut tv = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: `tv` may be written to, and the other argument may be null.
    result(unsafe { libc::syscall(libc::SYS_gettimeofday, &mut tv, ptr::null_mut::<c_void>()) })?;
    Ok(Ns::from(tv.tv_sec) * NSEC_PER_SEC + Ns::from(tv.tv_usec) * 1000)
}

/// `time()` by the system call, in seconds.
pub(crate) fn time() -> Result<i64, Errno> {
    // SAFETY: the argument may be null.
    result(unsafe { libc::syscall(libc::SYS_time, ptr::null_mut::<c_void>()) })
}

/// What `times()` returns, in clock ticks.
pub(crate) fn times() -> Result<i64, Errno> {
    // SAFETY: the argument may be null.
    result(unsafe { libc::syscall(libc::SYS_times, ptr::null_mut::<c_void>()) })
}

/// How many clock ticks a second has for user space.
pub(crate) fn ticks_per_second() -> i64 {
    // SAFETY: only returns a number.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }
}

/// Sets a clock.
pub(crate) fn clock_settime(id: c_int, time: Ns) -> Result<(), Errno> {
    let ts = libc::timespec {
        tv_sec: (time / NSEC_PER_SEC) as i64,
        tv_nsec: (time % NSEC_PER_SEC) as i64,
    };
    // SAFETY: `ts` is valid.
    result(unsafe { libc::syscall(libc::SYS_clock_settime, id, &ts) })?;
    Ok(())
}

/// The part of `struct timex` that says how the clock is disciplined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Discipline {
    offset: i64,
    /// In 2^-16 ppm.
    pub(crate) frequency: i64,
    status: c_int,
    constant: i64,
    tick: i64,
    /// TAI - UTC in seconds.
    pub(crate) tai: c_int,
}

fn adjtimex(request: libc::timex) -> Result<Discipline, Errno> {
    let mut timex = request;
    // SAFETY: `timex` is valid and may be written to.
    result(unsafe { libc::syscall(libc::SYS_adjtimex, &mut timex) })?;
    Ok(Discipline {
        offset: timex.offset,
        frequency: timex.freq,
        status: timex.status,
        constant: timex.constant,
        tick: timex.tick,
        tai: timex.tai,
    })
}

fn timex(modes: libc::c_uint) -> libc::timex {
    libc::timex {
        modes,
        // SAFETY: a structure of numbers, of which 0 is one.
        ..unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// How the clock of this process' time namespace is disciplined.
pub(crate) fn discipline() -> Result<Discipline, Errno> {
    adjtimex(timex(0))
}

/// Sets TAI - UTC.
pub(crate) fn set_tai(seconds: c_int) -> Result<(), Errno> {
    let request = libc::timex {
        constant: seconds.into(),
        ..timex(libc::ADJ_TAI)
    };
    adjtimex(request).map(drop)
}

/// Sets the frequency offset, in 2^-16 ppm.
pub(crate) fn set_frequency(frequency: i64) -> Result<(), Errno> {
    let request = libc::timex {
        freq: frequency,
        ..timex(libc::ADJ_FREQUENCY)
    };
    adjtimex(request).map(drop)
}

/// Has `handler` called every `interval_us` microseconds of the host's real time.
///
/// `handler` only does what a signal handler may: read clocks and use atomics.
pub(crate) fn call_by_timer(interval_us: i64, handler: extern "C" fn(c_int)) -> Result<(), Errno> {
    let interval = libc::timeval {
        tv_sec: 0,
        tv_usec: interval_us,
    };
    let timer = libc::itimerval {
        it_interval: interval,
        it_value: interval,
    };
    // SAFETY: 0 is a valid content of the structure.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is valid, and the handler is fit for signal context.
    result(unsafe { libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()) }.into())?;
    // SAFETY: `timer` is valid.
    result(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) }.into())?;
    Ok(())
}

/// Has a signal end system calls that wait, and do nothing else.
pub(crate) fn interrupt_by(signal: c_int) -> Result<(), Errno> {
    extern "C" fn ignore(_: c_int) {}

    // SAFETY: 0 is a valid content of the structure.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ignore as *const () as usize;
    // SAFETY: `action` is valid, and the handler is fit for signal context.
    result(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) }.into())?;
    Ok(())
}

/// Sleeps for `length`, which a signal ends after a moment. Its handler enters the time namespace of
/// `namespace`, and has the rest of the sleep restarted. Returns what that came to.
pub(crate) fn restart_sleep_in(namespace: BorrowedFd<'_>, length: Ns) -> Result<(), Errno> {
    static NAMESPACE: AtomicI32 = AtomicI32::new(-1);
    static RESULT: AtomicI32 = AtomicI32::new(0);

    extern "C" fn enter_and_restart(_: c_int) {
        // SAFETY: both calls have no pointers, and are fit for signal context.
        let failed = unsafe {
            libc::setns(NAMESPACE.load(Ordering::SeqCst), libc::CLONE_NEWTIME) != 0
                || libc::syscall(libc::SYS_restart_syscall) != 0
        };
        let errno = std::io::Error::last_os_error().raw_os_error();
        RESULT.store(errno.filter(|_| failed).unwrap_or(0), Ordering::SeqCst);
    }

    NAMESPACE.store(namespace.as_raw_fd(), Ordering::SeqCst);
    call_by_timer(0, enter_and_restart)?;
    let length = libc::timespec {
        tv_sec: (length / NSEC_PER_SEC) as i64,
        tv_nsec: (length % NSEC_PER_SEC) as c_long,
    };
    let moment = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: 0,
            tv_usec: 10_000,
        },
    };
    // SAFETY: both arguments are valid.
    result(unsafe { libc::setitimer(libc::ITIMER_REAL, &moment, ptr::null_mut()) }.into())?;
    // SAFETY: `length` is valid.
    match result(unsafe { libc::nanosleep(&length, ptr::null_mut()) }.into()) {
        Err(Errno::INTR) => match RESULT.load(Ordering::SeqCst) {
            0 => Ok(()),
            errno => Err(Errno::from_raw_os_error(errno)),
        },
        Err(errno) => Err(errno),
        Ok(_) => Err(Errno::TIMEDOUT),
    }
}

/// The address of the vDSO's image in this process.
pub(crate) fn vdso_address() -> usize {
    // SAFETY: only returns a number.
    (unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) }) as usize
}

/// A descriptor that a system call has just returned.
pub(crate) fn own_descriptor(fd: c_int) -> OwnedFd {
    // SAFETY: it is new, so that nothing else closes it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
