// SPDX-License-Identifier: GPL-2.0

//! The two files through which user space sees and steers the clock of a namespace.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::failure::{check, check_eq, fail, Context, Outcome};
use crate::rate::Rate;
use crate::sys::Ns;

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcFile {
    /// Mainline's.
    Offsets,
    /// The one that comes with the clocks.
    Clock,
}

impl ProcFile {
    /// The file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Offsets => "timens_offsets",
            Self::Clock => "timens_clock",
        }
    }

    /// Its path in the directory of a process, a pid or `self`.
    pub(crate) fn path(self, process: impl fmt::Display) -> PathBuf {
        format!("/proc/{process}/{}", self.name()).into()
    }

    /// Opens it for reading and writing.
    pub(crate) fn open(self, process: impl fmt::Display) -> Result<File, Errno> {
        let path = self.path(process);
        let file = OpenOptions::new().read(true).write(true).open(path);
        file.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// Writes to the file: all of `text` in one write. Says how much was taken.
    pub(crate) fn write(
        self,
        process: impl fmt::Display,
        text: impl AsRef<[u8]>,
    ) -> Result<usize, Errno> {
        write(&self.open(process)?, text)
    }
}

/// Writes `text` to `file` in one write, where the file is: such a write does not move it, and there
/// is no pwrite(). Says how much was taken.
pub(crate) fn write(file: &File, text: impl AsRef<[u8]>) -> Result<usize, Errno> {
    rustix::io::write(file, text.as_ref())
}

/// What `timens_offsets` gives when read.
pub(crate) fn read_offsets(process: impl fmt::Display) -> Outcome<String> {
    fs::read_to_string(ProcFile::Offsets.path(process)).context("reading timens_offsets")
}

/// What it must give for these offsets, to the byte.
pub(crate) fn offsets_text(monotonic: Ns, boottime: Ns) -> String {
    let line = |name: &str, ns: Ns| {
        let (secs, nsecs) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
        format!("{name:<10} {secs:>10} {nsecs:>9}\n")
    };
    line("monotonic", monotonic) + &line("boottime", boottime)
}

/// What `timens_clock` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Whether the namespace has been entered.
    pub(crate) running: bool,
    /// Offset from the host's clock now, ns.
    pub(crate) realtime: Ns,
    /// Offset from the host's clock now, ns.
    pub(crate) monotonic: Ns,
    /// Offset from the host's clock now, ns.
    pub(crate) boottime: Ns,
    /// Offset from the host's clock now, ns.
    pub(crate) raw: Ns,
    /// TAI less REALTIME, seconds.
    pub(crate) tai: Ns,
    /// The base rate.
    pub(crate) rate: (u64, u32),
    /// The base rate in units of 2^-56.
    pub(crate) rate_fixed: Ns,
    /// The part of the MONOTONIC anchor below a nanosecond.
    pub(crate) frac: Ns,
    /// Steps of REALTIME.
    pub(crate) steps: Ns,
    /// Changes of the rate.
    pub(crate) rate_changes: Ns,
}

impl State {
    /// Reads it of a process. [`None`] if its namespace has no clock.
    pub(crate) fn read(process: impl fmt::Display) -> Outcome<Option<Self>> {
        let mut text = String::new();
        File::open(ProcFile::Clock.path(process))
            .and_then(|mut file| file.read_to_string(&mut text))
            .context("reading timens_clock")?;
        if text.is_empty() {
            return Ok(None);
        }
        let state = Self::parse(&text)?;
        check!(state.frac < 1 << 56, "frac is {}", state.frac);
        Ok(Some(state))
    }

    fn parse(text: &str) -> Outcome<Self> {
        check!(
            text.ends_with('\n'),
            "timens_clock ends within a line: {text:?}"
        );
        let values = |key: &str, count: usize| -> Outcome<Vec<Ns>> {
            let words = only(text, key)?;
            check_eq!(words.len(), count, "words after {key} in timens_clock");
            let numbers: Option<Vec<Ns>> = words.iter().map(|word| word.parse().ok()).collect();
            numbers.context(format_args!("{key} in timens_clock: {words:?}"))
        };
        let number = |key| values(key, 1).map(|values| values[0]);
        let offset = |key| {
            let values = values(key, 2)?;
            check!(
                (0..1_000_000_000).contains(&values[1]),
                "{key} in timens_clock: {values:?}"
            );
            Ok(values[0] * 1_000_000_000 + values[1])
        };
        let running = match only(text, "state")?.as_slice() {
            ["running"] => true,
            ["pending"] => false,
            other => fail!("state in timens_clock: {other:?}"),
        };
        let rate = values("rate", 2)?;
        Ok(Self {
            running,
            realtime: offset("realtime")?,
            monotonic: offset("monotonic")?,
            boottime: offset("boottime")?,
            raw: offset("raw")?,
            tai: number("tai")?,
            rate: (rate[0] as u64, rate[1] as u32),
            rate_fixed: number("rate_fixed")?,
            frac: number("frac")?,
            steps: number("steps")?,
            rate_changes: number("rate_changes")?,
        })
    }

    /// Whether nothing was changed between the reading of this and that of `later`, as far as
    /// time itself does not change it: the offsets stay at rate 1 only. RAW's is a measurement.
    pub(crate) fn same_as(&self, later: &Self) -> bool {
        let timeless = |state: &Self| {
            let mut state = Self { raw: 0, ..*state };
            if state.rate_fixed != Rate::ONE.units() {
                (state.realtime, state.monotonic, state.boottime, state.frac) = (0, 0, 0, 0);
            }
            state
        };
        timeless(self) == timeless(later)
    }
}

/// The words after `key` in the line that has it, of which there must be one.
fn only<'a>(text: &'a str, key: &str) -> Outcome<Vec<&'a str>> {
    let mut found = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        (words.next() == Some(key)).then(|| words.collect())
    });
    match (found.next(), found.next()) {
        (Some(words), None) => Ok(words),
        (None, _) => fail!("no {key} in timens_clock: {text:?}"),
        _ => fail!("more than one {key} in timens_clock: {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "state running\nrealtime -2 999999999\nmonotonic 1 5\nboottime 0 0\n\
                        raw 0 1\ntai 37\nrate 1 50000\nrate_fixed 72061196917608633\nfrac 7\n\
                        steps 2\nrate_changes 3\n";

    #[test]
    fn state() {
        let state = State::parse(TEXT).unwrap();
        assert_eq!(state.realtime, -1_000_000_001);
        assert_eq!(
            (state.rate, state.steps, state.running),
            ((1, 50_000), 2, true)
        );
        assert!(State::parse(&TEXT.replace("tai 37\n", "")).is_err());
        assert!(State::parse(&TEXT.replace("tai 37", "tai 37\ntai 37")).is_err());
        assert!(State::parse(&TEXT.replace("tai 37", "tai")).is_err());
        assert!(State::parse(TEXT.trim_end()).is_err());
    }

    #[test]
    fn offsets() {
        assert_eq!(
            offsets_text(5_000_000_001, -1),
            "monotonic           5         1\nboottime           -1 999999999\n"
        );
    }
}
