// SPDX-License-Identifier: GPL-2.0

//! io_uring: timeouts, timeouts of what they are linked to, and waits for completions.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;

use super::timed_out;
use crate::clock::Clock;
use crate::failure::{check_eq, Context, Outcome};
use crate::sys::{self, Ns};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::new_timespec;

const ALL_CLOCKS: &[Timeout] = &[
    Timeout::relative(Clock::Monotonic),
    Timeout::absolute(Clock::Monotonic),
    Timeout::relative(Clock::Boottime),
    Timeout::absolute(Clock::Boottime),
    Timeout::relative(Clock::Realtime),
    Timeout::absolute(Clock::Realtime),
];

pub(crate) const CALLS: &[Call] = &[
    Call::new("io_uring-timeout", ALL_CLOCKS, timeout).entries(Entry::NEW),
    Call::new("io_uring-link-timeout", ALL_CLOCKS, link_timeout).entries(Entry::NEW),
    Call::new(
        "io_uring_enter",
        &[
            Timeout::relative(Clock::Monotonic),
            Timeout::absolute(Clock::Monotonic),
            Timeout::relative(Clock::Boottime),
            Timeout::absolute(Clock::Boottime),
        ],
        enter,
    )
    .entries(Entry::NEW)
    .disturbed(),
];

const SETUP: Number = Number::plain(libc::SYS_io_uring_setup, 425);
const ENTER: Number = Number::plain(libc::SYS_io_uring_enter, 426);
const REGISTER: Number = Number::plain(libc::SYS_io_uring_register, 427);

const REGISTER_CLOCK: i32 = 29;
const ENTER_GETEVENTS: i32 = 1 << 0;
const ENTER_EXT_ARG: i32 = 1 << 3;
const ENTER_ABS_TIMER: i32 = 1 << 5;

const SQE_LINK: u8 = 1 << 2;
const POLL_ADD: u8 = 6;
const TIMEOUT: u8 = 11;
const LINK_TIMEOUT: u8 = 15;
const TIMEOUT_ABS: u32 = 1 << 0;
const TIMEOUT_BOOTTIME: u32 = 1 << 2;
const TIMEOUT_REALTIME: u32 = 1 << 3;

/// Where its queues are in the file's memory.
const OFFSET_RINGS: i64 = 0;
const OFFSET_SQES: i64 = 0x1000_0000;
const ENTRIES: usize = 4;
const SQE_SIZE: usize = 64;
const CQE_SIZE: usize = 16;

/// Completions have 16 more bytes.
pub(crate) const SETUP_CQE32: u32 = 1 << 11;

/// A ring for a few requests.
pub(crate) struct Ring {
    entry: Entry,
    flags: u32,
    fd: OwnedFd,
    rings: Place,
    sqes: Place,
    /// Where in the rings it says what is where: `struct io_uring_params`.
    params: Place,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) result: i32,
    /// What a ring with SETUP_CQE32 has in addition.
    pub(crate) more: [u64; 2],
}

impl Ring {
    /// One that is used by an entry.
    pub(crate) fn new(entry: Entry, flags: u32) -> Outcome<Self> {
        let params = Place::zeroed(120)?;
        params.write_u32(8, flags);
        let fd = syscall!(entry, SETUP, ENTRIES, &params).context("io_uring_setup")?;
        let fd = sys::own_descriptor(fd as i32);
        // A page is more than both queues need.
        let rings = Place::of_file(&fd, OFFSET_RINGS, 4096)?;
        let sqes = Place::of_file(&fd, OFFSET_SQES, ENTRIES * SQE_SIZE)?;
        Ok(Self {
            entry,
            flags,
            fd,
            rings,
            sqes,
            params,
        })
    }

    /// An offset of `struct io_sqring_offsets`.
    fn submission(&self, field: usize) -> usize {
        self.params.read_u32(40 + 4 * field) as usize
    }

    /// An offset of `struct io_cqring_offsets`.
    fn completion(&self, field: usize) -> usize {
        self.params.read_u32(80 + 4 * field) as usize
    }

    /// Queues a request.
    pub(crate) fn push(&self, sqe: &[u8; SQE_SIZE]) {
        let (tail, array) = (self.submission(1), self.submission(6));
        let position = self.rings.read_u32(tail);
        let slot = position as usize % ENTRIES;
        self.sqes.write(slot * SQE_SIZE, sqe);
        self.rings.write_u32(array + 4 * slot, slot as u32);
        self.rings.write_u32(tail, position.wrapping_add(1));
    }

    /// Submits `count` requests and waits for their completions. Returns their results.
    fn complete(&self, count: usize) -> Outcome<Vec<i32>> {
        let completions = self.submit_and_wait(count, count)?;
        Ok(completions
            .iter()
            .map(|completion| completion.result)
            .collect())
    }

