// SPDX-License-Identifier: GPL-2.0

//! The vDSO called by its own functions, so that a test knows what it reads through.
//!
//! The C library falls back to the system call when it likes; these functions do so only when the
//! vDSO itself does.

#![expect(
    unsafe_code,
    reason = "the functions are known by their addresses only"
)]

use std::ffi::{c_int, c_void, CStr};
use std::fs;
use std::mem::transmute;
use std::sync::OnceLock;

use crate::failure::{Context, Outcome};
use crate::sys::{self, Ns};

type ClockGettime = unsafe extern "C" fn(c_int, *mut libc::timespec) -> c_int;
type Gettimeofday = unsafe extern "C" fn(*mut libc::timeval, *mut c_void) -> c_int;
type Time = unsafe extern "C" fn(*mut i64) -> i64;

/// The functions of this process' vDSO that read clocks.
#[derive(Clone, Copy)]
pub(crate) struct Vdso {
    clock_gettime: ClockGettime,
    gettimeofday: Gettimeofday,
    time: Time,
}

impl Vdso {
    /// The vDSO of this process. A change of time namespace leaves it where it is.
    pub(crate) fn get() -> Outcome<Self> {
        static VDSO: OnceLock<Vdso> = OnceLock::new();
        match VDSO.get() {
            Some(vdso) => Ok(*vdso),
            None => Self::find().map(|vdso| *VDSO.get_or_init(|| vdso)),
        }
    }

    fn find() -> Outcome<Self> {
        let base = sys::vdso_address();
        let maps = fs::read_to_string("/proc/self/maps").context("/proc/self/maps")?;
        let end = maps
            .lines()
            .filter_map(|line| line.split_once(' ')?.0.split_once('-'))
            .find_map(|(start, end)| {
                (usize::from_str_radix(start, 16).ok()? == base)
                    .then(|| usize::from_str_radix(end, 16).ok())?
            })
            .context("the process has no vDSO")?;
        // SAFETY: the kernel has mapped the image there, readable, for the life of the process.
        let image = unsafe { std::slice::from_raw_parts(base as *const u8, end - base) };
        let function = |name: &CStr| {
            symbol(image, name)
                .map(|offset| base + offset)
                .context(format_args!("the vDSO has no {name:?}"))
        };
        let clock_gettime = function(c"__vdso_clock_gettime")?;
        let gettimeofday = function(c"__vdso_gettimeofday")?;
        let time = function(c"__vdso_time")?;
        // SAFETY: these are the addresses of functions with these types, see vdso(7).
        unsafe {
            Ok(Self {
                clock_gettime: transmute::<usize, ClockGettime>(clock_gettime),
                gettimeofday: transmute::<usize, Gettimeofday>(gettimeofday),
                time: transmute::<usize, Time>(time),
            })
        }
    }

    /// `clock_gettime()`. [`None`] if it fails.
    pub(crate) fn clock_gettime(&self, id: c_int) -> Option<Ns> {
        let mut ts = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `ts` may be written to.
        let result = unsafe { (self.clock_gettime)(id, &mut ts) };
        (result == 0).then(|| sys::to_ns(&ts))
    }

    /// `gettimeofday()`. [`None`] if it fails.
    pub(crate) fn gettimeofday(&self) -> Option<Ns> {
        let mut tv = libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        // SAFETY: `tv` may be written to, and the other argument may be null.
        let result = unsafe { (self.gettimeofday)(&mut tv, std::ptr::null_mut()) };
        (result == 0).then(|| Ns::from(tv.tv_sec) * 1_000_000_000 + Ns::from(tv.tv_usec) * 1000)
    }

    /// The time zone that `gettimeofday()` gives: minutes west, and daylight saving. [`None`] if it
    /// fails.
    pub(crate) fn time_zone(&self) -> Option<(i32, i32)> {
        let mut zone = [0; 2];
        // SAFETY: the time may be null, and `zone` may be written to.
        let result = unsafe { (self.gettimeofday)(std::ptr::null_mut(), zone.as_mut_ptr().cast()) };
        (result == 0).then_some((zone[0], zone[1]))
    }

    /// `time()`, in seconds.
    pub(crate) fn time(&self) -> i64 {
        // SAFETY: the argument may be null.
        unsafe { (self.time)(std::ptr::null_mut()) }
    }
}

const SHT_DYNSYM: u32 = 11;
const SECTION_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;

/// The offset of a symbol in an ELF image that is mapped as it lies in its file.
fn symbol(image: &[u8], name: &CStr) -> Option<usize> {
    let sections = number(image, 0x28, 8)?;
    let count = number(image, 0x3c, 2)?;
    let section = |index: usize| sections + index * SECTION_SIZE;
    let symbols = (0..count)
        .map(section)
        .find(|at| number(image, at + 4, 4) == Some(SHT_DYNSYM as usize))?;
    let names = number(image, section(number(image, symbols + 40, 4)?) + 24, 8)?;
    let start = number(image, symbols + 24, 8)?;
    let size = number(image, symbols + 32, 8)?;
    (start..start + size).step_by(SYMBOL_SIZE).find_map(|at| {
        let found = CStr::from_bytes_until_nul(image.get(names + number(image, at, 4)?..)?);
        (found == Ok(name)).then(|| number(image, at + 8, 8))?
    })
}

fn number(image: &[u8], at: usize, size: usize) -> Option<usize> {
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(image.get(at..at + size)?);
    Some(u64::from_le_bytes(bytes) as usize)
}
