// SPDX-License-Identifier: GPL-2.0

//! Clocks as `timens save` writes them down.

use crate::clock::Clock;
use crate::decimal::BILLION;
use crate::error::Error;
use crate::host::HostClocks;
use crate::ntp::{self, Ntp, Timezone, MAX_FREQ};
use crate::offset::Offset;
use crate::rate::Rate;
use crate::when::LAST_SECOND;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::RangeInclusive;

const FORMAT: &str = "timens-clock";
const VERSION: u64 = 1;
/// More bytes than any has, however it is laid out.
pub(crate) const MAX_LENGTH: u64 = 64 << 10;
const DAY: i64 = 86_400;
/// The largest TAI less REALTIME that can be set, s. Leap seconds may lead below 0.
const MAX_TAI: i64 = 100_000;
/// The largest error that the kernel counts to, µs.
const MAX_ERROR: i64 = 16_000_000;

/// What every version of the format has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

/// The clocks of a namespace at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// `timens-clock`.
    format: String,
    /// 1.
    version: u64,
    /// The host's REALTIME at that moment.
    pub(crate) host_realtime: Offset,
    /// What its clocks read.
    pub(crate) clocks: Clocks,
    /// TAI less REALTIME, seconds.
    pub(crate) tai: i64,
    /// The base rate, as the kernel takes it.
    rate: Offset,
    /// The base rate in units of 2^-56, as the kernel computes with it.
    pub(crate) rate_fixed: u64,
    /// How it is disciplined.
    pub(crate) ntp: Ntp,
    /// Its time zone.
    pub(crate) timezone: Timezone,
}

/// What the clocks of a namespace read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clocks {
    /// CLOCK_REALTIME.
    pub(crate) realtime: Offset,
    /// CLOCK_MONOTONIC.
    pub(crate) monotonic: Offset,
    /// CLOCK_BOOTTIME.
    pub(crate) boottime: Offset,
    /// CLOCK_MONOTONIC_RAW.
    pub(crate) raw: Offset,
}

/// Why a text is no saved clock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SavedError {
    /// No JSON, or with other fields.
    #[error("it is no saved clock: {0}")]
    Json(#[from] serde_json::Error),
    /// Something else, perhaps without an end.
    #[error("it is longer than any saved clock")]
    Length,
    /// JSON of something else.
    #[error("its format is '{0}', not '{FORMAT}'")]
    Format(String),
    /// Written by another version of this program.
    #[error("it has version {0}, and this program knows version {VERSION} only")]
    Version(u64),
    /// A value that no clock has.
    #[error("{field} is {value}, out of range: {range}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it can be.
        range: String,
    },
    /// Two values that do not belong together.
    #[error("rate and rate_fixed are not the same rate")]
    TwoRates,
}

impl Saved {
    /// Writes down a clock that was looked at when the host's were.
    pub(crate) fn new(clock: &Clock, host: &HostClocks) -> Result<Saved, Error> {
        let read = |host: SignedDuration, ahead: Offset| {
            Offset::from(host.saturating_add(SignedDuration::from(ahead)))
        };
        Ok(Saved {
            format: FORMAT.to_owned(),
            version: VERSION,
            host_realtime: host.realtime.into(),
            clocks: Clocks {
                realtime: read(host.realtime, clock.realtime),
                monotonic: read(host.monotonic, clock.monotonic),
                boottime: read(host.boottime, clock.boottime),
                raw: read(host.raw, clock.raw),
            },
            tai: ntp::tai(clock)?,
            rate: SignedDuration::from_nanos_i128(clock.rate.nanos().into()).into(),
            rate_fixed: ntp::rate_fixed(clock)?,
            ntp: Ntp::of(clock)?,
            timezone: Timezone::of(clock)?,
        })
    }

    /// Reads what was written down, and believes nothing that cannot be.
    pub(crate) fn parse(text: &[u8]) -> Result<Saved, SavedError> {
        if text.len() as u64 > MAX_LENGTH {
            return Err(SavedError::Length);
        }
        // First, because another version has other fields.
        let head: Head = serde_json::from_slice(text)?;
        if head.format != FORMAT {
            return Err(SavedError::Format(head.format));
        }
        if head.version != VERSION {
            return Err(SavedError::Version(head.version));
        }
        let saved: Saved = serde_json::from_slice(text)?;
        saved.check()?;
        Ok(saved)
    }

