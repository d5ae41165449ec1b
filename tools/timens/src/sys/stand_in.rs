// SPDX-License-Identifier: GPL-2.0

//! A process that is in a time namespace so that others can ask the kernel about that.

use super::{enter_time_namespace, last_error};
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{
    kill_process, set_parent_process_death_signal, waitpid, Pid, Signal, WaitOptions,
};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

/// A child process that does nothing. It ends when this is dropped, or with its parent.
///
/// Its files in /proc speak of a namespace that no process's do, while its parent stays on a
/// clock that it can wait by.
#[derive(Debug)]
pub(crate) struct StandIn(Pid);

impl StandIn {
    /// Sends one into the time namespace that `link` refers to.
    pub(crate) fn send(link: impl AsFd) -> Result<StandIn, Errno> {
        let (report, result) = pipe_with(PipeFlags::CLOEXEC)?;
        match fork()? {
            None => be_one(link, result.into()),
            Some(child) => {
                let stand_in = StandIn(child);
                drop(result);
                let mut answer = [0; 4];
                File::from(report)
                    .read_exact(&mut answer)
                    .map_err(|_| Errno::CHILD)?;
                match i32::from_ne_bytes(answer) {
                    0 => Ok(stand_in),
                    errno => Err(Errno::from_raw_os_error(errno)),
                }
            }
        }
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.0.as_raw_nonzero().get().unsigned_abs()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have been ended by somebody else.
        let _ = kill_process(self.0, Signal::KILL);
        let _ = waitpid(Some(self.0), WaitOptions::empty());
    }
}

/// The child's part.
fn be_one(link: impl AsFd, mut result: File) -> ! {
    let entered = set_parent_process_death_signal(Some(Signal::KILL))
        .and_then(|()| enter_time_namespace(link));
    let errno = entered.err().map_or(0, Errno::raw_os_error);
    let told = result.write_all(&errno.to_ne_bytes());
    while told.is_ok() && errno == 0 {
        std::thread::park();
    }
    exit()
}

/// Makes a child process: `None` in the child.
#[expect(unsafe_code, reason = "no safe form")]
fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: this program has one thread, so the child's copy of everything is in order.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Ends a child without what the parent does at its end.
#[expect(unsafe_code, reason = "no safe form")]
fn exit() -> ! {
    // SAFETY: only ends the process.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_namespace_is_not_entered() {
        let link = File::open("/proc/self/ns/user").unwrap();
        assert_eq!(StandIn::send(link).unwrap_err(), Errno::INVAL);
    }
}
