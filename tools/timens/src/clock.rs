// SPDX-License-Identifier: GPL-2.0

//! The state of a namespace's clock, as `/proc/PID/timens_clock` tells it.

use crate::offset::Offset;
use crate::rate::Rate;
use jiff::SignedDuration;
use serde::{Serialize, Serializer};
use std::fmt;

/// Whether a clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Nobody has entered the namespace: its clock starts with the first process that does.
    Pending,
    /// The clock has started.
    Running,
}

/// The clock of an own-clock namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Clock {
    /// Whether it has started.
    pub(crate) state: State,
    /// Its REALTIME less the host's.
    pub(crate) realtime: Offset,
    /// Its MONOTONIC less the host's.
    pub(crate) monotonic: Offset,
    /// Its BOOTTIME less the host's.
    pub(crate) boottime: Offset,
    /// Its MONOTONIC_RAW less the host's.
    pub(crate) raw: Offset,
    /// Its seconds per second of the reference.
    pub(crate) rate: Rate,
    /// Every other line, in the kernel's order: what the kernel tells beyond this is for people to
    /// read, and newer kernels may tell more.
    #[serde(flatten, serialize_with = "details_as_map")]
    pub(crate) details: Vec<(String, String)>,
}

/// Why a text is no clock's state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClockError {
    /// A line that must be there is not.
    #[error("it has no line '{0}'")]
    Missing(&'static str),
    /// A line does not say what it should.
    #[error("it has a line '{0} {1}'")]
    Malformed(&'static str, String),
}

/// The lines of a clock's state that have not been read yet.
struct Lines<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        let split = |line: &'a str| {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (key, value.trim())
        };
        Lines(
            text.lines()
                .filter(|line| !line.is_empty())
                .map(split)
                .collect(),
        )
    }

    /// Takes the line that begins with `key` and reads the rest of it.
    fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ClockError> {
        let position = self.0.iter().position(|(name, _)| *name == key);
        let (_, value) = self.0.remove(position.ok_or(ClockError::Missing(key))?);
        read(value).ok_or_else(|| ClockError::Malformed(key, value.to_owned()))
    }

    fn offset(&mut self, key: &'static str) -> Result<Offset, ClockError> {
        self.take(key, offset)
    }
}

fn offset(value: &str) -> Option<Offset> {
    let (secs, nanosecs) = value.split_once(char::is_whitespace)?;
    Offset::parse(secs, nanosecs.trim_start())
}

fn rate(value: &str) -> Option<Rate> {
    let (secs, nanosecs) = value.split_once(char::is_whitespace)?;
    Rate::from_words(secs.parse().ok()?, nanosecs.trim_start().parse().ok()?)
}

fn state(value: &str) -> Option<State> {
    match value {
        "pending" => Some(State::Pending),
        "running" => Some(State::Running),
        _ => None,
    }
}

impl Clock {
    /// Reads the text of `/proc/PID/timens_clock`; a namespace without a clock has an empty one.
    pub(crate) fn parse(text: &str) -> Result<Option<Clock>, ClockError> {
        let mut lines = Lines::new(text);
        if lines.0.is_empty() {
            return Ok(None);
        }
        Ok(Some(Clock {
            state: lines.take("state", state)?,
            realtime: lines.offset("realtime")?,
            monotonic: lines.offset("monotonic")?,
            boottime: lines.offset("boottime")?,
            raw: lines.offset("raw")?,
            rate: lines.take("rate", rate)?,
            details: lines
                .0
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }))
    }

    /// The value of a line that is not a field of this.
    pub(crate) fn detail(&self, key: &str) -> Option<&str> {
        let mut details = self.details.iter();
        details
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// How far REALTIME is ahead of what it would be if both it and MONOTONIC had the host's
    /// distance: only a step changes that.
    pub(crate) fn stepped(&self) -> SignedDuration {
        SignedDuration::from(self.realtime).saturating_sub(self.monotonic.into())
    }
}

/// The offsets that every time namespace has, as `/proc/PID/timens_offsets` tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Constants {
    /// The constant offset of MONOTONIC.
    pub(crate) monotonic: Offset,
    /// The constant offset of BOOTTIME.
    pub(crate) boottime: Offset,
}

