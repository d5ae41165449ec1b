// SPDX-License-Identifier: GPL-2.0

//! A command that must not be noticed by the host, or by other namespaces.

use std::process::Command;

use crate::bystanders::Bystanders;
use crate::failure::{fail, Context, During, Outcome};

/// Runs `command` with its arguments, and checks that nobody outside has noticed. Says its status.
pub(crate) fn run(command: &[String]) -> Outcome<u8> {
    let Some((program, arguments)) = command.split_first() else {
        fail!("no command to guard");
    };
    let bystanders = Bystanders::new()?;
    let status = Command::new(program)
        .args(arguments)
        .status()
        .context(program)?;
    bystanders.verify().during("outside")?;
    let code = status.code().context(status)?;
    u8::try_from(code).ok().context(status)
}
