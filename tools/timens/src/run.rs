// SPDX-License-Identifier: GPL-2.0

//! `timens run`: a command in a new time namespace.
//!
//! The command takes the place of this process: the kernel moves a process into the namespace of
//! its children when it executes a program. So there is no process in between that would have to
//! pass on signals, job control and the exit status, and the command's process is the one that
//! the caller started.

use crate::cli::RunArgs;
use crate::clock::Request;
use crate::error::Error;
use crate::host;
use crate::procfs::{Control, Procfs, Who};
use crate::request::say_rounding;
use crate::sys::{self, NewNamespace};
use crate::Log;
use rustix::process::{getegid, geteuid};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs the command; returns only if that failed.
pub(crate) fn run(procfs: &Procfs, args: &RunArgs, log: Log) -> Result<Infallible, Error> {
    // Fails on a kernel without clocks, before anything is changed.
    let continues = procfs.clock(Who::Caller)?.is_some();
    args.request(host::now(procfs)?, continues)?;
    say_rounding(args.clock.rate.asked(), log);

    make_namespace(args.user, log)?;
    // Once more, for what has passed since then would be added to the date. The new namespace, which
    // this process's files speak of now, reads what the old one does.
    let request = args.request(host::now(procfs)?, continues)?;
    if request != Request::default() {
        procfs.request(Who::Caller, Control::Offsets, &request)?;
        say_request(log, &request);
    }

    Err(execute(&args.command))
}

/// Executes a command in the place of this program; returns why not.
pub(crate) fn execute(command: &[OsString]) -> Error {
    let (program, arguments) = command.split_first().expect("clap requires a command");
    let error = Command::new(program).args(arguments).exec();
    Error::Exec {
        command: program.clone(),
        error,
    }
}

/// Makes a time namespace for what this process executes next; with `user`, after it has become
/// root of a user namespace.
pub(crate) fn make_namespace(user: bool, log: Log) -> Result<(), Error> {
    if user {
        become_root_of_user_namespace()?;
        log.say("made a user namespace");
    }
    sys::unshare(NewNamespace::Time)
        .map_err(|errno| Error::from_unshare(NewNamespace::Time, user, errno))
}

/// Says which lines the kernel was given.
pub(crate) fn say_request(log: Log, request: &Request) {
    for line in request.to_string().lines() {
        log.say(&format!("set: {line}"));
    }
}

/// Makes a user namespace in which the user of this process is root.
fn become_root_of_user_namespace() -> Result<(), Error> {
    // Inside, both are the overflow ids until they are mapped.
    let (user, group) = (geteuid(), getegid());
    sys::unshare(NewNamespace::User)
        .map_err(|errno| Error::from_unshare(NewNamespace::User, false, errno))?;
    let user_map = format!("0 {} 1", user.as_raw());
    let group_map = format!("0 {} 1", group.as_raw());
    // An unprivileged user may map its group only after giving up setgroups(2), by which a
    // process could leave a group that denies it something.
    let files = [
        ("/proc/self/setgroups", "deny"),
        ("/proc/self/uid_map", &user_map),
        ("/proc/self/gid_map", &group_map),
    ];
    for (path, text) in files {
        fs::write(path, text).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => Error::UserNamespaceRestricted,
            _ => Error::system(path, error),
        })?;
    }
    Ok(())
}
