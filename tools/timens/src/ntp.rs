// SPDX-License-Identifier: GPL-2.0

//! How a namespace's clock is disciplined from inside, as `/proc/PID/timens_clock` tells it.

use crate::clock::Clock;
use crate::decimal::{self, BILLION};
use crate::sys::timex::{Adjustment, Constant, STA_DEL, STA_INS, STA_NANO, STA_PLL, STA_RONLY};
use serde::{Deserialize, Serialize};

/// Time state: a second is to be inserted.
const TIME_INS: u8 = 1;
/// Time state: a second is to be left out.
const TIME_DEL: u8 = 2;
/// Time state: a second has just been inserted.
const TIME_OOP: u8 = 3;
/// Time state: the clock is not synchronised, which hides the others.
const TIME_ERROR: u8 = 5;

/// Units of `freq` in a ppm.
pub(crate) const FREQ_PER_PPM: i64 = 1 << 16;
/// The largest frequency offset either way, in 2^-16 ppm.
pub(crate) const MAX_FREQ: i64 = 500 * FREQ_PER_PPM;
/// The length of a tick that makes a second one of the reference, µs.
const NOMINAL_TICK: i64 = 10_000;

/// The state of a discipline, in the units of adjtimex(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ntp {
    /// What adjtimex(2) returns: 0 to 5.
    pub(crate) state: u8,
    /// Status bits.
    pub(crate) status: i32,
    /// 2^-16 ppm.
    pub(crate) freq: i64,
    /// µs.
    pub(crate) tick: i64,
    /// The time constant of the loop.
    pub(crate) constant: i64,
    /// µs.
    pub(crate) maxerror: i64,
    /// µs.
    pub(crate) esterror: i64,
    /// What is left of an offset for the loop, ns.
    pub(crate) offset: i64,
    /// What is left of a slew, µs.
    pub(crate) adjust: i64,
}

/// The time zone that gettimeofday(2) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timezone {
    /// Minutes west of UTC.
    pub(crate) minutes_west: i32,
    /// The kind of daylight saving time.
    pub(crate) dst: i32,
}

/// A line of the discipline's that is missing or makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoLine(pub(crate) &'static str);

/// Reads the value of a line as one number.
fn number<T: std::str::FromStr>(clock: &Clock, key: &'static str) -> Result<T, NoLine> {
    let value = clock.detail(key).and_then(|value| value.parse().ok());
    value.ok_or(NoLine(key))
}

/// TAI less UTC of a clock, seconds.
pub(crate) fn tai(clock: &Clock) -> Result<i64, NoLine> {
    number(clock, "tai")
}

/// How often the date of a clock has been set.
pub(crate) fn steps(clock: &Clock) -> Result<u64, NoLine> {
    number(clock, "steps")
}

/// The rate of a clock in units of 2^-56.
pub(crate) fn rate_fixed(clock: &Clock) -> Result<u64, NoLine> {
    number(clock, "rate_fixed")
}

/// The rate of a clock that is disciplined, slews included, in units of 2^-56.
pub(crate) fn rate_fixed_now(clock: &Clock) -> Result<u64, NoLine> {
    number(clock, "ntp_rate_fixed")
}

impl Ntp {
    /// The discipline of a clock, if the kernel tells of one.
    pub(crate) fn of(clock: &Clock) -> Result<Ntp, NoLine> {
        Ok(Ntp {
            state: number(clock, "ntp_state")?,
            status: number(clock, "ntp_status")?,
            freq: number(clock, "ntp_freq")?,
            tick: number(clock, "ntp_tick")?,
            constant: number(clock, "ntp_constant")?,
            maxerror: number(clock, "ntp_maxerror")?,
            esterror: number(clock, "ntp_esterror")?,
            offset: number(clock, "ntp_offset")?,
            adjust: number(clock, "ntp_adjust")?,
        })
    }

    /// The second that is to be inserted (-1) or left out (1) at the end of the day, or neither.
    pub(crate) fn pending_leap(&self) -> i64 {
        match (self.state, self.status) {
            // Of two that are asked for it goes by the one that it has noticed first.
            (TIME_DEL, status) if status & STA_DEL != 0 => 1,
            (..TIME_OOP, status) if status & STA_INS != 0 => -1,
            (..TIME_OOP, status) if status & STA_DEL != 0 => 1,
            _ => 0,
        }
    }

    /// Whether a leap second comes at the end of this day: the clock has noticed that it is asked for.
    pub(crate) fn is_leap_expected(&self) -> bool {
        self.pending_leap() != 0 && matches!(self.state, TIME_INS | TIME_DEL)
    }

