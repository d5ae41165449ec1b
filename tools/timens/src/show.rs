// SPDX-License-Identifier: GPL-2.0

//! `timens show`: all that the kernel tells of one namespace's clocks.

use crate::cli::ShowArgs;
use crate::clock::{Clock, Constants};
use crate::error::Error;
use crate::held::Held;
use crate::host;
use crate::list::to_json;
use crate::namespace::{Inode, Kind};
use crate::procfs::Procfs;
use crate::reading::Reading;
use crate::when;
use crate::Log;
use jiff::tz::TimeZone;
use jiff::Timestamp;
use serde::Serialize;
use std::io::Write;

/// The least width of the column of keys.
const KEY_WIDTH: usize = 13;

/// A namespace, as machines read it.
#[derive(Debug, Serialize)]
struct Report {
    inode: u64,
    #[serde(flatten)]
    reading: Reading,
    /// The constant offsets of mainline's interface.
    constants: Constants,
    /// What the kernel tells of a clock of its own.
    own: Option<Clock>,
}

/// Writes the report.
pub(crate) fn show(
    procfs: &Procfs,
    args: &ShowArgs,
    log: Log,
    output: &mut impl Write,
) -> Result<(), Error> {
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::hold(procfs, &subject, log)?;
    let both = |procfs: &Procfs, who| Ok((procfs.clock_if_known(who)?, procfs.constants(who)?));
    let (own, constants) = held.ask(both)?;
    // After the clock: a date from before would put a frozen one a moment back.
    let now = host::now(procfs)?;
    let report = Report::new(subject.inode, own, constants, now);
    let text = match args.json {
        true => to_json(&report) + "\n",
        false => report.text(&when::local_zone()),
    };
    output.write_all(text.as_bytes()).map_err(Error::Output)
}

impl Report {
    fn new(inode: Inode, own: Option<Clock>, constants: Constants, now: Timestamp) -> Report {
        let kind = match (inode, own.clone()) {
            (Inode::HOST, _) => Kind::Host,
            (_, Some(clock)) => Kind::Own(clock),
            (_, None) => Kind::Plain,
        };
        Report {
            inode: inode.0,
            reading: Reading::new(&kind, now),
            constants,
            own,
        }
    }

    /// The report for people to read.
    fn text(&self, zone: &TimeZone) -> String {
        let mut lines = vec![
            ("namespace", Inode(self.inode).to_string()),
            ("clock", self.reading.words().to_owned()),
        ];
        if let Some(date) = self.reading.date {
            lines.push(("date", when::full(date, zone)));
        }
        match &self.own {
            Some(clock) => lines.extend(clock_lines(clock)),
            None => lines.extend([
                ("monotonic", ahead(self.constants.monotonic.full())),
                ("boottime", ahead(self.constants.boottime.full())),
            ]),
        }
        let longest = lines.iter().map(|(key, _)| key.len()).max();
        let width = longest.unwrap_or(0).max(KEY_WIDTH);
        lines
            .iter()
            .map(|(key, value)| format!("{key:<width$} {value}\n"))
            .collect()
    }
}

fn ahead(offset: String) -> String {
    format!("{offset} from the host's")
}

fn clock_lines(clock: &Clock) -> Vec<(&str, String)> {
    let mut lines = vec![
        ("realtime", ahead(clock.realtime.full())),
        ("monotonic", ahead(clock.monotonic.full())),
        ("boottime", ahead(clock.boottime.full())),
        ("raw", ahead(clock.raw.full())),
        ("rate", format!("{} ({})", clock.rate, drift(clock))),
    ];
    lines.extend(clock.details.iter().map(|(key, value)| {
        let value = format!("{value}{}", unit(key));
        (key.as_str(), value)
    }));
    lines
}

fn drift(clock: &Clock) -> String {
    match clock.rate.drift().as_str() {
        "0" => "as the host".to_owned(),
        drift => drift.to_owned(),
    }
}

/// What the number on a line of `timens_clock` counts.
fn unit(key: &str) -> &'static str {
    match key {
        "tai" => " s ahead of UTC",
        "rate_fixed" | "ntp_rate_fixed" => " / 2^56",
        "frac" => " / 2^56 ns",
        "ntp_freq" => " / 2^16 ppm",
        "ntp_tick" | "ntp_maxerror" | "ntp_esterror" | "ntp_adjust" => " us",
        "ntp_offset" => " ns",
        "timezone" => " (minutes west of UTC, DST)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Constants;
    use crate::ntp::tests::NTP_LINES;
    use crate::testing::{clock_text, OFFSETS};

    fn report(clock: &str) -> Report {
        let own = Clock::parse(clock).unwrap();
        let constants = Constants::parse(OFFSETS).unwrap();
        Report::new(
            Inode(5),
            own,
            constants,
            "2026-01-01T00:00:00Z".parse().unwrap(),
        )
    }

    #[test]
    fn shows_an_own_clock() {
        let expected = "\
namespace     time:[5]
clock         own, pending
date          2026-01-01 00:00:08.500000000+00:00
realtime      +8.5s from the host's
monotonic     +5s from the host's
boottime      -6.5s from the host's
raw           +1.000000002s from the host's
rate          1.00005 (+50 ppm)
tai           37 s ahead of UTC
steps         3
";
        let clock = clock_text("pending", "8 500000000", "1 50000");
        assert_eq!(report(&clock).text(&TimeZone::UTC), expected);
    }

    #[test]
    fn shows_what_a_discipline_counts_in() {
        let clock = clock_text("running", "8 500000000", "1 0") + NTP_LINES;
        let text = report(&clock).text(&TimeZone::UTC);
        for line in [
            "ntp_freq      -65536 / 2^16 ppm\n",
            "ntp_tick      10001 us\n",
            "ntp_constant  6\n",
            "ntp_offset    -123456 ns\n",
            "timezone      -60 1 (minutes west of UTC, DST)\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn shows_a_plain_clock() {
        let expected = "\
namespace     time:[5]
clock         plain
date          2026-01-01 00:00:00.000000000+00:00
monotonic     +5s from the host's
boottime      -6.5s from the host's
";
        assert_eq!(report("").text(&TimeZone::UTC), expected);
    }

    #[test]
    fn json_has_every_line_of_the_kernel() {
        let clock = clock_text("running", "8 500000000", "0 0");
        let json: serde_json::Value = serde_json::from_str(&to_json(&report(&clock))).unwrap();
        assert_eq!(json["clock"], "own");
        assert_eq!(json["date"], "2026-01-01T00:00:08.5Z");
        assert_eq!(json["constants"]["boottime"]["secs"], -7);
        assert_eq!(json["own"]["tai"], 37);
        assert_eq!(json["own"]["raw"]["nanosecs"], 2);
        assert_eq!(json["own"]["rate"], 0.0);
        let plain: serde_json::Value = serde_json::from_str(&to_json(&report(""))).unwrap();
        assert_eq!(plain["own"], serde_json::Value::Null);
    }
}
