// SPDX-License-Identifier: GPL-2.0

//! The calls that wait, a file for each subject.

mod aio;
mod epoll;
mod futex;
pub(crate) mod interval;
mod message;
pub(crate) mod poll;
pub(crate) mod posix_timer;
mod queue;
mod semaphore;
mod signal_wait;
pub(crate) mod sleep;
mod socket;
pub(crate) mod timerfd;
pub(crate) mod uring;

use rustix::io::Errno;

use crate::failure::{fail, Outcome};
use crate::sys::Ns;
use crate::timers::call::{Call, Site, Timeout};
use crate::timers::entry::Entry;

/// Waits for a length until a signal ends that, and says what was left.
pub(crate) type WaitForSignal = Box<dyn FnMut(Ns) -> Outcome<Ns>>;

/// A call that says what was left of its timeout when a signal ended it.
pub(crate) struct Interruptible {
    pub(crate) name: &'static str,
    pub(crate) entries: &'static [Entry],
    pub(crate) timeouts: &'static [Timeout],
    pub(crate) prepare: fn(Site) -> Outcome<WaitForSignal>,
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Call> {
    [
        sleep::CALLS,
        posix_timer::CALLS,
        timerfd::CALLS,
        interval::CALLS,
        futex::CALLS,
        poll::CALLS,
        epoll::CALLS,
        message::CALLS,
        signal_wait::CALLS,
        queue::CALLS,
        semaphore::CALLS,
        aio::CALLS,
        uring::CALLS,
        socket::CALLS,
    ]
    .into_iter()
    .flatten()
}

/// Checks that a call ended by its timeout, which it says by `errno`.
fn timed_out(call: &str, result: Result<usize, Errno>, errno: Errno) -> Outcome {
    match result {
        Err(error) if error == errno => Ok(()),
        other => fail!("{call}: {other:?} instead of {errno:?}"),
    }
}

/// Checks that a call ended by its timeout, which it says by `value`.
fn returned(call: &str, result: Result<usize, Errno>, value: usize) -> Outcome {
    match result {
        Ok(result) if result == value => Ok(()),
        other => fail!("{call}: {other:?} instead of {value}"),
    }
}
