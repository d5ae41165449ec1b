// SPDX-License-Identifier: GPL-2.0

//! From what the command line asks for to what the kernel is asked.

use crate::cli::{ClockArgs, RunArgs};
use crate::clock::Request;
use crate::error::Error;
use crate::offset::Offset;
use crate::rate::{AskedRate, Rate};
use crate::when;
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
    /// The request for the new namespace, when it is `now` on the host.
    pub(crate) fn request(&self, now: Timestamp) -> Result<Request, Error> {
        let clock = self.clock.request(now)?;
        // Without a word about date and rate the namespace would be a plain one.
        let rate = match clock.realtime {
            Some(_) => clock.rate,
            None => clock.rate.or(Some(Rate::ONE)),
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
pub(crate) fn rounding(asked: Option<AskedRate>) -> Option<String> {
    let asked = asked.filter(|asked| !asked.exact)?;
    Some(format!(
        "the rate is rounded to {}, the nearest that the kernel takes",
        asked.rate
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::testing::parse;
    use crate::when::WhenError;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn run(arguments: &[&str]) -> Result<String, Error> {
        match parse(&[&["run"], arguments, &["--", "true"]].concat()) {
            Command::Run(args) => Ok(args.request(NOW.parse().unwrap())?.to_string()),
            other => panic!("{other:?}"),
        }
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
        let asked = |text| rounding(Some(crate::rate::parse(text).unwrap()));
        assert_eq!(asked("0.5"), None);
        assert!(asked("1/3").unwrap().contains("0.333333333"));
        assert_eq!(rounding(None), None);
    }
}
