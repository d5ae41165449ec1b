// SPDX-License-Identifier: GPL-2.0

//! A control group that can be frozen.

use std::fs;
use std::path::PathBuf;

use rustix::process::Pid;

use crate::failure::{fail, Context, Outcome};
use crate::host;
use crate::sys::Ns;

const ROOT: &str = "/sys/fs/cgroup";
const LIMIT: Ns = 10_000_000_000;

/// The control group of one process.
pub(crate) struct Group(PathBuf);

impl Group {
    /// The group with just that process: a new one, or the one that it is in already.
    pub(crate) fn of(pid: Pid) -> Outcome<Self> {
        let path = PathBuf::from(ROOT).join(format!("timens-{pid}"));
        if !path.exists() {
            fs::create_dir(&path).context(path.display())?;
            fs::write(path.join("cgroup.procs"), pid.to_string()).context("cgroup.procs")?;
        }
        Ok(Self(path))
    }

    /// Stops all that is in it.
    pub(crate) fn freeze(self) -> Outcome {
        self.set(1)
    }

    /// Lets go on what is in it, and removes it.
    pub(crate) fn thaw(self) -> Outcome {
        let pids = fs::read_to_string(self.0.join("cgroup.procs")).context("cgroup.procs")?;
        self.set(0)?;
        for pid in pids.lines() {
            // It may have ended by now.
            let _ = fs::write(PathBuf::from(ROOT).join("cgroup.procs"), pid);
        }
        fs::remove_dir(&self.0).context(self.0.display())
    }

    fn set(&self, frozen: u32) -> Outcome {
        fs::write(self.0.join("cgroup.freeze"), frozen.to_string()).context("cgroup.freeze")?;
        let deadline = host::reference()? + LIMIT;
        loop {
            let events = fs::read_to_string(self.0.join("cgroup.events")).context("events")?;
            if events.contains(&format!("frozen {frozen}")) {
                return Ok(());
            }
            if host::reference()? > deadline {
                fail!("a control group does not become frozen {frozen}: {events:?}");
            }
            host::pass(200_000)?;
        }
    }
}
