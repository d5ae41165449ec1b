// SPDX-License-Identifier: GPL-2.0

//! `timens step`: another date, from one moment to the next.

use crate::cli::StepArgs;
use crate::clock::{Clock, Request};
use crate::error::Error;
use crate::held::Held;
use crate::host;
use crate::procfs::Procfs;
use crate::when;
use crate::Log;
use jiff::{SignedDuration, Span};

/// Steps the date.
pub(crate) fn step(procfs: &Procfs, args: &StepArgs, log: Log) -> Result<(), Error> {
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::to_change(procfs, &subject, log)?;
    let clock = held.clock()?;
    match (args.to, args.by) {
        (Some(date), _) => {
            let ahead = date.duration_since(host::now(procfs)?);
            held.request(&Request::realtime(ahead))
        }
        (None, Some(span)) => {
            let by = length(procfs, &clock, span)?;
            step_by(&mut held, by).map(drop)
        }
        (None, None) => unreachable!("clap requires one of them"),
    }
}

/// How long `span` is from the date of `clock` on.
fn length(procfs: &Procfs, clock: &Clock, span: Span) -> Result<SignedDuration, Error> {
    let date = host::now(procfs)?.saturating_add(SignedDuration::from(clock.realtime));
    let date = date.expect("only a span with calendar units can fail");
    Ok(when::length_from(span, date)?)
}

/// Steps by `by` from what the clock shows, and gives that.
///
/// The kernel takes a date by its distance from the host's, so that what a clock gains on the
/// host's between the look at it and the step is lost: nothing at rate 1.
pub(crate) fn step_by(held: &mut Held, by: SignedDuration) -> Result<Clock, Error> {
    let before = held.clock()?;
    let ahead = SignedDuration::from(before.realtime).saturating_add(by);
    held.request(&Request::realtime(ahead))?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::offset::Offset;
    use crate::testing::{clock_text, parse, FakeProc, HOST, QUIET};
    use crate::when::WhenError;

    fn run(proc: &FakeProc, arguments: &[&str]) -> Result<(), Error> {
        match parse(arguments) {
            Command::Step(args) => step(&proc.fs(), &args, QUIET),
            other => panic!("{other:?}"),
        }
    }

    /// The request that a step writes, to a clock that is this far ahead of the host's.
    fn written(realtime: &str, arguments: &[&str]) -> Offset {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", &clock_text("running", realtime, "1 0"));
        // The file of a false /proc holds what was written to its beginning.
        let _ = run(&proc, &[&["step", "20"], arguments].concat());
        let text = proc.read("20/timens_clock");
        let line = text.lines().next().unwrap();
        let [_, secs, nanosecs] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{line:?}");
        };
        assert!(line.starts_with("realtime"), "{line:?}");
        Offset::parse(secs, nanosecs).unwrap()
    }

    #[test]
    fn a_duration_counts_from_the_clocks_date() {
        let offset = |secs, nanosecs| Offset::new(secs, nanosecs).unwrap();
        assert_eq!(written("100 5", &["90"]), offset(190, 5));
        assert_eq!(
            written("100 5", &["-1m40.000000006s"]),
            offset(-1, 999_999_999)
        );
    }

    #[test]
    fn a_date_counts_from_the_hosts() {
        let ahead = written("100 5", &["--to", "2100-01-01T00:00:00Z"]);
        let date = jiff::Timestamp::now() + SignedDuration::from(ahead);
        let wanted: jiff::Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
        let late = date.duration_since(wanted);
        assert!(
            !late.is_negative() && late < SignedDuration::from_secs(60),
            "{late}"
        );
    }

    #[test]
    fn years_are_those_of_the_clocks_calendar() {
        let proc = FakeProc::new();
        let clock = Clock::parse(&clock_text("running", "0 0", "1 0"))
            .unwrap()
            .unwrap();
        let span = when::parse_span("-200y").unwrap();
        let result = length(&proc.fs(), &clock, span);
        assert!(
            matches!(result, Err(Error::When(WhenError::BeforeEpoch))),
            "{result:?}"
        );
    }

    #[test]
    fn the_hosts_clock_is_never_touched() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.write("1/timens_clock", "");
        let result = run(&proc, &["step", "1", "90"]);
        assert!(matches!(result, Err(Error::HostNamespace)), "{result:?}");
    }
}
