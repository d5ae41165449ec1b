// SPDX-License-Identifier: GPL-2.0

//! `timens watch`: the clocks of all namespaces that have one of their own, as they go.

use crate::cli::WatchArgs;
use crate::clock::Clock;
use crate::complain;
use crate::decimal::{self, BILLION};
use crate::error::Error;
use crate::namespace::{survey, Effort, Inode, Kind, Namespace, Survey};
use crate::ntp;
use crate::procfs::{Procfs, Who};
use crate::reading::Reading;
use crate::sparkline::sparkline;
use crate::table::{cut, Align, Table};
use crate::when;
use jiff::tz::TimeZone;
use rustix::termios::tcgetwinsize;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IsTerminal, Write};
use std::thread;

/// How many looks a plot shows.
const PLOT_WIDTH: usize = 16;
/// How much of a command the table has room for.
const COMMAND_WIDTH: usize = 32;

/// To the upper left corner, the end of a line cleared, and everything below: no flicker.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// What a clock was at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    /// REALTIME less the host's, ns.
    offset: i128,
    /// Namespace seconds per second of the reference, in units of 2^-56.
    rate: i128,
}

/// What the clocks were at the last looks.
#[derive(Clone, Debug, Default)]
struct Histories(BTreeMap<Inode, VecDeque<Sample>>);

/// Writes a table that is renewed, or lines where nobody could see that.
pub(crate) fn watch(
    procfs: &Procfs,
    args: &WatchArgs,
    output: &mut impl Write,
) -> Result<(), Error> {
    // Fails on a kernel without clocks, where there would never be anything to see.
    procfs.clock(Who::Caller)?;
    let zone = when::local_zone();
    let is_terminal = io::stdout().is_terminal();
    let mut histories = Histories::default();
    let mut looks = 0;
    loop {
        // Staying here: in a namespace that is frozen there would be no next look.
        let survey = survey(procfs, Effort::Stay)?;
        let text = match is_terminal {
            true => {
                histories.add(&survey);
                let lack = survey.lack().map(|note| note + "\n").unwrap_or_default();
                screen(&(histories.table(&survey, &zone) + &lack), window())
            }
            false => lines(&survey),
        };
        if let Some(note) = survey.lack().filter(|_| looks == 0 && !is_terminal) {
            complain(&note);
        }
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .map_err(Error::Output)?;
        looks += 1;
        if args.count == Some(looks) {
            return Ok(());
        }
        thread::sleep(args.every);
    }
}

impl Sample {
    fn of(clock: &Clock) -> Sample {
        // Without a discipline there is the base rate.
        let rate = ntp::rate_fixed_now(clock).or_else(|_| ntp::rate_fixed(clock));
        Sample {
            offset: clock.realtime.nanos(),
            rate: rate.unwrap_or(0).into(),
        }
    }
}

/// The namespaces with a clock of their own.
fn own(survey: &Survey) -> impl Iterator<Item = (&Namespace, &Clock)> {
    survey
        .namespaces
        .iter()
        .filter_map(|namespace| match &namespace.kind {
            Kind::Own(clock) => Some((namespace, clock)),
            _ => None,
        })
}

impl Histories {
    /// Adds a look. What is not there any more is forgotten: another may get its number.
    fn add(&mut self, survey: &Survey) {
        self.0
            .retain(|inode, _| own(survey).any(|(namespace, _)| namespace.inode == *inode));
        for (namespace, clock) in own(survey) {
            let history = self.0.entry(namespace.inode).or_default();
            if history.len() == PLOT_WIDTH {
                history.pop_front();
            }
            history.push_back(Sample::of(clock));
        }
    }

    fn plot(&self, inode: Inode, value: fn(&Sample) -> i128) -> String {
        let history = self.0.get(&inode);
        history.map_or_else(String::new, |history| sparkline(history.iter().map(value)))
    }

