// SPDX-License-Identifier: GPL-2.0

//! The image in memory. The boundary of this crate: everything `unsafe` is here.

use std::{
    arch::x86_64::_rdtsc,
    ffi::{c_int, c_long, c_void},
    mem::transmute,
    ptr::{self, null_mut},
};

use rustix::mm::{mmap_anonymous, mprotect, munmap, MapFlags, MprotectFlags, ProtFlags};

use crate::{
    elf::{data_size, Elf},
    layout::Layout,
    Error,
};

/// `struct timespec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timespec {
    /// Seconds.
    pub sec: i64,
    /// Nanoseconds.
    pub nsec: i64,
}

/// `struct timeval`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeval {
    /// Seconds.
    pub sec: i64,
    /// Microseconds.
    pub usec: i64,
}

/// `struct timezone`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timezone {
    /// Minutes west of Greenwich.
    pub minuteswest: c_int,
    /// Kind of daylight saving time.
    pub dsttime: c_int,
}

type ClockGettime = unsafe extern "C" fn(c_int, *mut Timespec) -> c_int;
type Gettimeofday = unsafe extern "C" fn(*mut Timeval, *mut Timezone) -> c_int;
type Time = unsafe extern "C" fn(*mut c_long) -> c_long;

/// An image in memory, after data pages of its own.
///
/// # Invariants
///
/// `start` is the start of a mapping of `length` bytes that belongs to this object. Its first
/// `data` bytes are readable and writable, and the functions are in the rest.
#[derive(Debug)]
pub struct Image {
    start: *mut c_void,
    length: usize,
    data: usize,
    page: usize,
    clock_gettime: ClockGettime,
    gettimeofday: Gettimeofday,
    time: Time,
}

impl Image {
    /// Maps `elf`, whose data pages are all zeros at first.
    pub fn map(elf: &Elf, layout: &Layout) -> Result<Self, Error> {
        let data = data_size(layout);
        let length = data + elf.bytes.len().next_multiple_of(layout.page_size);
        for function in [elf.clock_gettime, elf.gettimeofday, elf.time] {
            if function >= elf.bytes.len() {
                return Err("a function lies outside of the image".into());
            }
        }

        // SAFETY: A new mapping at an address that the kernel chooses.
        let start = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            mmap_anonymous(null_mut(), length, access, MapFlags::PRIVATE)?
        };
        // SAFETY: `data` is within the mapping.
        let code = unsafe { start.byte_add(data) };
        // SAFETY: The image fits behind the data, in memory that nothing else refers to.
        unsafe { ptr::copy_nonoverlapping(elf.bytes.as_ptr(), code.cast(), elf.bytes.len()) };
        // SAFETY: The rest of the mapping, of which there are no references.
        unsafe {
            let access = MprotectFlags::READ | MprotectFlags::EXEC;
            mprotect(code, length - data, access)?;
        }

        // INVARIANT: Mapped above, and made executable from `data` on.
        Ok(Self {
            start,
            length,
            data,
            page: layout.page_size,
            // SAFETY: The kernel's build has made this function of this type, and its offset is
            // within the image. It finds its data `data` bytes before the image.
            clock_gettime: unsafe {
                transmute::<*mut c_void, ClockGettime>(code.byte_add(elf.clock_gettime))
            },
            // SAFETY: As above.
            gettimeofday: unsafe {
                transmute::<*mut c_void, Gettimeofday>(code.byte_add(elf.gettimeofday))
            },
            // SAFETY: As above.
            time: unsafe { transmute::<*mut c_void, Time>(code.byte_add(elf.time)) },
        })
    }

    /// Writes a whole data page.
    ///
    /// # Panics
    ///
    /// There is no page of that number, or `bytes` is not as long as a page.
    pub fn set_page(&mut self, number: usize, bytes: &[u8]) {
        assert_eq!(bytes.len(), self.page, "a data page is written as a whole");
        assert!(number < self.data / self.page, "there is no such page");
        // SAFETY: Type invariant, and the assertions: within the data pages. There are never any
        // references to them, and `bytes` lies elsewhere.
        unsafe {
            let page = self.start.byte_add(number * self.page);
            ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len());
        }
    }

    /// `clock_gettime()`: what it returns and what it stores.
    pub fn clock_gettime(&self, clock: c_int) -> (c_int, Timespec) {
        let mut time = Timespec::default();
        // SAFETY: `time` can be written.
        let status = unsafe { (self.clock_gettime)(clock, &mut time) };
        (status, time)
    }

    /// Calls `clock_gettime()` so many times, and does not look at what it stores: that would wait
    /// for the stores.
    pub fn repeat_clock_gettime(&self, clock: c_int, calls: u32) {
        let mut time = Timespec::default();
        for _ in 0..calls {
            // SAFETY: `time` can be written.
            unsafe { (self.clock_gettime)(clock, &mut time) };
        }
    }

    /// `gettimeofday()`: what it returns and what it stores.
    pub fn gettimeofday(&self) -> (c_int, Timeval, Timezone) {
        let mut time = Timeval::default();
        let mut zone = Timezone::default();
        // SAFETY: Both can be written.
        let status = unsafe { (self.gettimeofday)(&mut time, &mut zone) };
        (status, time, zone)
    }

    /// `gettimeofday()` that is only asked for the time zone.
    pub fn timezone(&self) -> (c_int, Timezone) {
        let mut zone = Timezone::default();
        // SAFETY: `zone` can be written, and no time need be.
        let status = unsafe { (self.gettimeofday)(null_mut(), &mut zone) };
        (status, zone)
    }

    /// `time()`: what it returns and what it stores.
    pub fn time(&self) -> (i64, i64) {
        let mut stored = 0;
        // SAFETY: `stored` can be written.
        let returned = unsafe { (self.time)(&mut stored) };
        (returned, stored)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: Type invariant, and nobody can call the functions any more. An error would mean
        // that there is no such mapping.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}

/// The processor's time stamp counter.
pub fn counter() -> u64 {
    // SAFETY: Every x86-64 processor has it.
    unsafe { _rdtsc() }
}
