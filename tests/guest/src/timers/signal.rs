// SPDX-License-Identifier: GPL-2.0

//! Signals that are waited for, so that no handler is needed.

use rustix::io::Errno;

use crate::failure::{Context, Outcome};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;

const SIGPROCMASK: Number = Number::plain(libc::SYS_rt_sigprocmask, 175);
const SIGTIMEDWAIT: Number = Number::plain(libc::SYS_rt_sigtimedwait, 177);

/// A signal that is blocked in this thread and its children.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    set: Place,
}

impl Blocked {
    /// Blocks it.
    pub(crate) fn new(signal: i32) -> Outcome<Self> {
        let set = Place::of(&(1_u64 << (signal - 1)).to_ne_bytes())?;
        let size = 8_usize;
        syscall!(
            Entry::Native,
            SIGPROCMASK,
            libc::SIG_BLOCK,
            &set,
            Arg::NULL,
            size
        )
        .context("rt_sigprocmask")?;
        Ok(Self { set })
    }

    /// The set of just this signal.
    pub(crate) fn set(&self) -> &Place {
        &self.set
    }

    /// Waits until it comes.
    pub(crate) fn wait(&self) -> Outcome {
        let size = 8_usize;
        loop {
            let got = syscall!(
                Entry::Native,
                SIGTIMEDWAIT,
                &self.set,
                Arg::NULL,
                Arg::NULL,
                size
            );
            match got {
                Err(Errno::INTR) => {}
                other => return other.context("rt_sigtimedwait").map(drop),
            }
        }
    }
}
