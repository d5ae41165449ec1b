// SPDX-License-Identifier: GPL-2.0

//! The boundary: everything `unsafe` of this program is here.

use std::{
    arch::{asm, x86_64::_rdtsc},
    fs::{self, File},
    hint::black_box,
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicU64, Ordering},
};

use object::{Object, ObjectSymbol};
use rustix::thread::{unshare_unsafe, UnshareFlags};

use crate::Error;

/// A function that reads a clock, or one like it, with its arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    function: unsafe extern "C" fn(usize, usize) -> usize,
    arguments: Arguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arguments {
    /// `clock_gettime(clock, result)`
    Clock(usize),
    /// `gettimeofday(result, NULL)` and `time(result)`
    Result,
}

impl Read {
    /// The least that a function can do.
    pub(crate) fn nothing() -> Self {
        extern "C" fn nothing(_: usize, _: usize) -> usize {
            0
        }
        Self {
            function: nothing,
            arguments: Arguments::Result,
        }
    }

    /// The system call `clock_gettime`.
    pub(crate) fn syscall(clock: usize) -> Self {
        unsafe extern "C" fn clock_gettime(clock: usize, result: usize) -> usize {
            let status;
            // SAFETY: The caller says that `result` can be written.
            unsafe {
                asm!(
                    "syscall",
                    inlateout("rax") libc::SYS_clock_gettime as usize => status,
                    in("rdi") clock,
                    in("rsi") result,
                    out("rcx") _,
                    out("r11") _,
                    options(nostack),
                );
            }
            status
        }
        Self {
            function: clock_gettime,
            arguments: Arguments::Clock(clock),
        }
    }

    /// Calls it so many times. Returns the difference of the counter, and what the last
    /// call has returned.
    #[inline(never)]
    pub(crate) fn repeat(&self, calls: u32) -> (u64, usize) {
        let mut result = [0u64; 2];
        let result = black_box(result.as_mut_ptr().expose_provenance());
        let (first, second) = match self.arguments {
            Arguments::Clock(clock) => (clock, result),
            Arguments::Result => (result, 0),
        };
        let mut status = 0;
        let start = counter();
        for _ in 0..calls {
            // SAFETY: These are the arguments of this function, and `result` can be written.
            status = unsafe { (self.function)(first, second) };
        }
        (counter() - start, status)
    }
}

/// The vDSO of this process.
pub(crate) struct Vdso {
    start: usize,
    image: Vec<u8>,
}

impl Vdso {
    /// Finds it.
    pub(crate) fn find() -> Result<Self, Error> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        let line = maps
            .lines()
            .find(|line| line.ends_with("[vdso]"))
            .ok_or("this process has no vDSO")?;
        let (start, end) = line
            .split_once(' ')
            .and_then(|(range, _)| range.split_once('-'))
            .ok_or("the process's map is not understood")?;
        let start = usize::from_str_radix(start, 16)?;
        let mut image = vec![0; usize::from_str_radix(end, 16)? - start];
        File::open("/proc/self/mem")?.read_exact_at(&mut image, start as u64)?;
        Ok(Self { start, image })
    }

    /// `clock_gettime` of that clock.
    pub(crate) fn clock_gettime(&self, clock: usize) -> Result<Read, Error> {
        self.read("__vdso_clock_gettime", Arguments::Clock(clock))
    }

    /// `gettimeofday`.
    pub(crate) fn gettimeofday(&self) -> Result<Read, Error> {
        self.read("__vdso_gettimeofday", Arguments::Result)
    }

    /// `time`.
    pub(crate) fn time(&self) -> Result<Read, Error> {
        self.read("__vdso_time", Arguments::Result)
    }

    fn read(&self, name: &str, arguments: Arguments) -> Result<Read, Error> {
        let file = object::File::parse(self.image.as_slice())?;
        let symbol = file
            .dynamic_symbols()
            .find(|symbol| symbol.name() == Ok(name))
            .ok_or_else(|| format!("the vDSO has no {name}"))?;
        let address = self.start + usize::try_from(symbol.address())?;
        // SAFETY: The vDSO stays mapped, and has this function there. All of its arguments and
        // results are words or less: those that a function does not have, it does not look at.
        let function = unsafe {
            std::mem::transmute::<usize, unsafe extern "C" fn(usize, usize) -> usize>(address)
        };
        Ok(Read {
            function,
            arguments,
        })
    }
}

/// The processor's time stamp counter.
pub(crate) fn counter() -> u64 {
    // SAFETY: Every x86-64 processor has it.
    unsafe { _rdtsc() }
}

/// What the counter says of `rounds` times two instructions.
pub(crate) fn count_pairs(rounds: u64) -> u64 {
    let start = counter();
    // SAFETY: Counts a register down, nothing else.
    unsafe {
        asm!(
            "2:",
            "dec {rounds}",
            "jnz 2b",
            rounds = inout(reg) rounds => _,
            options(nomem, nostack),
        );
    }
    counter() - start
}

/// Makes a time namespace for what this process executes next.
pub(crate) fn unshare_time() -> io::Result<()> {
    // SAFETY: Only the flag FILES can do harm.
    unsafe { unshare_unsafe(UnshareFlags::NEWTIME) }?;
    Ok(())
}

static TRAPPED: AtomicU64 = AtomicU64::new(0);

/// How often this process has asked the kernel for the time since [`trap_syscalls`].
pub(crate) fn trapped() -> u64 {
    TRAPPED.load(Ordering::Relaxed)
}

/// From now on the system calls that tell the time do nothing but to be counted.
pub(crate) fn trap_syscalls() -> io::Result<()> {
    extern "C" fn handler(_: libc::c_int) {
        TRAPPED.fetch_add(1, Ordering::Relaxed);
    }
    let handler: extern "C" fn(libc::c_int) = handler;
    // SAFETY: The handler only changes an atomic number.
    if unsafe { libc::signal(libc::SIGSYS, handler as libc::sighandler_t) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }

    const NUMBER_OFFSET: u32 = 0;
    let statement = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    let equal = |number: libc::c_long, distance: u8| {
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            number as u32,
            distance,
        )
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let give = libc::BPF_RET | libc::BPF_K;
    let mut filter = [
        statement(load, NUMBER_OFFSET, 0),
        equal(libc::SYS_clock_gettime, 3),
        equal(libc::SYS_gettimeofday, 2),
        equal(libc::SYS_time, 1),
        statement(give, libc::SECCOMP_RET_ALLOW, 0),
        statement(give, libc::SECCOMP_RET_TRAP, 0),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: Both have the arguments that they take, and the filter is one that ends.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
