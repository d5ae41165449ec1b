// SPDX-License-Identifier: GPL-2.0

//! A process that uses the time that nobody else uses, and counts it.
//!
//! While a process sleeps, the clock of the virtual machine goes on, and what the kernel does
//! meanwhile cannot be told from idle time. With another process that is always ready to run, there
//! is no idle time: all instructions that are not that process' are the kernel's or ours.

use std::{
    arch::asm,
    io, ptr,
    sync::atomic::{AtomicU64, Ordering},
    thread::sleep,
    time::Duration,
};

use crate::cpu;

/// Instructions of a turn.
const TURN: u64 = 2;

/// The process. It ends when this is dropped.
pub(crate) struct Spinner {
    turns: &'static AtomicU64,
    process: libc::pid_t,
}

impl Spinner {
    /// Starts it.
    pub(crate) fn start() -> io::Result<Self> {
        // SAFETY: A new mapping.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<AtomicU64>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The mapping stays, is aligned to a page, and all zero.
        let turns: &AtomicU64 = unsafe { &*memory.cast() };
        // SAFETY: This process has one thread. The new one makes system calls and no more.
        let process = unsafe { libc::fork() };
        match process {
            -1 => return Err(io::Error::last_os_error()),
            0 => spin(turns),
            _ => {}
        }
        let spinner = Self { turns, process };
        while spinner.turns() == 0 {
            sleep(Duration::from_millis(1));
        }
        Ok(spinner)
    }

    /// The instructions of all but the spinner, while `work` is done.
    pub(crate) fn without<E>(&self, work: impl FnOnce() -> Result<(), E>) -> Result<u64, E> {
        let (start, spun) = (cpu::counter(), self.turns());
        work()?;
        Ok(cpu::counter() - start - TURN * (self.turns() - spun))
    }

    fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // SAFETY: This is our own process, which nobody has waited for yet.
        unsafe {
            libc::kill(self.process, libc::SIGKILL);
            libc::waitpid(self.process, ptr::null_mut(), 0);
        }
    }
}

fn spin(turns: &AtomicU64) -> ! {
    let lowest = libc::sched_param { sched_priority: 0 };
    // SAFETY: They change what becomes of this process, and count up a number that nobody else
    // writes.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0
            || libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const lowest) != 0
        {
            libc::_exit(1);
        }
        asm!(
            "2:",
            "inc qword ptr [{turns}]",
            "jmp 2b",
            turns = in(reg) turns.as_ptr(),
            options(noreturn, nostack),
        );
    }
}
