// SPDX-License-Identifier: GPL-2.0

//! Time namespaces, and how a process with one thread moves between them.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::thread::{move_into_link_name_space, sched_yield, LinkNameSpaceType, UnshareFlags};

use crate::failure::{Context, Outcome};
use crate::proc_file::ProcFile;
use crate::sys;

/// A time namespace that is kept alive.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    /// The one that this process is in.
    pub(crate) fn current() -> Outcome<Self> {
        Self::open("time")
    }

    /// The one that the children of this process will be in.
    pub(crate) fn for_children() -> Outcome<Self> {
        Self::open("time_for_children")
    }

    fn open(name: &str) -> Outcome<Self> {
        let path = format!("/proc/self/ns/{name}");
        File::open(&path).context(path).map(Self)
    }

    /// The one that another process is in.
    pub(crate) fn of(pid: impl std::fmt::Display) -> Outcome<Self> {
        let path = format!("/proc/{pid}/ns/time");
        File::open(&path).context(path).map(Self)
    }

    /// Another descriptor of it.
    pub(crate) fn try_clone(&self) -> Outcome<Self> {
        self.0.try_clone().context("dup").map(Self)
    }

    /// What identifies it.
    pub(crate) fn number(&self) -> Outcome<u64> {
        Ok(self.0.metadata().context("fstat")?.ino())
    }

    /// A file that it is entered by.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Moves this process and its future children there.
    pub(crate) fn try_enter(&self) -> Result<(), Errno> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Time))
    }

    /// As `try_enter()`, which has to succeed.
    pub(crate) fn enter(&self) -> Outcome {
        // A child that executes a program shares this process' memory, as a thread does, for a
        // moment longer than vfork() waits. There may be no clock here to sleep by.
        for _ in 0..100_000 {
            match self.try_enter() {
                Err(Errno::USERS) => sched_yield(),
                result => return result.context("setns"),
            }
        }
        self.try_enter().context("setns")
    }

    /// What `body` comes to in this namespace. The process returns to where it was.
    pub(crate) fn inside<T>(&self, body: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let origin = Self::current()?;
        self.enter()?;
        let result = body();
        origin.enter()?;
        result
    }
}

/// A new time namespace for the children of this process, which nobody has entered.
///
/// While there is one, `timens_offsets` and `timens_clock` of this process speak of it.
pub(crate) struct Pending {
    origin: Namespace,
}

impl Pending {
    /// Makes one as a clone of the one that children are in so far.
    pub(crate) fn new() -> Outcome<Self> {
        let origin = Namespace::current()?;
        sys::unshare(UnshareFlags::NEWTIME).context("unshare")?;
        Ok(Self { origin })
    }

    /// Writes `text` for it, which has to be taken whole.
    pub(crate) fn write(&self, text: impl ToString) -> Outcome {
        let text = text.to_string();
        let written = ProcFile::Offsets.write("self", &text);
        let written = written.context(format_args!("writing {text:?}"))?;
        crate::failure::check_eq!(written, text.len(), "bytes of {text:?} that were taken");
        Ok(())
    }

    /// The namespace, still not entered. Children are in this process' own namespace again.
    pub(crate) fn detach(self) -> Outcome<Namespace> {
        let namespace = Namespace::for_children()?;
        self.origin.enter()?;
        Ok(namespace)
    }
}