impl Constants {
    /// Reads the text of `/proc/PID/timens_offsets`.
    pub(crate) fn parse(text: &str) -> Result<Constants, ClockError> {
        let mut lines = Lines::new(text);
        Ok(Constants {
            monotonic: lines.offset("monotonic")?,
            boottime: lines.offset("boottime")?,
        })
    }
}

/// Lines to write to `/proc/PID/timens_offsets` or, without the last two, `timens_clock`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// The date, as an offset from the host's REALTIME.
    pub(crate) realtime: Option<Offset>,
    /// The rate.
    pub(crate) rate: Option<Rate>,
    /// The constant offset of MONOTONIC.
    pub(crate) monotonic: Option<Offset>,
    /// The constant offset of BOOTTIME.
    pub(crate) boottime: Option<Offset>,
}

impl Request {
    /// A request for a rate and nothing else.
    pub(crate) fn rate(rate: Rate) -> Request {
        Request {
            rate: Some(rate),
            ..Request::default()
        }
    }

    /// A request for a date and nothing else: `ahead` of the host's.
    pub(crate) fn realtime(ahead: SignedDuration) -> Request {
        Request {
            realtime: Some(ahead.into()),
            ..Request::default()
        }
    }
}

/// The lines, each with its newline.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offsets = [
            ("monotonic", self.monotonic),
            ("boottime", self.boottime),
            ("realtime", self.realtime),
        ];
        for (clock, offset) in offsets {
            if let Some(offset) = offset {
                writeln!(f, "{clock} {offset}")?;
            }
        }
        if let Some(rate) = self.rate {
            let (secs, nanosecs) = rate.words();
            writeln!(f, "rate {secs} {nanosecs}")?;
        }
        Ok(())
    }
}

