// SPDX-License-Identifier: GPL-2.0

//! rt_sigtimedwait(), for a signal that nobody sends.

use rustix::io::Errno;

use super::timed_out;
use crate::failure::Outcome;
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Number};
use crate::timers::signal::Blocked;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] =
    &[Call::new("rt_sigtimedwait", Timeout::MONOTONIC, rt_sigtimedwait).disturbed()];

const SIGTIMEDWAIT: Number = Number::timed(libc::SYS_rt_sigtimedwait, 177, 421);

fn rt_sigtimedwait(site: Site) -> Outcome<Wait> {
    let entry = site.entry;
    let signal = Blocked::new(libc::SIGUSR2)?;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let waited = syscall!(entry, SIGTIMEDWAIT, signal.set(), Arg::NULL, &time, 8);
        timed_out("rt_sigtimedwait", waited, Errno::AGAIN)
    }))
}