    /// Whether nobody can tell if the leap second that is asked for has been made.
    pub(crate) fn has_doubtful_leap(&self) -> bool {
        self.state == TIME_ERROR && self.status & (STA_INS | STA_DEL) != 0
    }

    /// The same without a leap second to come.
    pub(crate) fn without_leap(self) -> Ntp {
        Ntp {
            status: self.status & !(STA_INS | STA_DEL),
            ..self
        }
    }

    /// How many namespace seconds this makes of a second at the base rate, as numerator and
    /// denominator. The loop's offset and a slew come on top of it, for a while.
    pub(crate) fn pace(&self) -> (i128, i128) {
        let unit = i128::from(NOMINAL_TICK) * i128::from(FREQ_PER_PPM) * 100;
        let pace = i128::from(self.tick) * i128::from(FREQ_PER_PPM) * 100 + i128::from(self.freq);
        (pace, unit)
    }

    /// The calls that give a new clock this state, but for the slew.
    ///
    /// One that continues another is where that was with its leap second: it may take one that is
    /// asked for now for noticed, or made, and never make it. Switching a loop off forgets that.
    ///
    /// The bits that only the kernel sets are not given back, except for the unit of offsets, which
    /// has a mode of its own. A leap second that has been made is not made again.
    pub(crate) fn replay(&self, tai: i64) -> Vec<Adjustment> {
        let status = match self.pending_leap() {
            0 => self.without_leap().status,
            // A clock that has noticed neither would insert.
            1 => self.status & !STA_INS,
            _ => self.status,
        };
        let only_status = |status| Adjustment {
            status: Some(status),
            ..Adjustment::default()
        };
        let mut calls = vec![
            only_status(STA_PLL),
            only_status(0),
            // In ns, because the time constant means something else in µs.
            Adjustment {
                status: Some(status & !STA_RONLY),
                nano: Some(true),
                maxerror: Some(self.maxerror),
                esterror: Some(self.esterror),
                constant: Some(Constant::Time(self.constant)),
                ..Adjustment::default()
            },
            Adjustment {
                constant: Some(Constant::Tai(tai)),
                ..Adjustment::default()
            },
        ];
        if self.status & STA_PLL != 0 {
            calls.push(Adjustment {
                offset: Some(self.offset),
                ..Adjustment::default()
            });
        }
        // After the offset, from which the loop learns a frequency.
        calls.push(Adjustment {
            nano: Some(self.status & STA_NANO != 0),
            freq: Some(self.freq),
            tick: Some(self.tick),
            ..Adjustment::default()
        });
        calls
    }
}

impl Timezone {
    /// The time zone of a clock, if the kernel tells of one.
    pub(crate) fn of(clock: &Clock) -> Result<Timezone, NoLine> {
        const KEY: &str = "timezone";
        let words = clock.detail(KEY).and_then(|line| line.split_once(' '));
        let zone = words.and_then(|(minutes_west, dst)| {
            Some(Timezone {
                minutes_west: minutes_west.parse().ok()?,
                dst: dst.trim_start().parse().ok()?,
            })
        });
        zone.ok_or(NoLine(KEY))
    }
}

