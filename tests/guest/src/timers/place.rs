// SPDX-License-Identifier: GPL-2.0

//! Memory below 4 GiB, which system calls of either width can point to.

#![expect(
    unsafe_code,
    reason = "memory that the kernel writes to is known by its address only"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;

use rustix::io::Errno;

use crate::failure::{check, Context, Outcome};

/// How much there is for all places of a process, which are never given back. Less than a huge page,
/// which would take long to clear in the middle of a wait.
const SIZE: usize = 1 << 20;

/// Some bytes that the kernel may read and write at any time. No reference to them is ever made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    address: usize,
    size: usize,
}

impl Place {
    /// `size` bytes of zeros.
    pub(crate) fn zeroed(size: usize) -> Outcome<Self> {
        static ARENA: OnceLock<Option<Place>> = OnceLock::new();
        static USED: AtomicUsize = AtomicUsize::new(0);
        let arena = ARENA.get_or_init(|| {
            map(SIZE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
                .map(|address| Place {
                    address,
                    size: SIZE,
                })
                .ok()
        });
        let arena = arena.context("no memory below 4 GiB")?;
        // What the kernel looks at is aligned to 64 bytes at most.
        let offset = USED.fetch_add(size.next_multiple_of(64), Ordering::Relaxed);
        check!(offset + size <= arena.size, "no place is left");
        let place = Self {
            address: arena.address + offset,
            size,
        };
        // Now, and not when time is counted already.
        place.write(0, &vec![0; size]);
        Ok(place)
    }

    /// A copy of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Outcome<Self> {
        let place = Self::zeroed(bytes.len())?;
        place.write(0, bytes);
        Ok(place)
    }

    /// A file's memory, which stays when the file is closed.
    pub(crate) fn of_file(file: impl AsFd, offset: i64, size: usize) -> Outcome<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        let address = map(size, flags, file.as_fd().as_raw_fd(), offset).context("mmap")?;
        Ok(Self { address, size })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> usize {
        self.address
    }

    /// Copies `bytes` to where `offset` says.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.size);
        // SAFETY: it is mapped for good, within its bounds, and nothing refers to it.
        unsafe { ptr::copy(bytes.as_ptr(), self.byte(offset), bytes.len()) };
    }

    /// The bytes at `offset`.
    pub(crate) fn read<const N: usize>(&self, offset: usize) -> [u8; N] {
        assert!(offset + N <= self.size);
        // SAFETY: as in `write()`, and bytes have any value.
        unsafe { self.byte(offset).cast::<[u8; N]>().read_volatile() }
    }

    /// The number at `offset`.
    pub(crate) fn read_u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.read(offset))
    }

    /// The number at `offset`.
    pub(crate) fn read_u64(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.read(offset))
    }

    /// Sets the number at `offset`, not before what was written before.
    pub(crate) fn write_u32(&self, offset: usize, value: u32) {
        assert!(offset + 4 <= self.size && offset % 4 == 0);
        std::sync::atomic::fence(Ordering::SeqCst);
        // SAFETY: as in `write()`, and aligned.
        unsafe { self.byte(offset).cast::<u32>().write_volatile(value) };
    }

    fn byte(&self, offset: usize) -> *mut u8 {
        (self.address + offset) as *mut u8
    }
}

fn map(size: usize, flags: i32, fd: i32, offset: i64) -> Result<usize, Errno> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, wherever there is room, is nobody else's.
    let mapped = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            access,
            flags | libc::MAP_32BIT,
            fd,
            offset,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    Ok(mapped as usize)
}
