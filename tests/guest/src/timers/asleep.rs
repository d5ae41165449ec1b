// SPDX-License-Identifier: GPL-2.0

//! Whether a process waits, and is not just about to.

use std::fs;

use crate::failure::{Context, Outcome};
use crate::host;
use crate::task::Task;

/// Waits until `task` has gone to sleep in a system call, or has ended.
///
/// Its state is not enough: that says so before the timer is armed. Where it sleeps is only known of
/// a process that no CPU has to run.
pub(crate) fn wait_until_asleep(task: &mut Task) -> Outcome {
    let path = format!("/proc/{}/wchan", task.pid());
    while task.is_running()? {
        let place = fs::read_to_string(&path).context(&path)?;
        if !matches!(place.trim(), "" | "0") {
            break;
        }
        host::pass(100_000)?;
    }
    Ok(())
}
