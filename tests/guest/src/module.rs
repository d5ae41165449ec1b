// SPDX-License-Identifier: GPL-2.0

//! The kernel module and what it says about itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{mount, MountFlags};
use rustix::system::{delete_module, finit_module};

use crate::failure::{fail, Context, Outcome};
use crate::host;
use crate::sys::Ns;

const DEBUGFS: &str = "/sys/kernel/debug";

/// A counter of all clocks together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    /// Clocks that there are.
    Clocks,
    /// Clocks that there have been.
    Created,
    /// Steps of REALTIME.
    Steps,
    /// Changes of a rate.
    RateChanges,
    /// Interrupts that found the first timer of a queue not due yet.
    Early,
    /// Interrupts by which one CPU told another that a timer is due earlier.
    Ipis,
}

impl Counter {
    /// What it says now.
    pub(crate) fn read(self) -> Outcome<u64> {
        let name = match self {
            Self::Clocks => "clocks",
            Self::Created => "created",
            Self::Steps => "steps",
            Self::RateChanges => "rate_changes",
            Self::Early => "early",
            Self::Ipis => "ipis",
        };
        let path = directory().join(name);
        let text = fs::read_to_string(&path).context(path.display())?;
        text.trim()
            .parse()
            .ok()
            .context(format_args!("{name}: {text:?}"))
    }
}

fn directory() -> PathBuf {
    Path::new(DEBUGFS).join("timens_clock")
}

/// Whether the module is there, as one or built in.
pub(crate) fn is_there() -> bool {
    if !Path::new(DEBUGFS).join("clear_warn_once").exists() && !directory().exists() {
        // Mounted already, or not to be had: what is missing is said by who wants to read it.
        let _ = mount("debugfs", DEBUGFS, "debugfs", MountFlags::empty(), None);
    }
    directory().exists()
}

/// Whether the module is one that can be removed.
pub(crate) fn is_loaded() -> bool {
    Path::new("/sys/module/timens_clock/initstate").exists()
}

/// Waits until there are no more than `count` clocks: they go a while after their namespaces.
pub(crate) fn wait_for_clocks(count: u64) -> Outcome {
    const LIMIT: Ns = 60_000_000_000;
    let deadline = host::reference()? + LIMIT;
    loop {
        let clocks = Counter::Clocks.read()?;
        if clocks <= count {
            return Ok(());
        }
        if host::reference()? > deadline {
            fail!("{clocks} clocks are left, should be {count}");
        }
        host::pass(5_000_000)?;
    }
}

/// Loads the module.
pub(crate) fn load(path: &Path) -> Outcome {
    let file = File::open(path).context(path.display())?;
    finit_module(file, c"", 0).context("finit_module")
}

/// Removes the module, if nothing uses it.
pub(crate) fn unload() -> Result<(), Errno> {
    delete_module(c"timens_clock", libc::O_NONBLOCK)
}
