// SPDX-License-Identifier: GPL-2.0

//! `timens`: run and steer programs in time namespaces that have a clock of their own.
//!
//! `cli` is the command line; `run`, `steer`, `step`, `slew`, `strobe`, `drift`, `list`, `show`,
//! `watch`, `save` and `restore` are its commands. Below them, `target` finds the namespace that
//! the user means, `held` keeps hold of it, `namespace` finds all there are, `procfs` and `sys` talk
//! to the kernel, and `clock`, `ntp`, `rate`, `offset` and `when` are the words of that talk.

#![deny(unsafe_code)]
#![warn(missing_docs)]

mod beat;
mod cli;
mod clock;
mod decimal;
mod drift;
mod error;
mod held;
mod host;
mod list;
mod namespace;
mod ntp;
mod offset;
mod procfs;
mod random;
mod rate;
mod reading;
mod request;
mod restore;
mod run;
mod save;
mod saved;
mod show;
mod slew;
mod sparkline;
mod steer;
mod step;
mod strobe;
mod sys;
mod table;
mod target;
#[cfg(test)]
mod testing;
mod watch;
mod when;

use clap::Parser;
use cli::{Cli, Command};
use error::Error;
use jiff::tz::TimeZone;
use procfs::Procfs;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Status when `timens run` or `restore` fails by itself, as env(1) and its like have it: a command's own
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

    /// The same, or one that says nothing if that would have to wait for somebody to read it.
    pub(crate) fn unless_blocked(self) -> Log {
        Log {
            verbose: self.verbose && beat::takes(io::stderr()),
        }
    }
}

/// Writes a line to standard error, where there may be nobody to read it.
fn complain(message: &str) {
    let _ = io::stderr().write_all(complaint(message).as_bytes());
}

/// The line, without what a terminal would obey: the message may have words from a file.
fn complaint(message: &str) -> String {
    format!("timens: {}\n", message.replace(char::is_control, "?"))
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
                true if means_to_execute(&arguments) => RUN_FAILED,
                true => MISUSED,
            });
        }
    };
    let running = matches!(cli.command, Command::Run(_) | Command::Restore(_));
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(status(&error, running))
        }
    }
}

/// Whether a command line that does not parse is one of `timens run` or `restore`.
fn means_to_execute(arguments: &[OsString]) -> bool {
    let options_before = |argument: &&OsString| argument.as_encoded_bytes().starts_with(b"-");
    let mut rest = arguments.iter().skip(1).skip_while(options_before);
    rest.next()
        .is_some_and(|argument| argument == "run" || argument == "restore")
}

fn execute(cli: Cli) -> Result<(), Error> {
    let procfs = Procfs::at("/proc");
    let log = Log {
        verbose: cli.verbose,
    };
    if log.verbose {
        if let Err(error) = TimeZone::try_system() {
            complain(&format!("local dates are in UTC: {error}"));
        }
    }
    let output = &mut io::stdout();
    match cli.command {
        Command::Run(args) => run::run(&procfs, &args, log).map(|never| match never {}),
        Command::Set(args) => steer::set(&procfs, &args, log),
        Command::List(args) => list::list(&procfs, &args, output),
        Command::Show(args) => show::show(&procfs, &args, log, output),
        Command::Freeze(args) => steer::freeze(&procfs, &args, log, output),
        Command::Thaw(args) => steer::thaw(&procfs, &args, log),
        Command::Step(args) => step::step(&procfs, &args, log),
        Command::Slew(args) => slew::slew(&procfs, &args, log),
        Command::Strobe(args) => strobe::strobe(&procfs, &args, log),
        Command::Drift(args) => drift::drift(&procfs, &args, log, output),
        Command::Watch(args) => watch::watch(&procfs, &args, output),
        Command::Save(args) => save::save(&procfs, &args, log, output),
        Command::Restore(args) => restore::restore(&procfs, &args, log).map(|never| match never {}),
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
    fn a_wrong_command_line_that_executes_is_recognized() {
        let executes = |words: &[&str]| {
            let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
            means_to_execute(&arguments)
        };
        assert!(executes(&["timens", "run", "--rate", "x"]));
        assert!(executes(&["timens", "-v", "run"]));
        assert!(executes(&["timens", "restore"]));
        assert!(!executes(&["timens", "set", "run"]));
        assert!(!executes(&["timens", "-v"]));
    }

    #[test]
    fn a_complaint_is_one_line_that_does_nothing() {
        assert_eq!(
            complaint("unknown field `\u{1b}[2J\nß\u{9b}`"),
            "timens: unknown field `?[2J?ß?`\n"
        );
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