    /// Submits `submit` requests and waits for `count` completions.
    pub(crate) fn submit_and_wait(
        &self,
        mut submit: usize,
        count: usize,
    ) -> Outcome<Vec<Completion>> {
        let (head, tail) = (self.completion(0), self.completion(1));
        loop {
            let first = self.rings.read_u32(head);
            let there = self.rings.read_u32(tail).wrapping_sub(first) as usize;
            if submit == 0 && there >= count {
                let completions = (0..count).map(|i| self.read(first.wrapping_add(i as u32)));
                let completions = completions.collect();
                self.rings.write_u32(head, first.wrapping_add(count as u32));
                return Ok(completions);
            }
            let fd = self.fd.as_raw_fd();
            match syscall!(self.entry, ENTER, fd, submit, count, ENTER_GETEVENTS) {
                Ok(submitted) => submit -= submitted,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("io_uring_enter"),
            }
        }
    }

    /// A completion that is there.
    fn read(&self, position: u32) -> Completion {
        let large = self.flags & SETUP_CQE32 != 0;
        let size = if large { 2 * CQE_SIZE } else { CQE_SIZE };
        let at = self.completion(5) + position as usize % (2 * ENTRIES) * size;
        let more = |offset| {
            if large {
                self.rings.read_u64(at + offset)
            } else {
                0
            }
        };
        Completion {
            result: self.rings.read_u32(at + 8) as i32,
            more: [more(16), more(24)],
        }
    }
}

/// A request, of what all that are used here have.
pub(crate) fn request(operation: u8, flags: u8, fd: i32) -> [u8; SQE_SIZE] {
    let mut sqe = [0; SQE_SIZE];
    sqe[0] = operation;
    sqe[1] = flags;
    sqe[4..8].copy_from_slice(&fd.to_ne_bytes());
    sqe
}

/// A request of a timeout at `time`.
fn timeout_request(operation: u8, timeout: Timeout, time: &Place) -> [u8; SQE_SIZE] {
    let mut sqe = request(operation, 0, -1);
    let clock = match timeout.clock {
        Clock::Boottime => TIMEOUT_BOOTTIME,
        Clock::Realtime => TIMEOUT_REALTIME,
        _ => 0,
    };
    let flags = clock | if timeout.absolute { TIMEOUT_ABS } else { 0 };
    sqe[16..24].copy_from_slice(&(time.address() as u64).to_ne_bytes());
    sqe[24] = 1;
    sqe[28..32].copy_from_slice(&flags.to_ne_bytes());
    sqe
}

fn timeout(site: Site) -> Outcome<Wait> {
    let ring = Ring::new(site.entry, 0)?;
    let time = Place::zeroed(16)?;
    Ok(Box::new(move |ns| {
        time.write(0, &new_timespec(ns));
        ring.push(&timeout_request(TIMEOUT, site.timeout, &time));
        check_eq!(ring.complete(1)?, [-libc::ETIME], "the timeout's result");
        Ok(())
    }))
}

fn link_timeout(site: Site) -> Outcome<Wait> {
    let ring = Ring::new(site.entry, 0)?;
    let time = Place::zeroed(16)?;
    let (reader, writer) = UnixStream::pair().context("socketpair")?;
    Ok(Box::new(move |ns| {
        time.write(0, &new_timespec(ns));
        // Readable it never is, as long as both ends are open.
        let _ = &writer;
        let mut poll = request(POLL_ADD, SQE_LINK, reader.as_raw_fd());
        poll[28..32].copy_from_slice(&u32::from(libc::POLLIN as u16).to_ne_bytes());
        ring.push(&poll);
        ring.push(&timeout_request(LINK_TIMEOUT, site.timeout, &time));
        let mut results = ring.complete(2)?;
        results.sort_unstable();
        check_eq!(
            results,
            [-libc::ECANCELED, -libc::ETIME],
            "results of the request and its timeout"
        );
        Ok(())
    }))
}

fn enter(site: Site) -> Outcome<Wait> {
    let Site { entry, timeout, .. } = site;
    let ring = Ring::new(entry, 0)?;
    let clock = Place::zeroed(16)?;
    clock.write_u32(0, timeout.clock_id() as u32);
    syscall!(
        entry,
        REGISTER,
        ring.fd.as_raw_fd(),
        REGISTER_CLOCK,
        &clock,
        0
    )
    .context("registering a clock with io_uring")?;
    let time = Place::zeroed(16)?;
    // A signal mask and its size, a shorter wait, and the time's address.
    let argument = Place::zeroed(24)?;
    argument.write(16, &(time.address() as u64).to_ne_bytes());
    let absolute = if timeout.absolute { ENTER_ABS_TIMER } else { 0 };
    let flags = ENTER_GETEVENTS | ENTER_EXT_ARG | absolute;
    Ok(Box::new(move |ns: Ns| {
        time.write(0, &new_timespec(ns));
        let fd = ring.fd.as_raw_fd();
        let waited = syscall!(entry, ENTER, fd, Arg::NULL, 1, flags, &argument, 24);
        timed_out("io_uring_enter", waited, Errno::TIME)
    }))
}
