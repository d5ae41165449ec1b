// SPDX-License-Identifier: GPL-2.0

//! Doing something at a period until a signal comes.

use crate::error::Error;
use crate::report;
use crate::sys::interrupt::Interrupts;
use crate::Log;
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use std::io::stderr;
use std::os::fd::AsFd;
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

    /// Waits until `output` takes something; says whether to go on, which a signal denies.
    pub(crate) fn until_takes(&self, output: impl AsFd) -> Result<bool, Error> {
        /// How long a signal may have to wait for.
        const PAUSE: Duration = Duration::from_millis(20);
        while !takes(&output) {
            if self.interrupted(Instant::now() + PAUSE)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same for what `log` says next, if it says anything.
    pub(crate) fn until_heard(&self, log: Log) -> Result<bool, Error> {
        match log.verbose {
            true => self.until_takes(stderr()),
            false => Ok(true),
        }
    }

    /// What a command came to that goes on until it is ended, unless it has a `count`, and what
    /// setting back came to: there is nothing wrong with a namespace that is used no more.
    pub(crate) fn end(
        self,
        outcome: Result<(), Error>,
        set_back: Result<(), Error>,
        count: Option<u64>,
    ) -> Result<(), Error> {
        // Nobody may be there to read why it has failed: from here on, a signal ends it again.
        drop(self);
        let outcome = match outcome {
            Err(Error::NobodyLeft(_) | Error::NoSuchProcess(_)) if count.is_none() => Ok(()),
            outcome => outcome,
        };
        match (outcome, set_back) {
            (Err(first), Err(second)) => {
                report(&first);
                Err(second)
            }
            (outcome, set_back) => outcome.and(set_back),
        }
    }

    /// Waits until `deadline`; says whether a signal came instead.
    fn interrupted(&self, deadline: Instant) -> Result<bool, Error> {
        self.interrupts
            .before(deadline)
            .map_err(|errno| Error::system("sigtimedwait", errno))
    }
}

/// Whether `output` takes something now. Whatever else is wrong with it, writing will tell.
pub(crate) fn takes(output: impl AsFd) -> bool {
    const NOW: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(&output, PollFlags::OUT)], Some(&NOW)) != Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Inode;
    use rustix::io::write;
    use rustix::pipe::{pipe_with, PipeFlags};

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
        let end = |outcome, count| {
            let beat = Beat::new(Duration::from_millis(1)).unwrap();
            beat.end(outcome, Ok(()), count)
        };
        let over = || Err(Error::NobodyLeft(Inode(5)));
        assert!(end(over(), None).is_ok());
        assert!(end(over(), Some(4)).is_err());
        assert!(end(Err(Error::SetNotPermitted), None).is_err());
    }

    #[test]
    fn what_is_left_off_is_an_error_whatever_else_there_was() {
        for outcome in [
            Ok(()),
            Err(Error::NobodyLeft(Inode(5))),
            Err(Error::SetNotPermitted),
        ] {
            let beat = Beat::new(Duration::from_millis(1)).unwrap();
            let result = beat.end(outcome, Err(Error::NoModule), None);
            assert!(matches!(result, Err(Error::NoModule)), "{result:?}");
        }
    }

    #[test]
    fn a_full_pipe_takes_nothing_until_somebody_reads() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        assert!(takes(&writer));
        while write(&writer, &[0; 4096]).is_ok() {}
        assert!(!takes(&writer));
        drop(reader);
        assert!(takes(&writer));
    }
}
