// SPDX-License-Identifier: GPL-2.0

//! Futexes, in all forms that have a timeout.

use rustix::io::Errno;

use super::timed_out;
use crate::clock::Clock;
use crate::failure::Outcome;
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::{new_timespec, room};

const EITHER_CLOCK: &[Timeout] = &[
    Timeout::absolute(Clock::Monotonic),
    Timeout::absolute(Clock::Realtime),
];

pub(crate) const CALLS: &[Call] = &[
    Call::new("futex-wait", Timeout::MONOTONIC, wait),
    Call::new("futex-wait-bitset", EITHER_CLOCK, wait_bitset),
    Call::new("futex-lock-pi", Timeout::UNTIL_REALTIME, lock_pi),
    Call::new("futex-lock-pi2", EITHER_CLOCK, lock_pi2),
    Call::new("futex-wait-requeue-pi", EITHER_CLOCK, wait_requeue_pi),
    Call::new("futex_waitv", EITHER_CLOCK, waitv).entries(Entry::NEW),
    Call::new("futex_wait", EITHER_CLOCK, wait2).entries(Entry::NEW),
];

const FUTEX: Number = Number::timed(libc::SYS_futex, 240, 422);
const FUTEX_WAITV: Number = Number::plain(libc::SYS_futex_waitv, 449);
const FUTEX_WAIT: Number = Number::plain(455, 455);
const ANY_BIT: i32 = -1;
const LOCK_PI2: i32 = 13;

/// futex() with that operation, on a word that says `value`.
fn futex(site: &Site, operation: i32, value: i32) -> Outcome<Wait> {
    let &Site { entry, timeout, .. } = site;
    let word = Place::of(&value.to_ne_bytes())?;
    let second = Place::zeroed(4)?;
    let time = room(entry, 1)?;
    let has_clock = operation != libc::FUTEX_LOCK_PI;
    let clock = match timeout.clock {
        Clock::Realtime if has_clock => libc::FUTEX_CLOCK_REALTIME,
        _ => 0,
    };
    // The owner of a lock would have to have this memory, too, if that were private.
    let private = match operation {
        libc::FUTEX_LOCK_PI | LOCK_PI2 => 0,
        _ => libc::FUTEX_PRIVATE_FLAG,
    };
    let operation = operation | private | clock;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let waited = syscall!(entry, FUTEX, &word, operation, value, &time, &second, ANY_BIT);
        timed_out("futex", waited, Errno::TIMEDOUT)
    }))
}

fn wait(site: Site) -> Outcome<Wait> {
    futex(&site, libc::FUTEX_WAIT, 5)
}

fn wait_bitset(site: Site) -> Outcome<Wait> {
    futex(&site, libc::FUTEX_WAIT_BITSET, 5)
}

fn lock_pi(site: Site) -> Outcome<Wait> {
    futex(&site, libc::FUTEX_LOCK_PI, site.other)
}

fn lock_pi2(site: Site) -> Outcome<Wait> {
    futex(&site, LOCK_PI2, site.other)
}

fn wait_requeue_pi(site: Site) -> Outcome<Wait> {
    futex(&site, libc::FUTEX_WAIT_REQUEUE_PI, 5)
}

fn waitv(site: Site) -> Outcome<Wait> {
    let Site { entry, timeout, .. } = site;
    let word = Place::zeroed(4)?;
    // A value of 64 bits, the address, the flags, and 4 bytes of nothing.
    let waiter = Place::zeroed(24)?;
    waiter.write(8, &(word.address() as u64).to_ne_bytes());
    waiter.write_u32(16, (libc::FUTEX2_SIZE_U32 | libc::FUTEX2_PRIVATE) as u32);
    let time = Place::zeroed(16)?;
    Ok(Box::new(move |ns| {
        time.write(0, &new_timespec(ns));
        let clock = timeout.clock_id();
        let waited = syscall!(entry, FUTEX_WAITV, &waiter, 1, Arg::NULL, &time, clock);
        timed_out("futex_waitv", waited, Errno::TIMEDOUT)
    }))
}

fn wait2(site: Site) -> Outcome<Wait> {
    let Site { entry, timeout, .. } = site;
    let word = Place::zeroed(4)?;
    let time = Place::zeroed(16)?;
    let flags = libc::FUTEX2_SIZE_U32 | libc::FUTEX2_PRIVATE;
    // All bits of one word, in a register of either width.
    let mask = u32::MAX as usize;
    Ok(Box::new(move |ns| {
        time.write(0, &new_timespec(ns));
        let clock = timeout.clock_id();
        let waited = syscall!(
            entry,
            FUTEX_WAIT,
            &word,
            Arg::NULL,
            mask,
            flags,
            &time,
            clock
        );
        timed_out("futex_wait", waited, Errno::TIMEDOUT)
    }))
}