    fn table(&self, survey: &Survey, zone: &TimeZone) -> String {
        let mut table = Table::new([
            ("NS", Align::Right),
            ("DATE", Align::Left),
            ("OFFSET", Align::Left),
            ("", Align::Left),
            ("RATE", Align::Left),
            ("NTP", Align::Left),
            ("", Align::Left),
            ("PID", Align::Right),
            ("COMMAND", Align::Left),
        ]);
        for (namespace, clock) in own(survey) {
            let reading = Reading::new(&namespace.kind, namespace.now);
            let date = reading.date.map(|date| when::brief(date, zone));
            table.push([
                namespace.inode.0.to_string(),
                date.unwrap_or_else(|| "-".to_owned()),
                clock.realtime.brief(),
                self.plot(namespace.inode, |sample| sample.offset),
                clock.rate.to_string(),
                discipline(clock),
                self.plot(namespace.inode, |sample| sample.rate),
                namespace
                    .oldest
                    .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                cut(namespace.command.as_deref().unwrap_or("-"), COMMAND_WIDTH),
            ]);
        }
        table.to_string()
    }
}

/// What the discipline makes a clock gain now, to a thousandth of a ppm.
fn discipline(clock: &Clock) -> String {
    let rates = ntp::rate_fixed(clock).and_then(|base| Ok((base, ntp::rate_fixed_now(clock)?)));
    let (base, now) = match rates {
        Ok((base, now)) if base != 0 => (i128::from(base), i128::from(now)),
        _ => return "-".to_owned(),
    };
    let gain = (now - base) * BILLION / base;
    format!("{} ppm", decimal::format_signed(gain, 3))
}

/// A line for each namespace: the host's date, the namespace, its date, its offset, its rate.
fn lines(survey: &Survey) -> String {
    own(survey)
        .map(|(namespace, clock)| {
            let reading = Reading::new(&namespace.kind, namespace.now);
            let date = reading
                .date
                .map_or_else(|| "-".to_owned(), |date| date.to_string());
            let offset = decimal::format_signed(clock.realtime.nanos(), 9);
            let (now, inode, rate) = (namespace.now, namespace.inode.0, clock.rate);
            format!("{now} {inode} {date} {offset} {rate}\n")
        })
        .collect()
}

/// The rows and columns of the terminal.
fn window() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (24, 80),
    }
}

