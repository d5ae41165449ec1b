// SPDX-License-Identifier: GPL-2.0

//! Offsets between two clocks, as the kernel writes them and as people do.

use crate::decimal::{self, BILLION};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The units that people read offsets in, with their length in seconds.
const UNITS: [(u128, char); 3] = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];

/// An offset in the kernel's form: `secs` may be negative, `nanosecs` counts up from there.
///
/// Serialized, it has the form of an entry of `linux.timeOffsets` in the OCI runtime
/// specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Words")]
pub(crate) struct Offset {
    secs: i64,
    /// Below 10^9.
    nanosecs: u32,
}

/// The two words of an offset, whatever they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    secs: i64,
    nanosecs: u32,
}

impl TryFrom<Words> for Offset {
    type Error = &'static str;

    fn try_from(words: Words) -> Result<Offset, &'static str> {
        Offset::new(words.secs, words.nanosecs).ok_or("nanosecs is above 999999999")
    }
}

impl Offset {
    /// No offset.
    pub(crate) const ZERO: Offset = Offset {
        secs: 0,
        nanosecs: 0,
    };

    /// The offset of `secs` seconds and `nanosecs` nanoseconds, which must be below 10^9.
    pub(crate) fn new(secs: i64, nanosecs: u32) -> Option<Offset> {
        (i128::from(nanosecs) < BILLION).then_some(Offset { secs, nanosecs })
    }

    /// The seconds, rounded down.
    pub(crate) fn secs(self) -> i64 {
        self.secs
    }

    /// The offset in ns.
    pub(crate) fn nanos(self) -> i128 {
        i128::from(self.secs) * BILLION + i128::from(self.nanosecs)
    }

    /// Reads the kernel's `S NS`.
    pub(crate) fn parse(secs: &str, nanosecs: &str) -> Option<Offset> {
        Offset::new(secs.parse().ok()?, nanosecs.parse().ok()?)
    }

    /// In the form that `--offset` takes, such as `+1131d 4h 5.25s`, cut to whole milliseconds.
    pub(crate) fn brief(self) -> String {
        describe(self.nanos() / 1_000_000 * 1_000_000)
    }

    /// In the form that `--offset` takes, such as `-2h 0.000000001s`, in full.
    pub(crate) fn full(self) -> String {
        describe(self.nanos())
    }
}

fn describe(nanos: i128) -> String {
    let mut seconds = nanos.unsigned_abs() / BILLION.unsigned_abs();
    let fraction = nanos.unsigned_abs() % BILLION.unsigned_abs();
    let mut parts = Vec::new();
    for (length, name) in UNITS {
        if seconds >= length {
            parts.push(format!("{}{name}", seconds / length));
            seconds %= length;
        }
    }
    let rest = seconds * BILLION.unsigned_abs() + fraction;
    if rest > 0 || parts.is_empty() {
        parts.push(format!("{}s", decimal::format(rest, 9)));
    }
    decimal::sign(nanos).to_owned() + &parts.join(" ")
}

impl From<SignedDuration> for Offset {
    fn from(duration: SignedDuration) -> Offset {
        let nanos = duration.as_nanos();
        Offset {
            // Only the last second of an i64 does not fit, far beyond any clock.
            secs: i64::try_from(nanos.div_euclid(BILLION)).unwrap_or(i64::MIN),
            // CAST: below 10^9.
            nanosecs: nanos.rem_euclid(BILLION) as u32,
        }
    }
}

impl From<Offset> for SignedDuration {
    fn from(offset: Offset) -> SignedDuration {
        SignedDuration::from_secs(offset.secs)
            .saturating_add(SignedDuration::from_nanos(offset.nanosecs.into()))
    }
}

/// The kernel's `S NS`.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.secs, self.nanosecs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::when;
    use proptest::prelude::*;

    fn offset(secs: i64, nanosecs: u32) -> Offset {
        Offset::new(secs, nanosecs).unwrap()
    }

    #[test]
    fn a_negative_offset_counts_its_nanoseconds_up() {
        let half_a_second_back = Offset::from(SignedDuration::from_millis(-500));
        assert_eq!(half_a_second_back, offset(-1, 500_000_000));
        assert_eq!(half_a_second_back.to_string(), "-1 500000000");
        assert_eq!(half_a_second_back.full(), "-0.5s");
    }

    #[test]
    fn reads_the_kernels_two_words() {
        assert_eq!(
            Offset::parse("-1", "999999999"),
            Some(offset(-1, 999_999_999))
        );
        for (secs, nanosecs) in [
            ("", "0"),
            ("1", ""),
            ("1", "-1"),
            ("1", "1000000000"),
            ("x", "0"),
        ] {
            assert_eq!(Offset::parse(secs, nanosecs), None, "{secs:?} {nanosecs:?}");
        }
    }

    #[test]
    fn describes_offsets_for_people() {
        assert_eq!(offset(0, 0).full(), "0s");
        assert_eq!(offset(86_400, 0).full(), "+1d");
        assert_eq!(offset(90_061, 250_000_000).full(), "+1d 1h 1m 1.25s");
        assert_eq!(offset(-3_600, 0).full(), "-1h");
        assert_eq!(offset(0, 1).full(), "+0.000000001s");
        assert_eq!(offset(0, 1).brief(), "0s");
        assert_eq!(offset(-1, 1).brief(), "-0.999s");
        assert_eq!(offset(59, 999_999_999).brief(), "+59.999s");
    }

    #[test]
    fn serializes_as_container_runtimes_write_it() {
        let json = serde_json::to_string(&offset(-5, 7)).unwrap();
        assert_eq!(json, r#"{"secs":-5,"nanosecs":7}"#);
        assert_eq!(
            serde_json::from_str::<Offset>(&json).unwrap(),
            offset(-5, 7)
        );
    }

    #[test]
    fn deserializes_nothing_else() {
        for json in [
            r#"{"secs":0,"nanosecs":1000000000}"#,
            r#"{"secs":0,"nanosecs":-1}"#,
            r#"{"secs":0.5,"nanosecs":0}"#,
            r#"{"secs":0}"#,
            r#"{"secs":0,"nanosecs":0,"more":0}"#,
            "[0,0]0",
        ] {
            assert!(serde_json::from_str::<Offset>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn durations_survive(secs in -1i64 << 40..1 << 40, nanosecs in 0u32..1_000_000_000) {
            let offset = offset(secs, nanosecs);
            prop_assert_eq!(Offset::from(SignedDuration::from(offset)), offset);
        }

        #[test]
        fn kernel_form_reads_back(secs: i64, nanosecs in 0u32..1_000_000_000) {
            let text = offset(secs, nanosecs).to_string();
            let (secs_word, nanosecs_word) = text.split_once(' ').unwrap();
            prop_assert_eq!(Offset::parse(secs_word, nanosecs_word), Some(offset(secs, nanosecs)));
        }

        #[test]
        fn the_full_form_is_what_the_offset_option_takes(
            secs in -1i64 << 33..1 << 33,
            nanosecs in 0u32..1_000_000_000,
        ) {
            let offset = offset(secs, nanosecs);
            let span = when::parse_span(&offset.full()).unwrap();
            prop_assert_eq!(Offset::from(when::fixed_length(span).unwrap()), offset);
        }
    }
}
