// SPDX-License-Identifier: GPL-2.0

//! The kernel's trace, of some events.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{mount, MountFlags};

use crate::failure::{Context, Outcome};

const TRACEFS: &str = "/sys/kernel/tracing";

/// A trace that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct Trace(PathBuf);

impl Trace {
    /// Begins one of `events`, which are directories of tracefs.
    pub(crate) fn new(events: &[&str]) -> Outcome<Self> {
        if !Path::new(TRACEFS).join("events").exists() {
            match mount("tracefs", TRACEFS, "tracefs", MountFlags::empty(), None) {
                Err(Errno::BUSY) => {}
                other => other.context("mounting tracefs")?,
            }
        }
        let directory = Path::new(TRACEFS).join("instances/guest-tests");
        fs::create_dir(&directory).context(directory.display())?;
        let trace = Self(directory);
        for event in events {
            let path = trace.0.join("events").join(event).join("enable");
            fs::write(&path, "1").context(path.display())?;
        }
        Ok(trace)
    }

    /// Whether `text` is in a line of it.
    pub(crate) fn has(&self, text: &str) -> Outcome<bool> {
        let path = self.0.join("trace");
        let trace = fs::read(&path).context(path.display())?;
        let trace = String::from_utf8_lossy(&trace);
        Ok(trace.lines().any(|line| line.contains(text)))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // A directory that is left is an error for the next one.
        let _ = fs::remove_dir(&self.0);
    }
}