/// The text in place of what the terminal shows, as much of it as there is room for.
fn screen(text: &str, (rows, columns): (usize, usize)) -> String {
    let total = text.lines().count();
    // The cursor takes the last row.
    let shown = match total < rows {
        true => total,
        false => rows.saturating_sub(2),
    };
    let mut screen = HOME.to_owned();
    let more = (shown < total).then(|| format!("... {} more", total - shown));
    for line in text.lines().take(shown).chain(more.as_deref()) {
        let line: Vec<char> = line.chars().take(columns).collect();
        screen.extend(&line);
        // After a full line the cursor is still on its last character.
        if line.len() < columns {
            screen += CLEAR_LINE;
        }
        screen.push('\n');
    }
    screen + CLEAR_BELOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::testing::{clock_text, parse, FakeProc, HOST};
    use jiff::Timestamp;

    /// A base rate of 1 that a discipline makes faster by 99 ppm.
    const DISCIPLINED: &str = "rate_fixed 72057594037927936\nntp_rate_fixed 72064727739737691\n";

    fn own_clock(inode: u64, realtime: &str, rate: &str, more: &str) -> Namespace {
        let text = clock_text("running", realtime, rate) + more;
        Namespace {
            inode: Inode(inode),
            kind: Kind::Own(Clock::parse(&text).unwrap().unwrap()),
            now: Timestamp::UNIX_EPOCH,
            processes: 1,
            oldest: Some(7),
            command: Some("x".into()),
            mounts: Vec::new(),
        }
    }

    fn survey_of(namespaces: Vec<Namespace>) -> Survey {
        Survey {
            namespaces,
            hidden: 0,
        }
    }

    #[test]
    fn the_table_plots_what_has_been() {
        let mut histories = Histories::default();
        for offset in 0..3 {
            let survey = survey_of(vec![
                own_clock(5, &format!("{offset} 0"), "1 0", ""),
                own_clock(6, "-1 750000000", "1 0", DISCIPLINED),
            ]);
            histories.add(&survey);
            if offset == 2 {
                assert_eq!(
                    histories.table(&survey, &TimeZone::UTC),
                    "NS  DATE                 OFFSET       RATE  NTP           PID  COMMAND\n \
                     5  1970-01-01 00:00:02  +2s     ▁▄█  1     -        ▁▁▁    7  x\n \
                     6  1969-12-31 23:59:59  -0.25s  ▁▁▁  1     +99 ppm  ▁▁▁    7  x\n"
                );
            }
        }
    }

    #[test]
    fn a_plot_has_a_width_and_only_what_is_there() {
        let mut histories = Histories::default();
        let both = survey_of(vec![
            own_clock(5, "0 0", "1 0", ""),
            own_clock(6, "0 0", "1 0", ""),
        ]);
        for _ in 0..2 * PLOT_WIDTH {
            histories.add(&both);
        }
        assert_eq!(histories.0[&Inode(5)].len(), PLOT_WIDTH);
        histories.add(&survey_of(vec![own_clock(6, "0 0", "1 0", "")]));
        assert!(!histories.0.contains_key(&Inode(5)));
        assert_eq!(histories.plot(Inode(5), |sample| sample.rate), "");
    }

    #[test]
    fn a_rate_counts_with_the_discipline() {
        let rate = |more| match own_clock(5, "0 0", "1 0", more).kind {
            Kind::Own(clock) => (Sample::of(&clock).rate, discipline(&clock)),
            other => panic!("{other:?}"),
        };
        let one = 1 << 56;
        assert_eq!(rate("rate_fixed 72057594037927936\n"), (one, "-".into()));
        assert_eq!(
            rate(DISCIPLINED),
            (one + 7_133_701_809_755, "+99 ppm".into())
        );
        let slower = "rate_fixed 2000000000\nntp_rate_fixed 1999000000\n";
        assert_eq!(rate(slower), (1_999_000_000, "-500 ppm".into()));
        let frozen = "rate_fixed 0\nntp_rate_fixed 0\n";
        assert_eq!(rate(frozen), (0, "-".into()));
    }

    #[test]
    fn lines_are_for_programs() {
        let survey = survey_of(vec![own_clock(5, "-1 750000000", "1 50000", "")]);
        assert_eq!(
            lines(&survey),
            "1970-01-01T00:00:00Z 5 1969-12-31T23:59:59.75Z -0.25 1.00005\n"
        );
    }

    #[test]
    fn a_screen_holds_what_there_is_room_for() {
        assert_eq!(screen("abc\nd\n", (24, 2)), "\x1b[Hab\nd\x1b[K\n\x1b[J");
        assert_eq!(
            screen("a\nb\nc\nd\n", (4, 80)),
            "\x1b[Ha\x1b[K\nb\x1b[K\n... 2 more\x1b[K\n\x1b[J"
        );
    }

    #[test]
    fn it_looks_as_often_as_asked() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", &clock_text("running", "9 0", "2 0"));
        proc.write("self/timens_clock", "");
        let mut output = Vec::new();
        match parse(&["watch", "--every", "1ms", "--count", "3"]) {
            Command::Watch(args) => watch(&proc.fs(), &args, &mut output).unwrap(),
            other => panic!("{other:?}"),
        }
        // The tests' own output may be a terminal.
        assert!(!output.is_empty());
    }

    #[test]
    fn a_kernel_without_clocks_is_told_as_such() {
        let result = match parse(&["watch", "--count", "1"]) {
            Command::Watch(args) => watch(&FakeProc::new().fs(), &args, &mut Vec::new()),
            other => panic!("{other:?}"),
        };
        assert!(matches!(result, Err(Error::NoPatch)), "{result:?}");
    }
}
