// SPDX-License-Identifier: GPL-2.0

//! What is counted of the expiries of a namespace's timers.

use std::fmt;
use std::fs;

use crate::failure::{Context, Outcome};
use crate::proc_file::ProcFile;

/// The counters of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Interrupts that found the first timer of a queue not due yet.
    pub(crate) early: u64,
    /// Queues that were queued again for that reason.
    pub(crate) rearms: u64,
    /// Queues whose turn was computed again after a change.
    pub(crate) rekeys: u64,
}

impl Counters {
    /// Reads those of the namespace that the children of a process will be in.
    pub(crate) fn read(process: impl fmt::Display) -> Outcome<Self> {
        let path = ProcFile::Clock.path(process);
        let text = fs::read_to_string(&path).context(path.display())?;
        let number = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
                .context(format_args!("no {key} in timens_clock: {text:?}"))
        };
        Ok(Self {
            early: number("early")?,
            rearms: number("rearm")?,
            rekeys: number("rekey")?,
        })
    }

    /// What was counted since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            early: self.early - before.early,
            rearms: self.rearms - before.rearms,
            rekeys: self.rekeys - before.rekeys,
        }
    }
}
