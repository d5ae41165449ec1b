// SPDX-License-Identifier: GPL-2.0

//! How many CPUs there are, and those that go offline and come back.

use std::fs;

use rustix::system::uname;
use rustix::thread::sched_getaffinity;

use crate::failure::{check, fail, Context, Outcome, Trouble};
use crate::host;

/// How many CPUs there are: more than one, or it fails. Skips the test on a kernel that has
/// only one, whatever the machine has.
pub(crate) fn several() -> Outcome<usize> {
    if !uname().version().to_string_lossy().contains("SMP") {
        return Err(Trouble::Skip("the kernel has one CPU".into()));
    }
    let cpus = sched_getaffinity(None).context("sched_getaffinity")?;
    check!(cpus.count() > 1, "there is one CPU: scripts/vm --cpus 4");
    Ok(cpus.count() as usize)
}

fn set(cpu: usize, online: bool) -> Outcome {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/online");
    // For as long as something else holds it.
    for _ in 0..100 {
        match fs::write(&path, if online { "1" } else { "0" }) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => host::pass(10_000_000)?,
            other => return other.context(path),
        }
    }
    fail!("CPU {cpu} is busy all the time");
}

/// Brings all CPUs of `cpus` back, whoever took them offline. The first cannot be.
pub(crate) fn all_online(cpus: usize) -> Outcome {
    (1..cpus).try_for_each(|cpu| set(cpu, true))
}

/// A CPU that is offline until this is dropped.
#[derive(Debug)]
pub(crate) struct Offline(usize);

impl Offline {
    /// Takes it offline.
    pub(crate) fn new(cpu: usize) -> Outcome<Self> {
        set(cpu, false)?;
        Ok(Self(cpu))
    }

    /// Brings it back.
    pub(crate) fn end(self) -> Outcome {
        let cpu = self.0;
        std::mem::forget(self);
        set(cpu, true)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        // The test has failed already. Others can do without the CPU if need be.
        let _ = set(self.0, true);
    }
}