/// Reads a frequency in ppm, at most 500 either way, in 2^-16 ppm, the nearest.
pub(crate) fn parse_frequency(text: &str) -> Result<i64, String> {
    /// Enough digits for the nearest 2^-16 ppm.
    const PLACES: usize = 9;
    let asked = decimal::parse(text, PLACES)
        .ok_or("a frequency in ppm is a signed decimal like +50 or -12.5")?;
    let freq = asked
        .units
        .checked_mul(i128::from(FREQ_PER_PPM))
        .map(|scaled| (scaled + BILLION / 2).div_euclid(BILLION))
        .and_then(|freq| i64::try_from(freq).ok());
    freq.filter(|freq| freq.abs() <= MAX_FREQ)
        .ok_or_else(|| "the frequency is out of range: -500 to +500 ppm".to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::clock_text;

    /// The lines of a discipline as the kernel writes them.
    pub(crate) const NTP_LINES: &str = "\
ntp_state 1
ntp_status 24593
ntp_freq -65536
ntp_tick 10001
ntp_constant 6
ntp_maxerror 1500
ntp_esterror 20
ntp_offset -123456
ntp_adjust 700
timezone -60 1
";

    /// What they say.
    pub(crate) const NTP: Ntp = Ntp {
        state: 1,
        status: 0x6011,
        freq: -65_536,
        tick: 10_001,
        constant: 6,
        maxerror: 1500,
        esterror: 20,
        offset: -123_456,
        adjust: 700,
    };

    fn clock(lines: &str) -> Clock {
        let text = clock_text("running", "0 0", "1 0") + lines;
        Clock::parse(&text).unwrap().unwrap()
    }

    #[test]
    fn reads_the_kernels_lines() {
        let clock = clock(NTP_LINES);
        assert_eq!(Ntp::of(&clock), Ok(NTP));
        let zone = Timezone {
            minutes_west: -60,
            dst: 1,
        };
        assert_eq!(Timezone::of(&clock), Ok(zone));
        assert_eq!(tai(&clock), Ok(37));
    }

    #[test]
    fn names_the_line_that_is_missing() {
        assert_eq!(Ntp::of(&clock("")), Err(NoLine("ntp_state")));
        assert_eq!(Timezone::of(&clock("")), Err(NoLine("timezone")));
        let odd = NTP_LINES.replace("ntp_tick 10001", "ntp_tick soon");
        assert_eq!(Ntp::of(&clock(&odd)), Err(NoLine("ntp_tick")));
    }

    #[test]
    fn the_state_is_given_back_call_by_call() {
        let calls = NTP.replay(37);
        let [on, off, first, tai, offset, last] = calls[..] else {
            panic!("{calls:?}");
        };
        assert_eq!((on.status, off.status), (Some(STA_PLL), Some(0)));
        // Without the bits of the kernel's, with PLL and the pending leap second.
        assert_eq!(first.status, Some(0x11));
        assert_eq!(first.nano, Some(true));
        assert_eq!(first.constant, Some(Constant::Time(6)));
        assert_eq!((first.maxerror, first.esterror), (Some(1500), Some(20)));
        assert_eq!(tai.constant, Some(Constant::Tai(37)));
        assert_eq!(offset.offset, Some(-123_456));
        assert_eq!((last.freq, last.tick), (Some(-65_536), Some(10_001)));
        assert_eq!(last.nano, Some(true));
    }

    #[test]
    fn without_the_loop_there_is_no_offset_to_give() {
        let ntp = Ntp { status: 0, ..NTP };
        let calls = ntp.replay(0);
        assert!(calls.iter().all(|call| call.offset.is_none()));
        assert_eq!(calls.last().unwrap().nano, Some(false));
    }

    #[test]
    fn a_leap_second_that_has_been_made_is_not_made_again() {
        let with = |state, status| Ntp {
            state,
            status,
            ..NTP
        };
        let cases = [
            (0, STA_INS, -1, STA_INS),
            (1, STA_INS, -1, STA_INS),
            (2, STA_DEL, 1, STA_DEL),
            (1, STA_INS | STA_DEL, -1, STA_INS | STA_DEL),
            (2, STA_INS | STA_DEL, 1, STA_DEL),
            (3, STA_INS, 0, 0),
            (4, STA_INS, 0, 0),
            (4, STA_DEL, 0, 0),
            (5, STA_INS, 0, 0),
            (0, 0, 0, 0),
        ];
        for (state, status, leap, replayed) in cases {
            let ntp = with(state, status);
            assert_eq!(ntp.pending_leap(), leap, "{state} {status}");
            assert_eq!(ntp.replay(0)[2].status, Some(replayed), "{state} {status}");
            assert_eq!(ntp.has_doubtful_leap(), state == 5);
        }
    }

    #[test]
    fn the_pace_is_that_of_tick_and_frequency() {
        let pace = |tick, freq| {
            let (pace, unit) = Ntp { tick, freq, ..NTP }.pace();
            pace * 1_000_000_000 / unit
        };
        assert_eq!(pace(10_000, 0), 1_000_000_000);
        assert_eq!(pace(11_000, 0), 1_100_000_000);
        assert_eq!(pace(10_000, 50 << 16), 1_000_050_000);
        assert_eq!(pace(9_999, -1 << 16), 999_899_000);
    }

    #[test]
    fn reads_frequencies() {
        assert_eq!(parse_frequency("1"), Ok(65_536));
        assert_eq!(parse_frequency("-12.5"), Ok(-819_200));
        assert_eq!(parse_frequency("0.00001"), Ok(1));
        assert_eq!(parse_frequency("+500"), Ok(MAX_FREQ));
        for text in [
            "",
            "fast",
            "500.1",
            "-501",
            "1e3",
            "99999999999999999999999999999",
        ] {
            assert!(parse_frequency(text).is_err(), "{text}");
        }
    }
}
