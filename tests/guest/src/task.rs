// SPDX-License-Identifier: GPL-2.0

//! Processes of a test.

use std::any::Any;
use std::fs::File;
use std::io::{Read, Write};
use std::panic::{self, AssertUnwindSafe};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{
    kill_process, pidfd_open, set_parent_process_death_signal, waitpid, Pid, PidfdFlags, Signal,
    WaitOptions, WaitStatus,
};
use rustix::thread::{sched_setaffinity, CpuSet};

use crate::failure::{fail, Context, During, Outcome, Trouble};
use crate::host;
use crate::namespace::Namespace;
use crate::sys::{self, Fork, Ns};

/// A child process that runs a part of a test. It is killed when this is dropped.
pub(crate) struct Task {
    pid: Pid,
    report: File,
    ended: Option<WaitStatus>,
}

impl Task {
    /// Starts `body` in a child process, of which the parent has to have one thread.
    pub(crate) fn spawn(body: impl FnOnce() -> Outcome) -> Outcome<Self> {
        Self::spawn_with_flags(0, body)
    }

    /// Starts `body` in a child process in new namespaces. The flags are clone3()'s.
    pub(crate) fn spawn_with_flags(flags: u64, body: impl FnOnce() -> Outcome) -> Outcome<Self> {
        let (report, result) = pipe_with(PipeFlags::CLOEXEC).context("pipe")?;
        let fork = if flags == 0 {
            sys::fork()
        } else {
            sys::clone(flags)
        };
        match fork.context("fork")? {
            Fork::Parent(pid) => Ok(Self {
                pid,
                report: report.into(),
                ended: None,
            }),
            Fork::Child => {
                drop(report);
                run_child(body, result.into())
            }
        }
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it is still there.
    pub(crate) fn is_running(&mut self) -> Outcome<bool> {
        self.wait_for(0).map(|ended| !ended)
    }

    /// Waits until it ends, at most for `limit` ns of reference time. Says whether it has.
    pub(crate) fn wait_for(&mut self, limit: Ns) -> Outcome<bool> {
        if self.ended.is_some() {
            return Ok(true);
        }
        let deadline = host::reference()? + limit;
        let pidfd = pidfd_open(self.pid, PidfdFlags::empty()).context("pidfd_open")?;
        loop {
            let left = (deadline - host::reference()?).clamp(0, 1_000_000_000);
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: left as i64,
            };
            let timeout = if left == 1_000_000_000 {
                Timespec {
                    tv_sec: 1,
                    tv_nsec: 0,
                }
            } else {
                timeout
            };
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
                Ok(0) if left == 0 => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => break,
                Err(errno) => fail!("poll: {errno}"),
            }
        }
        let ended = waitpid(Some(self.pid), WaitOptions::empty()).context("waitpid")?;
        self.ended = ended.map(|(_, status)| status);
        Ok(true)
    }

    /// What it comes to. Waits for it.
    pub(crate) fn join(mut self) -> Outcome {
        while !self.wait_for(1 << 40)? {}
        self.outcome()
    }

    /// What it came to, after it has ended.
    pub(crate) fn outcome(&mut self) -> Outcome {
        let Some(status) = self.ended else {
            fail!("the task has not ended");
        };
        if let Some(signal) = status.terminating_signal() {
            fail!("a task was ended by signal {signal}");
        }
        // Its children may hold the pipe open, so that there may be no end of file.
        let mut message = [0; 4096];
        let mut reader = [PollFd::new(&self.report, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready = poll(&mut reader, Some(&now)).context("poll")?;
        let length = if ready == 0 {
            0
        } else {
            self.report.read(&mut message).context("report")?
        };
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        match message.split_at_checked(1) {
            Some(("+", _)) => Ok(()),
            Some(("?", why)) => Err(Trouble::Skip(why.into())),
            Some(("-", why)) => Err(Trouble::Fail(why.into())),
            _ => fail!(
                "a task ended without a result, status {:?}",
                status.exit_status()
            ),
        }
    }

    /// Ends it, and says if it had failed before that.
    pub(crate) fn stop(mut self) -> Outcome {
        if self.is_running()? {
            self.kill();
            return Ok(());
        }
        self.outcome().during("a task that should have gone on")
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        if self.ended.is_none() && kill_process(self.pid, Signal::KILL).is_ok() {
            self.ended = waitpid(Some(self.pid), WaitOptions::empty())
                .ok()
                .flatten()
                .map(|(_, status)| status);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run_child(body: impl FnOnce() -> Outcome, mut result: File) -> ! {
    // If the parent should be gone already, this is not worth a failure.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let outcome = panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        Err(Trouble::Fail(format!(
            "panicked: {}",
            what_panicked(&*panic)
        )))
    });
    let message = match outcome {
        Ok(()) => "+".into(),
        Err(Trouble::Skip(why)) => format!("?{why}"),
        Err(Trouble::Fail(why)) => format!("-{why}"),
    };
    // As much as a pipe takes at once.
    let bytes = message.as_bytes();
    let written = result.write_all(&bytes[..bytes.len().min(4096)]);
    sys::exit(written.is_err().into())
}

fn what_panicked(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// A way for one process to tell another that it may go on.
pub(crate) struct Gate {
    waiter: File,
    opener: File,
}

impl Gate {
    /// A gate that is shut.
    pub(crate) fn new() -> Outcome<Self> {
        let (waiter, opener) = pipe_with(PipeFlags::CLOEXEC).context("pipe")?;
        Ok(Self {
            waiter: waiter.into(),
            opener: opener.into(),
        })
    }

    /// Lets one waiter through.
    pub(crate) fn open(&self) -> Outcome {
        (&self.opener).write_all(&[0]).context("opening a gate")
    }

    /// Waits until it has been opened.
    pub(crate) fn wait(&self) -> Outcome {
        (&self.waiter)
            .read_exact(&mut [0])
            .context("waiting at a gate")
    }

    /// Waits until `task` has opened it. If that ends instead, so does the wait.
    pub(crate) fn wait_for(&self, task: &mut Task) -> Outcome {
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        loop {
            let running = task.is_running()?;
            match poll(
                &mut [PollFd::new(&self.waiter, PollFlags::IN)],
                Some(&pause),
            ) {
                Ok(0) if running => {}
                Ok(0) => {
                    task.outcome()?;
                    fail!("a task has ended too early");
                }
                Ok(_) => return self.wait(),
                Err(errno) => fail!("poll: {errno}"),
            }
        }
    }
}

/// Keeps the calling thread, and the processes that it makes from now on, on one CPU.
pub(crate) fn pin_to(cpu: usize) -> Outcome {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(None, &cpus).context("sched_setaffinity")
}

/// A process that does nothing but be in a namespace.
pub(crate) fn resident(namespace: &Namespace) -> Outcome<Task> {
    let inside = Gate::new()?;
    let mut task = Task::spawn(|| {
        namespace.enter()?;
        inside.open()?;
        Gate::new()?.wait()
    })?;
    inside.wait_for(&mut task)?;
    Ok(task)
}
