// SPDX-License-Identifier: GPL-2.0

//! Numbers that a process and its children share.

#![expect(unsafe_code, reason = "shared memory is known by its address only")]

use std::io;
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicI64;

use rustix::io::Errno;

use crate::failure::{Context, Outcome};

/// Numbers that children made from now on see, too. All are 0 at first.
pub(crate) fn shared_numbers(count: usize) -> Outcome<&'static [AtomicI64]> {
    let size = count * size_of::<AtomicI64>();
    // SAFETY: a new mapping is nobody else's.
    let mapped = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        let error = io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)).context("mmap");
    }
    // SAFETY: it is mapped for good, zeros are valid, and atomics may be shared.
    Ok(unsafe { slice::from_raw_parts(mapped.cast::<AtomicI64>(), count) })
}

/// Gives shared numbers back.
pub(crate) fn unshare_numbers(numbers: &'static [AtomicI64]) {
    let size = std::mem::size_of_val(numbers);
    // SAFETY: the mapping is the one that `shared_numbers()` made, whose caller is done with it.
    unsafe { libc::munmap(numbers.as_ptr().cast_mut().cast(), size) };
}
