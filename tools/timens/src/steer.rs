// SPDX-License-Identifier: GPL-2.0

//! `timens set`, `freeze` and `thaw`: the clock of a namespace that is in use.

use crate::cli::{FreezeArgs, SetArgs, ThawArgs};
use crate::clock::Request;
use crate::error::Error;
use crate::held::Held;
use crate::host;
use crate::procfs::Procfs;
use crate::rate::Rate;
use crate::request::say_rounding;
use crate::Log;
use std::io::Write;

/// Sets date, rate or both.
pub(crate) fn set(procfs: &Procfs, args: &SetArgs, log: Log) -> Result<(), Error> {
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::to_change(procfs, &subject, log)?;
    let request = args.clock.request(host::now(procfs)?)?;
    say_rounding(args.clock.rate.asked(), log);
    held.request(&request)
}

/// Prints the rate, which nobody else remembers, and sets it to 0.
pub(crate) fn freeze(
    procfs: &Procfs,
    args: &FreezeArgs,
    log: Log,
    output: &mut impl Write,
) -> Result<(), Error> {
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::to_change(procfs, &subject, log)?;
    let clock = held.clock()?;
    if clock.rate.is_frozen() {
        return Err(Error::AlreadyFrozen);
    }
    // First, because whoever cannot be told could not thaw it.
    writeln!(output, "{}", clock.rate)
        .and_then(|()| output.flush())
        .map_err(Error::Output)?;
    held.request(&Request::rate(Rate::FROZEN))
}

/// Sets the rate of a frozen clock.
pub(crate) fn thaw(procfs: &Procfs, args: &ThawArgs, log: Log) -> Result<(), Error> {
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::to_change(procfs, &subject, log)?;
    let clock = held.clock()?;
    if !clock.rate.is_frozen() {
        return Err(Error::NotFrozen(clock.rate));
    }
    say_rounding(Some(args.rate), log);
    held.request(&Request::rate(args.rate.rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::testing::{clock_text, parse, FakeProc, HOST, QUIET};
    use jiff::{SignedDuration, Timestamp};

    /// A proc file system whose process 20 is in a namespace with this clock.
    fn with_clock(text: &str) -> FakeProc {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", text);
        proc
    }

    fn steer(proc: &FakeProc, arguments: &[&str]) -> Result<String, Error> {
        let fs = proc.fs();
        let mut output = Vec::new();
        match parse(arguments) {
            Command::Set(args) => set(&fs, &args, QUIET)?,
            Command::Freeze(args) => freeze(&fs, &args, QUIET, &mut output)?,
            Command::Thaw(args) => thaw(&fs, &args, QUIET)?,
            other => panic!("{other:?}"),
        }
        Ok(String::from_utf8(output).unwrap())
    }

    #[test]
    fn set_writes_the_clocks_file() {
        let proc = with_clock("");
        steer(&proc, &["set", "20", "--offset", "-1.5", "--rate", "0.5"]).unwrap();
        assert_eq!(
            proc.read("20/timens_clock"),
            "realtime -2 500000000\nrate 0 500000000\n"
        );
        assert_eq!(proc.read("20/timens_offsets"), crate::testing::OFFSETS);
    }

    #[test]
    fn a_date_is_reached_from_the_hosts_date() {
        let proc = with_clock("");
        let date: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let before = Timestamp::now();
        steer(&proc, &["set", "20", "--date", &date.to_string()]).unwrap();
        let after = Timestamp::now();

        let written = proc.read("20/timens_clock");
        let [_, secs, nanosecs] = written.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{written:?}");
        };
        let offset = crate::offset::Offset::parse(secs, nanosecs).unwrap();
        let host = date - SignedDuration::from(offset);
        assert!(before <= host && host <= after, "{before} {host} {after}");
    }

    #[test]
    fn freeze_prints_the_rate_that_thaw_takes() {
        let proc = with_clock(&clock_text("running", "9 0", "1 50000"));
        assert_eq!(steer(&proc, &["freeze", "20"]).unwrap(), "1.00005\n");
        assert!(proc.read("20/timens_clock").starts_with("rate 0 0\n"));

        proc.write("20/timens_clock", &clock_text("running", "9 0", "0 0"));
        steer(&proc, &["thaw", "20", "--rate", "1.00005"]).unwrap();
        assert!(proc.read("20/timens_clock").starts_with("rate 1 50000\n"));
    }

    #[test]
    fn a_rate_that_cannot_be_told_is_not_lost() {
        let text = clock_text("running", "9 0", "2 0");
        let proc = with_clock(&text);
        let result = match parse(&["freeze", "20"]) {
            Command::Freeze(args) => freeze(&proc.fs(), &args, QUIET, &mut [0; 1].as_mut_slice()),
            other => panic!("{other:?}"),
        };
        assert!(matches!(result, Err(Error::Output(_))), "{result:?}");
        assert_eq!(proc.read("20/timens_clock"), text);
    }

    #[test]
    fn what_is_frozen_is_not_frozen_again() {
        let text = clock_text("running", "9 0", "0 0");
        let proc = with_clock(&text);
        let result = steer(&proc, &["freeze", "20"]);
        assert!(matches!(result, Err(Error::AlreadyFrozen)), "{result:?}");
        assert_eq!(proc.read("20/timens_clock"), text);
    }

    #[test]
    fn thaw_leaves_a_running_clock_alone() {
        let text = clock_text("running", "9 0", "2 0");
        let proc = with_clock(&text);
        let result = steer(&proc, &["thaw", "20"]);
        assert!(
            matches!(result, Err(Error::NotFrozen(rate)) if rate.to_string() == "2"),
            "{result:?}"
        );
        assert_eq!(proc.read("20/timens_clock"), text);
    }

    #[test]
    fn a_plain_namespace_cannot_be_frozen_or_thawed() {
        let proc = with_clock("");
        for command in ["freeze", "thaw"] {
            let result = steer(&proc, &[command, "20"]);
            assert!(
                matches!(result, Err(Error::PlainNamespace)),
                "{command}: {result:?}"
            );
        }
        assert_eq!(proc.read("20/timens_clock"), "");
    }

    #[test]
    fn the_hosts_clock_is_never_touched() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.write("1/timens_clock", "");
        for arguments in [
            &["set", "1", "--rate", "2"] as &[&str],
            &["freeze", "1"],
            &["thaw", "1"],
        ] {
            let result = steer(&proc, arguments);
            assert!(
                matches!(result, Err(Error::HostNamespace)),
                "{arguments:?}: {result:?}"
            );
        }
        assert_eq!(proc.read("1/timens_clock"), "");
    }

    #[test]
    fn a_kernel_without_clocks_is_told_as_such() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        let result = steer(&proc, &["set", "20", "--rate", "2"]);
        assert!(matches!(result, Err(Error::NoPatch)), "{result:?}");
    }
}