    /// Whether it can be restored.
    pub(crate) fn check(&self) -> Result<(), SavedError> {
        let Clocks {
            realtime,
            monotonic,
            boottime,
            raw,
        } = self.clocks;
        let time = 0..=LAST_SECOND;
        within("clocks.realtime.secs", realtime.secs(), time.clone())?;
        within("clocks.monotonic.secs", monotonic.secs(), time.clone())?;
        within("clocks.boottime.secs", boottime.secs(), time.clone())?;
        within("clocks.raw.secs", raw.secs(), time.clone())?;
        within("host_realtime.secs", self.host_realtime.secs(), time)?;
        within("tai", self.tai, -MAX_TAI..=MAX_TAI)?;
        within(
            "rate in 10^-9",
            self.rate.nanos(),
            0..=Rate::MAX.nanos().into(),
        )?;
        let ntp = &self.ntp;
        within("ntp.state", ntp.state, 0..=5)?;
        within("ntp.status", ntp.status, 0..=0xffff)?;
        within("ntp.freq", ntp.freq, -MAX_FREQ..=MAX_FREQ)?;
        within("ntp.tick", ntp.tick, 9_000..=11_000)?;
        within("ntp.constant", ntp.constant, 0..=10)?;
        within("ntp.maxerror", ntp.maxerror, 0..=MAX_ERROR)?;
        within("ntp.esterror", ntp.esterror, 0..=MAX_ERROR)?;
        within("ntp.offset", ntp.offset, -500_000_000..=500_000_000)?;
        let minutes = self.timezone.minutes_west;
        within("timezone.minutes_west", minutes, -15 * 60..=15 * 60)?;
        match self.rates_agree() {
            true => Ok(()),
            false => Err(SavedError::TwoRates),
        }
    }

    /// Whether `rate` is `rate_fixed` to the nearest 10^-9.
    fn rates_agree(&self) -> bool {
        let difference = (self.rate.nanos() << 56) - i128::from(self.rate_fixed) * BILLION;
        // One unit more, by which the kernel's own rounding may differ.
        difference.abs() <= (1 << 55) + BILLION
    }

    /// The base rate.
    pub(crate) fn rate(&self) -> Rate {
        let nanos = u64::try_from(self.rate.nanos()).ok();
        nanos
            .and_then(Rate::from_nanos)
            .expect("a saved clock is in range")
    }

    /// What the clocks would show if they had run on while the host's date went on by `elapsed`.
    ///
    /// By base rate, tick and frequency. What the loop and a slew had still to add, they add
    /// afterwards.
    pub(crate) fn after(&self, elapsed: SignedDuration) -> Saved {
        let (pace, unit) = self.ntp.pace();
        let base = elapsed.as_nanos().saturating_mul(self.rate.nanos()) / BILLION;
        let nanos = base.saturating_mul(pace) / unit;
        // Beyond any clock, the kernel will say so.
        let advance = SignedDuration::from_nanos_i128(nanos.min(SignedDuration::MAX.as_nanos()));
        let later =
            |offset: Offset| Offset::from(SignedDuration::from(offset).saturating_add(advance));
        let clocks = Clocks {
            realtime: later(self.clocks.realtime),
            monotonic: later(self.clocks.monotonic),
            boottime: later(self.clocks.boottime),
            raw: later(self.clocks.raw),
        };
        let error = i128::from(self.ntp.maxerror) + advance.as_nanos() / 2_000_000;
        let ntp = Ntp {
            maxerror: i64::try_from(error).unwrap_or(MAX_ERROR).min(MAX_ERROR),
            ..self.ntp
        };
        Saved {
            clocks,
            ntp,
            ..self.clone()
        }
        .with_leap_since(self.clocks.realtime.secs())
    }

    /// Whether a leap second comes at the end of this second. A clock that is told of it now notices
    /// it only then, and would leap a day later.
    pub(crate) fn is_about_to_leap(&self) -> bool {
        let last = DAY - 1 - self.ntp.pending_leap().max(0);
        self.ntp.is_leap_expected() && self.clocks.realtime.secs().rem_euclid(DAY) >= last
    }

    /// This, with the leap second made that was pending at the date `before`, if its time has come.
    fn with_leap_since(self, before: i64) -> Saved {
        let leap = self.ntp.pending_leap();
        let midnight = (before.div_euclid(DAY) + 1) * DAY;
        // The last second of the day is the one that is left out.
        let instant = midnight - i64::from(leap == 1);
        if leap == 0 || self.clocks.realtime.secs() < instant {
            return self;
        }
        let realtime = SignedDuration::from(self.clocks.realtime);
        Saved {
            clocks: Clocks {
                realtime: (realtime + SignedDuration::from_secs(leap)).into(),
                ..self.clocks
            },
            tai: self.tai - leap,
            ntp: self.ntp.without_leap(),
            ..self
        }
    }
}

