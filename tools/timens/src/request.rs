// SPDX-License-Identifier: GPL-2.0

//! From what the command line asks for to what the kernel is asked.

use crate::cli::{ClockArgs, RunArgs};
use crate::clock::Request;
use crate::complain;
use crate::error::Error;
use crate::offset::Offset;
use crate::rate::{AskedRate, Rate};
use crate::when;
use crate::Log;
use jiff::Timestamp;

impl ClockArgs {
    /// The request for this date and rate, when it is `now` on the host.
    pub(crate) fn request(&self, now: Timestamp) -> Result<Request, Error> {
        let realtime = match (self.date, self.offset) {
            (Some(date), _) => Some(date.duration_since(now)),
            (None, Some(span)) => Some(when::length_from(span, now)?),
            (None, None) => None,
        };
        Ok(Request {
            realtime: realtime.map(Offset::from),
            rate: self.rate.asked().map(|asked| asked.rate),
            ..Request::default()
        })
    }
}

impl RunArgs {
    /// The request for the new namespace, when it is `now` on the host, and the caller's own
    /// namespace has a clock that the new one's continues, or has none.
    pub(crate) fn request(&self, now: Timestamp, continues: bool) -> Result<Request, Error> {
        let clock = self.clock.request(now)?;
        // Without a word about date and rate the namespace would be a plain one.
        let rate = match clock.realtime {
            None if !continues => clock.rate.or(Some(Rate::ONE)),
            _ => clock.rate,
        };
        Ok(Request {
            rate,
            monotonic: self.monotonic.map(Offset::from),
            boottime: self.boottime.map(Offset::from),
            ..clock
        })
    }
}

/// Says so when the rate is not quite the one that was asked for.
pub(crate) fn say_rounding(asked: Option<AskedRate>, log: Log) {
    if let Some(note) = rounding(asked, log) {
        complain(&note);
    }
}

/// What is to be said: unasked, if nothing is left of the difference to the host's rate.
fn rounding(asked: Option<AskedRate>, log: Log) -> Option<String> {
    let asked = asked.filter(|asked| !asked.exact)?;
    let note = format!(
        "the rate is rounded to {}, the nearest that the kernel takes",
        asked.rate
    );
    (log.verbose || asked.rate == Rate::ONE).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::testing::{parse, QUIET};
    use crate::when::WhenError;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn run_in(continues: bool, arguments: &[&str]) -> Result<String, Error> {
        match parse(&[&["run"], arguments, &["--", "true"]].concat()) {
            Command::Run(args) => {
                let request = args.request(NOW.parse().unwrap(), continues)?;
                Ok(request.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    fn run(arguments: &[&str]) -> Result<String, Error> {
        run_in(false, arguments)
    }

    fn set(arguments: &[&str]) -> String {
        match parse(&[&["set", "1"], arguments].concat()) {
            Command::Set(args) => args
                .clock
                .request(NOW.parse().unwrap())
                .unwrap()
                .to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_namespace_always_gets_a_clock() {
        assert_eq!(run(&[]).unwrap(), "rate 1 0\n");
        assert_eq!(
            run(&["--monotonic", "1d"]).unwrap(),
            "monotonic 86400 0\nrate 1 0\n"
        );
        assert_eq!(run(&["--offset", "0"]).unwrap(), "realtime 0 0\n");
    }

    #[test]
    fn a_clock_that_is_continued_keeps_its_rate() {
        assert_eq!(run_in(true, &[]).unwrap(), "");
        assert_eq!(run_in(true, &["--offset", "0"]).unwrap(), "realtime 0 0\n");
        assert_eq!(run_in(true, &["--rate", "1"]).unwrap(), "rate 1 0\n");
    }

    #[test]
    fn everything_asked_for_is_in_the_request() {
        let all = [
            "--date",
            "2026-01-01T00:00:01.5Z",
            "--rate",
            "1/3",
            "--monotonic",
            "-1.5",
            "--boottime",
            "2h",
        ];
        assert_eq!(
            run(&all).unwrap(),
            "monotonic -2 500000000\nboottime 7200 0\nrealtime 1 500000000\nrate 0 333333333\n"
        );
    }

    #[test]
    fn a_date_is_told_as_an_offset_from_the_hosts() {
        assert_eq!(set(&["--date", "@0"]), "realtime -1767225600 0\n");
        assert_eq!(set(&["--offset", "-1y"]), "realtime -31536000 0\n");
        assert_eq!(
            set(&["--offset", "-0.25", "--ppm", "-12.5"]),
            "realtime -1 750000000\nrate 0 999987500\n"
        );
        assert_eq!(set(&["--rate", "2"]), "rate 2 0\n");
    }

    #[test]
    fn an_offset_to_an_impossible_date_is_refused() {
        let result = run(&["--offset", "-60y"]);
        assert!(
            matches!(result, Err(Error::When(WhenError::BeforeEpoch))),
            "{result:?}"
        );
    }

    #[test]
    fn rounding_is_told_where_it_happened() {
        let verbose = Log { verbose: true };
        let note = |text, log| rounding(Some(crate::rate::parse(text).unwrap()), log);
        assert_eq!(note("0.5", verbose), None);
        assert!(note("1/3", verbose).unwrap().contains("0.333333333"));
        assert_eq!(note("1/3", QUIET), None);
        assert!(note("1.0000000001", QUIET).is_some());
        assert_eq!(rounding(None, verbose), None);
    }
}
