// SPDX-License-Identifier: GPL-2.0

//! Waiting for a time to pass or for a signal that is to end this program, whichever comes first.

use super::last_error;
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::{Duration, Instant};

/// What a terminal, a service manager or kill(1) sends to end a program in good order.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// The signals that end a program, held back until somebody waits for one.
///
/// Between a look at a flag and a sleep a handler's signal would be lost, and in the middle of a
/// change it has nothing to say: so there is no handler.
#[derive(Debug)]
pub(crate) struct Interrupts(libc::sigset_t);

impl Interrupts {
    /// Holds them back, for this process and the children it has from now on, but for those that
    /// the caller has had ignored, as nohup(1) does: held back, they would come all the same.
    #[expect(unsafe_code, reason = "signal sets")]
    pub(crate) fn hold_back() -> Result<Interrupts, Errno> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `set` may be written to, and sigemptyset() writes all of it before the others
        // look at it; the numbers are those of signals.
        let set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in ENDING.into_iter().filter(|signal| !is_ignored(*signal)) {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            set.assume_init()
        };
        // SAFETY: `set` is valid, and the old one is not asked for.
        match unsafe { libc::sigprocmask(libc::SIG_BLOCK, &set, ptr::null_mut()) } {
            0 => Ok(Interrupts(set)),
            _ => Err(last_error()),
        }
    }

    /// Waits until `deadline`; says whether a signal came instead.
    #[expect(unsafe_code, reason = "rustix has no sigtimedwait")]
    pub(crate) fn before(&self, deadline: Instant) -> Result<bool, Errno> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = timespec(left);
            // SAFETY: the set and the timeout are valid, and the details are not asked for.
            match unsafe { libc::sigtimedwait(&self.0, ptr::null_mut(), &timeout) } {
                -1 => match last_error() {
                    // Stopped and continued, for example.
                    Errno::INTR => {}
                    Errno::AGAIN if left.is_zero() => return Ok(false),
                    Errno::AGAIN => {}
                    errno => return Err(errno),
                },
                _ => return Ok(true),
            }
        }
    }
}

impl Drop for Interrupts {
    /// Those that came while they were held back have been heard, however many they were.
    #[expect(unsafe_code, reason = "signal sets")]
    fn drop(&mut self) {
        while self.before(Instant::now()) == Ok(true) {}
        // SAFETY: the set is valid, and the old one is not asked for.
        unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &self.0, ptr::null_mut()) };
    }
}

/// Whether a signal does nothing to this program.
#[expect(unsafe_code, reason = "no safe form")]
fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: `action` may be written to, and is only looked at if it has been.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether SIGQUIT ends a wait, when that is done with it.
    #[expect(unsafe_code, reason = "no safe form")]
    fn quits(disposition: libc::sighandler_t) -> bool {
        // SAFETY: one disposition of two, neither of which runs anything.
        unsafe { libc::signal(libc::SIGQUIT, disposition) };
        let interrupts = Interrupts::hold_back().unwrap();
        // SAFETY: it is held back or ignored.
        unsafe { libc::raise(libc::SIGQUIT) };
        let soon = Instant::now() + Duration::from_millis(5);
        interrupts.before(soon).unwrap()
    }

    #[test]
    fn they_are_held_back_for_a_while() {
        let held_back = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
        };
        let before = held_back();
        let interrupts = Interrupts::hold_back().unwrap();
        assert_ne!(held_back(), before);
        drop(interrupts);
        assert_eq!(held_back(), before);
    }

    #[test]
    fn what_the_caller_ignores_does_not_end_it() {
        assert!(!quits(libc::SIG_IGN));
        assert!(quits(libc::SIG_DFL));
    }
}