fn within<T: PartialOrd + Display>(
    field: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), SavedError> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(SavedError::Range {
            field,
            value: value.to_string(),
            range: format!("{} to {}", range.start(), range.end()),
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::list::to_json;
    use crate::ntp::tests::{NTP, NTP_LINES};
    use crate::testing::clock_text;
    use serde_json::{json, Value};

    /// A clock that is about a day old, at rate 1.00005.
    pub(crate) fn clock() -> Clock {
        let rate = "rate_fixed 72061196917629832\n";
        let text = clock_text("running", "-1 500000000", "1 50000") + rate + NTP_LINES;
        Clock::parse(&text).unwrap().unwrap()
    }

    fn host() -> HostClocks {
        HostClocks {
            realtime: SignedDuration::from_secs(1_800_000_000),
            monotonic: SignedDuration::from_secs(90_000),
            boottime: SignedDuration::from_secs(100_000),
            raw: SignedDuration::from_secs(90_001),
        }
    }

    fn saved() -> Saved {
        Saved::new(&clock(), &host()).unwrap()
    }

    fn at(secs: i64, nanosecs: u32) -> Offset {
        Offset::new(secs, nanosecs).unwrap()
    }

    #[test]
    fn what_is_written_down_is_what_the_clocks_read() {
        let saved = saved();
        let Clocks {
            realtime,
            monotonic,
            boottime,
            raw,
        } = saved.clocks;
        assert_eq!(realtime, at(1_799_999_999, 500_000_000));
        assert_eq!(monotonic, at(90_005, 0));
        assert_eq!(boottime, at(99_993, 500_000_000));
        assert_eq!(raw, at(90_002, 2));
        assert_eq!(saved.host_realtime, at(1_800_000_000, 0));
        assert_eq!((saved.tai, saved.rate()), (37, clock().rate));
        assert_eq!(saved.ntp, NTP);
        assert_eq!(saved.timezone.minutes_west, -60);
    }

    #[test]
    fn it_reads_back() {
        let text = to_json(&saved());
        assert_eq!(Saved::parse(text.as_bytes()).unwrap(), saved());
    }

    #[test]
    fn tai_behind_utc_can_come_about() {
        let saved = Saved { tai: -1, ..saved() };
        assert!(saved.check().is_ok());
    }

    #[test]
    fn a_clock_without_a_discipline_is_not_written_down() {
        let text = clock_text("running", "0 0", "1 0") + "rate_fixed 72057594037927936\n";
        let clock = Clock::parse(&text).unwrap().unwrap();
        let result = Saved::new(&clock, &host());
        assert!(
            matches!(result, Err(Error::NoDiscipline("ntp_state"))),
            "{result:?}"
        );
    }

    /// Why the saved clock is refused when the value at `path` is another.
    fn refusal(path: &str, value: Value) -> String {
        let mut json = serde_json::to_value(saved()).unwrap();
        *json.pointer_mut(path).unwrap() = value;
        let text = to_json(&json);
        Saved::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let out_of_range = [
            ("/clocks/realtime/secs", json!(-1)),
            ("/clocks/monotonic/secs", json!(LAST_SECOND + 1)),
            ("/clocks/boottime/secs", json!(i64::MAX)),
            ("/clocks/raw/secs", json!(i64::MIN)),
            ("/host_realtime/secs", json!(-1)),
            ("/tai", json!(100_001)),
            ("/rate/secs", json!(256)),
            ("/rate/secs", json!(-1)),
            ("/ntp/state", json!(6)),
            ("/ntp/status", json!(0x1_0000)),
            ("/ntp/freq", json!(MAX_FREQ + 1)),
            ("/ntp/tick", json!(8_999)),
            ("/ntp/constant", json!(11)),
            ("/ntp/maxerror", json!(-1)),
            ("/ntp/esterror", json!(MAX_ERROR + 1)),
            ("/ntp/offset", json!(500_000_001)),
            ("/timezone/minutes_west", json!(901)),
        ];
        for (path, value) in out_of_range {
            let refusal = refusal(path, value);
            assert!(refusal.contains("out of range"), "{path}: {refusal}");
        }
        assert!(refusal("/rate_fixed", json!(1)).contains("not the same rate"));
        assert!(refusal("/version", json!(2)).contains("version 2"));
        assert!(refusal("/format", json!("x")).contains("'x'"));
        assert!(refusal("/tai", json!(1.5)).contains("line"));
        assert!(refusal("/tai", json!("37")).contains("line"));
        assert!(refusal("/clocks/raw/nanosecs", json!(1_000_000_000)).contains("999999999"));
    }

    #[test]
    fn fields_are_the_known_ones_and_all_of_them() {
        for path in ["", "/clocks", "/clocks/raw", "/rate", "/ntp", "/timezone"] {
            let with = |change: fn(&mut serde_json::Map<String, Value>)| {
                let mut json = serde_json::to_value(saved()).unwrap();
                change(json.pointer_mut(path).unwrap().as_object_mut().unwrap());
                Saved::parse(to_json(&json).as_bytes())
            };
            let more = with(|object| drop(object.insert("more".into(), json!(0))));
            let text = more.unwrap_err().to_string();
            assert!(text.contains("unknown field `more`"), "{path}: {text}");
            let less = with(|object| {
                let name = object.keys().next_back().unwrap().clone();
                object.remove(&name);
            });
            let text = less.unwrap_err().to_string();
            assert!(text.contains("missing field"), "{path}: {text}");
        }
        let twice = to_json(&saved()).replacen('{', "{\"tai\": 37,", 1);
        let text = Saved::parse(twice.as_bytes()).unwrap_err().to_string();
        assert!(text.contains("duplicate field"), "{text}");
        for text in ["", "[]", "{}", "null", "\u{0}"] {
            assert!(Saved::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn rates_are_the_same_to_a_billionth() {
        let with = |nanosecs, rate_fixed| {
            let saved = Saved {
                rate: at(1, nanosecs),
                rate_fixed,
                ..saved()
            };
            saved.rates_agree()
        };
        let one = 1u64 << 56;
        assert!(with(0, one) && with(0, one + 1) && with(0, one + 36_000_000));
        assert!(!with(0, one + 37_000_000) && !with(1, one));
        assert!(with(999_999_999, one * 2 - 72_057_594));
    }

    #[test]
    fn elapsed_time_counts_by_rate_and_discipline() {
        let ntp = Ntp {
            status: 0,
            tick: 11_000,
            freq: 0,
            ..NTP
        };
        let saved = Saved {
            rate: at(2, 0),
            ntp,
            ..saved()
        };
        let after = saved.after(SignedDuration::from_secs(10));
        assert_eq!(after.clocks.monotonic, at(90_027, 0));
        assert_eq!(after.clocks.realtime, at(1_800_000_021, 500_000_000));
        assert_eq!(after.clocks.boottime, at(100_015, 500_000_000));
        assert_eq!(after.clocks.raw, at(90_024, 2));
        assert_eq!(after.ntp.maxerror, 1500 + 22 * 500);
        assert_eq!(
            (after.ntp.offset, after.ntp.adjust),
            (ntp.offset, ntp.adjust)
        );
        let long = saved.after(SignedDuration::from_secs(1_000_000));
        assert_eq!(long.ntp.maxerror, MAX_ERROR);
        let frozen = Saved {
            rate: at(0, 0),
            ..saved
        };
        assert_eq!(frozen.after(SignedDuration::from_secs(10)), frozen);
        assert!(frozen.after(SignedDuration::MAX).clocks == frozen.clocks);
    }

    #[test]
    fn a_leap_second_is_made_when_its_time_has_come() {
        let midnight = 20_834 * DAY;
        let pending = |state, status, before_midnight: i64| Saved {
            rate: at(1, 0),
            clocks: Clocks {
                realtime: at(midnight - before_midnight, 0),
                ..saved().clocks
            },
            ntp: Ntp {
                state,
                status,
                tick: 10_000,
                freq: 0,
                ..NTP
            },
            ..saved()
        };
        let after = |saved: Saved, secs| {
            let after = saved.after(SignedDuration::from_secs(secs));
            let date = after.clocks.realtime.secs() - midnight;
            (date, after.tai, after.ntp.status)
        };
        assert!(pending(1, 0x11, 1).is_about_to_leap());
        assert!(!pending(1, 0x11, 2).is_about_to_leap());
        assert!(pending(2, 0x21, 2).is_about_to_leap());
        assert!(!pending(2, 0x21, 3).is_about_to_leap());
        // It has not been noticed in time: nothing comes now.
        assert!(!pending(0, 0x11, 1).is_about_to_leap());
        let inserted = pending(1, 0x11, 10);
        assert_eq!(after(inserted.clone(), 9), (-1, 37, 0x11));
        assert_eq!(after(inserted.clone(), 10), (-1, 38, 0x01));
        assert_eq!(after(inserted, 20), (9, 38, 0x01));
        let left_out = pending(2, 0x21, 10);
        assert_eq!(after(left_out.clone(), 8), (-2, 37, 0x21));
        assert_eq!(after(left_out.clone(), 9), (0, 36, 0x01));
        assert_eq!(after(left_out, 20), (11, 36, 0x01));
        assert_eq!(after(pending(4, 0x11, 10), 20), (10, 37, 0x11));
    }
}
