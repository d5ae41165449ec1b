// SPDX-License-Identifier: GPL-2.0

//! semtimedop(), on a semaphore that nobody raises.

use rustix::io::Errno;

use super::timed_out;
use crate::failure::{Context, Outcome};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] =
    &[Call::new("semtimedop", Timeout::MONOTONIC, semtimedop).disturbed()];

const GET: Number = Number::plain(libc::SYS_semget, 393);
const CONTROL: Number = Number::plain(libc::SYS_semctl, 394);
const OPERATION: Number = Number::plain(libc::SYS_semtimedop, 420);
// The way of 32-bit programs to all calls of System V's.
const IPC: Number = Number::plain(-1, 117);
const SEMTIMEDOP: i32 = 4;

/// A semaphore, which has to be removed: nothing else does that.
struct Semaphore(usize);

impl Semaphore {
    fn id(&self) -> usize {
        self.0
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // What could not be removed stays until the machine is switched off.
        let _ = syscall!(Entry::Native, CONTROL, self.0, 0, libc::IPC_RMID);
    }
}

fn semtimedop(site: Site) -> Outcome<Wait> {
    let entry = site.entry;
    let semaphore = syscall!(Entry::Native, GET, libc::IPC_PRIVATE, 1, 0o600).context("semget")?;
    let semaphore = Semaphore(semaphore);
    // Semaphore 0, lower by 1, and no flags.
    let operation = Place::of(&[0, 0, 0xff, 0xff, 0, 0])?;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let id = semaphore.id();
        let waited = match entry {
            Entry::Time32 => syscall!(entry, IPC, SEMTIMEDOP, id, 1, Arg::NULL, &operation, &time),
            _ => syscall!(entry, OPERATION, id, &operation, 1, &time),
        };
        timed_out("semtimedop", waited, Errno::AGAIN)
    }))
}
