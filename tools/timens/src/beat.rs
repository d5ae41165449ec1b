// SPDX-License-Identifier: GPL-2.0

//! Doing something at a period until a signal comes.

use crate::error::Error;
use crate::sys::interrupt::Interrupts;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use std::io::stdout;
use std::time::{Duration, Instant};

/// A period, and what can end the waiting for it.
#[derive(Debug)]
pub(crate) struct Beat {
    interrupts: Interrupts,
    every: Duration,
    next: Instant,
}

impl Beat {
    /// A period that begins now. From here on, a signal does not end this program any more.
    pub(crate) fn new(every: Duration) -> Result<Beat, Error> {
        let interrupts =
            Interrupts::hold_back().map_err(|errno| Error::system("sigprocmask", errno))?;
        Ok(Beat {
            interrupts,
            every,
            next: Instant::now(),
        })
    }

    /// Waits for the end of the period; says whether to go on, which a signal denies.
    pub(crate) fn wait(&mut self) -> Result<bool, Error> {
        // After a stop of any kind there is nothing to catch up on.
        self.next = (self.next + self.every).max(Instant::now());
        self.interrupted(self.next).map(|interrupted| !interrupted)
    }

    /// Waits until standard output takes something; says whether to go on, which a signal denies.
    pub(crate) fn until_output(&self) -> Result<bool, Error> {
        /// How long a signal may have to wait for.
        const PAUSE: Duration = Duration::from_millis(20);
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let stdout = stdout();
        loop {
            let ready = poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], Some(&NOW));
            // Whatever else is wrong with it, writing will tell.
            if ready != Ok(0) {
                return Ok(true);
            }
            if self.interrupted(Instant::now() + PAUSE)? {
                return Ok(false);
            }
        }
    }

    /// Waits until `deadline`; says whether a signal came instead.
    fn interrupted(&self, deadline: Instant) -> Result<bool, Error> {
        self.interrupts
            .before(deadline)
            .map_err(|errno| Error::system("sigtimedwait", errno))
    }
}

/// What a command came to that goes on until it is ended, unless it has a `count`: there is nothing
/// wrong with a namespace that is used no more.
pub(crate) fn ended(outcome: Result<(), Error>, count: Option<u64>) -> Result<(), Error> {
    match outcome {
        Err(Error::NobodyLeft(_) | Error::NoSuchProcess(_)) if count.is_none() => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Inode;

    #[test]
    fn it_waits_for_whole_periods() {
        let every = Duration::from_millis(5);
        let start = Instant::now();
        let mut beat = Beat::new(every).unwrap();
        for _ in 0..4 {
            assert!(beat.wait().unwrap());
        }
        assert!(start.elapsed() >= 4 * every);
    }

    #[test]
    fn the_end_of_the_namespace_ends_what_has_no_count() {
        let over = || Err(Error::NobodyLeft(Inode(5)));
        assert!(ended(over(), None).is_ok());
        assert!(ended(over(), Some(4)).is_err());
        assert!(ended(Err(Error::SetNotPermitted), None).is_err());
    }
}