fn details_as_map<S: Serializer>(
    details: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // Numbers as numbers; whatever else a kernel tells, as its text.
    let number_or_text = |value: &str| match value.parse::<serde_json::Number>() {
        Ok(number) => serde_json::Value::Number(number),
        Err(_) => serde_json::Value::from(value),
    };
    serializer.collect_map(
        details
            .iter()
            .map(|(key, value)| (key, number_or_text(value))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "\
state     running
realtime  -1 500000000
monotonic 10 0
boottime  11 1
raw       12 2
tai       37
rate      1 50000
rate_fixed 72061196871794491
frac      7
steps     3
rate_changes 4
ntp_state insane but true
";

    fn offset(secs: i64, nanosecs: u32) -> Offset {
        Offset::new(secs, nanosecs).unwrap()
    }

    #[test]
    fn reads_a_running_clock() {
        let clock = Clock::parse(RUNNING).unwrap().unwrap();
        assert_eq!(clock.state, State::Running);
        assert_eq!(clock.realtime, offset(-1, 500_000_000));
        assert_eq!(clock.monotonic, offset(10, 0));
        assert_eq!(clock.boottime, offset(11, 1));
        assert_eq!(clock.raw, offset(12, 2));
        assert_eq!(clock.rate, Rate::from_nanos(1_000_050_000).unwrap());
        assert_eq!(clock.details[0], ("tai".to_owned(), "37".to_owned()));
        assert_eq!(
            clock.details.last().unwrap(),
            &("ntp_state".to_owned(), "insane but true".to_owned())
        );
        assert_eq!(clock.details.len(), 6);
    }

    #[test]
    fn reads_a_pending_clock() {
        let text = RUNNING.replace("running", "pending");
        assert_eq!(Clock::parse(&text).unwrap().unwrap().state, State::Pending);
    }

    #[test]
    fn a_namespace_without_a_clock_has_an_empty_file() {
        assert_eq!(Clock::parse(""), Ok(None));
        assert_eq!(Clock::parse("\n"), Ok(None));
    }

    #[test]
    fn tells_which_line_is_missing_or_malformed() {
        for key in ["state", "realtime", "monotonic", "boottime", "raw", "rate"] {
            let renamed = RUNNING.replacen(&format!("\n{key} "), "\nother ", 1);
            let renamed = renamed.replacen(
                "state ",
                if key == "state" { "other " } else { "state " },
                1,
            );
            assert_eq!(
                Clock::parse(&renamed),
                Err(ClockError::Missing(key)),
                "{key}"
            );
        }
        let bad = [
            (
                "rate      1 50000",
                "rate 256 0",
                ClockError::Malformed("rate", "256 0".into()),
            ),
            (
                "rate      1 50000",
                "rate 1 1000000000",
                ClockError::Malformed("rate", "1 1000000000".into()),
            ),
            (
                "rate      1 50000",
                "rate 1",
                ClockError::Malformed("rate", "1".into()),
            ),
            (
                "raw       12 2",
                "raw 12 -2",
                ClockError::Malformed("raw", "12 -2".into()),
            ),
            (
                "state     running",
                "state stopped",
                ClockError::Malformed("state", "stopped".into()),
            ),
        ];
        for (from, to, error) in bad {
            assert_eq!(Clock::parse(&RUNNING.replace(from, to)), Err(error), "{to}");
        }
    }

    #[test]
    fn reads_the_constant_offsets_as_the_kernel_pads_them() {
        let text = "monotonic          -5         7\nboottime            0 999999999\n";
        let constants = Constants::parse(text).unwrap();
        assert_eq!(constants.monotonic, offset(-5, 7));
        assert_eq!(constants.boottime, offset(0, 999_999_999));
        assert_eq!(
            Constants::parse("monotonic 0 0\n"),
            Err(ClockError::Missing("boottime"))
        );
    }

    #[test]
    fn a_step_is_what_realtime_gains_on_monotonic() {
        let clock = Clock::parse(RUNNING).unwrap().unwrap();
        assert_eq!(clock.stepped(), SignedDuration::from_millis(-10_500));
    }

    #[test]
    fn lines_that_are_no_fields_can_be_asked_for() {
        let clock = Clock::parse(RUNNING).unwrap().unwrap();
        assert_eq!(clock.detail("steps"), Some("3"));
        assert_eq!(clock.detail("ntp_state"), Some("insane but true"));
        assert_eq!(clock.detail("monotonic"), None);
    }

    #[test]
    fn serializes_everything_the_kernel_told() {
        let clock = Clock::parse(RUNNING).unwrap();
        let json: serde_json::Value = serde_json::to_value(clock).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "state": "running",
                "realtime": {"secs": -1, "nanosecs": 500_000_000},
                "monotonic": {"secs": 10, "nanosecs": 0},
                "boottime": {"secs": 11, "nanosecs": 1},
                "raw": {"secs": 12, "nanosecs": 2},
                "rate": 1.00005,
                "tai": 37,
                "rate_fixed": 72_061_196_871_794_491u64,
                "frac": 7,
                "steps": 3,
                "rate_changes": 4,
                "ntp_state": "insane but true",
            })
        );
    }

    #[test]
    fn a_request_is_one_line_for_each_thing_asked() {
        assert_eq!(Request::default().to_string(), "");
        let rate = Rate::from_nanos(1_000_050_000).unwrap();
        assert_eq!(Request::rate(rate).to_string(), "rate 1 50000\n");
        let all = Request {
            realtime: Some(offset(-1, 5)),
            rate: Some(Rate::FROZEN),
            monotonic: Some(offset(2, 0)),
            boottime: Some(offset(3, 4)),
        };
        assert_eq!(
            all.to_string(),
            "monotonic 2 0\nboottime 3 4\nrealtime -1 5\nrate 0 0\n"
        );
    }
}
