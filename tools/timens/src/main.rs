// SPDX-License-Identifier: GPL-2.0

//! `timens`: run and steer programs in time namespaces that have a clock of their own.
//!
//! `cli` is the command line; `run`, `steer`, `list` and `show` are its commands. Below them,
//! `target` finds the namespace that the user means, `namespace` all there are, `procfs` and `sys`
//! talk to the kernel, and `clock`, `rate`, `offset` and `when` are the words of that talk.

#![deny(unsafe_code)]
#![warn(missing_docs)]

mod cli;
mod clock;
mod decimal;
mod error;
mod host;
mod list;
mod namespace;
mod offset;
mod procfs;
mod rate;
mod reading;
mod request;
mod run;
mod show;
mod steer;
mod sys;
mod table;
mod target;
#[cfg(test)]
mod testing;
mod when;

use clap::Parser;
use cli::{Cli, Command};
use error::Error;
use procfs::Procfs;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Status when `timens run` fails by itself, as env(1) and its like have it: a command's own
/// status is hardly ever this.
const RUN_FAILED: u8 = 125;
/// Status when the command is there but cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// Status when the command is not there.
const NOT_FOUND: u8 = 127;
/// Status when another command of this program fails.
const FAILED: u8 = 1;
/// Status when the command line of another command of this program is wrong.
const MISUSED: u8 = 2;

/// Says on standard error what is done, for those who asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    /// Whether anybody asked.
    verbose: bool,
}

impl Log {
    /// Says something.
    pub(crate) fn say(self, message: &str) {
        if self.verbose {
            complain(message);
        }
    }
}

/// Writes a line to standard error, where there may be nobody to read it.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "timens: {message}");
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // It has nowhere to go when standard error is gone, too.
            let _ = error.print();
            return ExitCode::from(match error.use_stderr() {
                false => 0,
                true if means_run(&arguments) => RUN_FAILED,
                true => MISUSED,
            });
        }
    };
    let running = matches!(cli.command, Command::Run(_));
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(status(&error, running))
        }
    }
}

/// Whether a command line that does not parse is one of `timens run`.
fn means_run(arguments: &[OsString]) -> bool {
    let options_before = |argument: &&OsString| argument.as_encoded_bytes().starts_with(b"-");
    let mut rest = arguments.iter().skip(1).skip_while(options_before);
    rest.next().is_some_and(|argument| argument == "run")
}

fn execute(cli: Cli) -> Result<(), Error> {
    let procfs = Procfs::at("/proc");
    let log = Log {
        verbose: cli.verbose,
    };
    let output = &mut io::stdout();
    match cli.command {
        Command::Run(args) => run::run(&procfs, &args, log).map(|never| match never {}),
        Command::Set(args) => steer::set(&procfs, &args, log),
        Command::List(args) => list::list(&procfs, &args, log, output),
        Command::Show(args) => show::show(&procfs, &args, output),
        Command::Freeze(args) => steer::freeze(&procfs, &args, log, output),
        Command::Thaw(args) => steer::thaw(&procfs, &args, log),
    }
}

fn report(error: &Error) {
    if let Error::Output(error) = error {
        // Whoever read the output has read enough.
        if error.kind() == ErrorKind::BrokenPipe {
            return;
        }
    }
    complain(&error.to_string());
    if let Some(advice) = error.advice() {
        complain(advice);
    }
}

fn status(error: &Error, running: bool) -> u8 {
    match error {
        Error::Exec { error, .. } if error.kind() == ErrorKind::NotFound => NOT_FOUND,
        Error::Exec { .. } => NOT_EXECUTABLE,
        _ if running => RUN_FAILED,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_of_run_is_recognized() {
        let means_run = |words: &[&str]| {
            let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
            means_run(&arguments)
        };
        assert!(means_run(&["timens", "run", "--rate", "x"]));
        assert!(means_run(&["timens", "-v", "run"]));
        assert!(!means_run(&["timens", "set", "run"]));
        assert!(!means_run(&["timens", "-v"]));
    }

    #[test]
    fn statuses_are_those_of_env() {
        let exec = |kind: ErrorKind| Error::Exec {
            command: "x".into(),
            error: kind.into(),
        };
        assert_eq!(status(&exec(ErrorKind::NotFound), true), 127);
        assert_eq!(status(&exec(ErrorKind::PermissionDenied), true), 126);
        assert_eq!(status(&Error::NoModule, true), 125);
        assert_eq!(status(&Error::NoModule, false), 1);
    }
}
