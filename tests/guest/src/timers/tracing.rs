// SPDX-License-Identifier: GPL-2.0

//! Stopping a child by tracing it.

use rustix::process::{waitpid, Pid, WaitOptions};

use crate::failure::{check, Context, Outcome};
use crate::timers::entry::{syscall, Arg, Entry, Number};

const PTRACE: Number = Number::plain(libc::SYS_ptrace, 26);

fn ptrace(request: u32, pid: Pid) -> Outcome {
    let pid = pid.as_raw_nonzero().get();
    syscall!(
        Entry::Native,
        PTRACE,
        request as i32,
        pid,
        Arg::NULL,
        Arg::NULL
    )
    .context("ptrace")
    .map(drop)
}

/// Traces a child, and stops it wherever it is.
pub(crate) fn stop_by_tracing(pid: Pid) -> Outcome {
    ptrace(libc::PTRACE_SEIZE, pid)?;
    ptrace(libc::PTRACE_INTERRUPT, pid)?;
    let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).context("waitpid")?;
    let stopped = stopped.is_some_and(|(_, status)| status.stopped());
    check!(stopped, "a process that was traced did not stop");
    Ok(())
}

/// Lets it go on, and traces it no more.
pub(crate) fn let_go(pid: Pid) -> Outcome {
    ptrace(libc::PTRACE_DETACH, pid)
}
