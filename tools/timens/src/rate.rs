// SPDX-License-Identifier: GPL-2.0

//! Rates: how many seconds pass in a namespace for each second of the host's CLOCK_MONOTONIC.
//!
//! The kernel's interface counts a rate in ns/s. Rates are read with integer arithmetic only, so
//! that what can be expressed is set exactly and the rest is rounded once.

use crate::decimal::{self, BILLION};
use serde::{Serialize, Serializer};
use std::fmt;

/// ns/s of a clock as fast as the host's.
const UNITY: u64 = BILLION as u64; // CAST: fits.

/// A rate that the kernel takes: 0 (frozen) to 255, in steps of 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rate {
    /// Namespace ns per reference second; at most `Rate::MAX`'s.
    nanos: u64,
}

/// A rate as asked for on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskedRate {
    /// The nearest rate that the kernel can be told.
    pub(crate) rate: Rate,
    /// Whether that is the rate that was asked for.
    pub(crate) exact: bool,
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RateError {
    /// Neither a decimal nor a fraction.
    #[error("a rate is a decimal like 2, 0.5 or 1.00005, or a fraction of integers like 1/3")]
    Malformed,
    /// No decimal number of ppm.
    #[error("a rate in ppm is a signed decimal like +50 or -12.5")]
    MalformedPpm,
    /// Below 0 or above 255.
    #[error("the rate is out of range: 0 (frozen) to 255, that is -1000000 to +254000000 ppm")]
    OutOfRange,
    /// No deviation that a rate can have and still be one.
    #[error("a deviation is a number of ppm above 0 and below 1000000, in steps of 0.001")]
    Deviation,
    /// No rate at which time passes.
    #[error("at rate 0 the clock stays frozen")]
    Frozen,
    /// Above zero, but nearer to zero than to the smallest rate there is.
    #[error("the rate is too small: the smallest is 0.000000001, and 0 freezes the clock")]
    TooSmall,
}

impl Rate {
    /// Time stands still.
    pub(crate) const FROZEN: Rate = Rate { nanos: 0 };
    /// As fast as the host.
    pub(crate) const ONE: Rate = Rate { nanos: UNITY };
    /// The fastest rate that the kernel takes.
    pub(crate) const MAX: Rate = Rate { nanos: 255 * UNITY };

    /// A rate of `nanos` ns/s, if the kernel would take it.
    pub(crate) fn from_nanos(nanos: u64) -> Option<Rate> {
        (nanos <= Rate::MAX.nanos).then_some(Rate { nanos })
    }

    /// The rate of the kernel's `rate S NS`, if it would take it.
    pub(crate) fn from_words(secs: u64, nanosecs: u32) -> Option<Rate> {
        let nanos = secs.checked_mul(UNITY)?.checked_add(nanosecs.into())?;
        Rate::from_nanos(nanos).filter(|_| u64::from(nanosecs) < UNITY)
    }

    /// Namespace ns per reference second.
    pub(crate) fn nanos(self) -> u64 {
        self.nanos
    }

    /// The rate as the seconds and nanoseconds of the kernel's `rate S NS`.
    pub(crate) fn words(self) -> (u64, u64) {
        (self.nanos / UNITY, self.nanos % UNITY)
    }

    /// Whether time stands still.
    pub(crate) fn is_frozen(self) -> bool {
        self == Rate::FROZEN
    }

    /// How many parts per million the clock gains on the host, for machines to read.
    pub(crate) fn gain_ppm(self) -> f64 {
        // CAST: both are below 2^38, which a float holds exactly.
        (self.nanos as i64 - UNITY as i64) as f64 / 1e3
    }

    /// What the clock does against the host's, in words: `+50 ppm`, `×2`, `frozen`.
    ///
    /// Up to a percent is what oscillators do and is told in ppm; more is dilation.
    pub(crate) fn drift(self) -> String {
        let gain = i128::from(self.nanos) - BILLION;
        match gain {
            _ if self.is_frozen() => "frozen".to_owned(),
            0 => "0".to_owned(),
            _ if gain.abs() <= BILLION / 100 => {
                format!("{} ppm", decimal::format_signed(gain, 3))
            }
            _ => format!("×{self}"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal::format(self.nanos.into(), 9))
    }
}

/// A number: nine digits after the point are well within what a float tells apart.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // CAST: below 2^38, which a float holds exactly.
        serializer.serialize_f64(self.nanos as f64 / UNITY as f64)
    }
}

/// Reads a rate: `2`, `0.5`, `1.00005`, `1/3`.
pub(crate) fn parse(text: &str) -> Result<AskedRate, RateError> {
    let (nanos, exact) = match text.split_once('/') {
        Some((numerator, denominator)) => divide(numerator, denominator)?,
        None => {
            let scaled = decimal::parse(text, 9).ok_or(RateError::Malformed)?;
            (scaled.units, scaled.exact)
        }
    };
    asked(nanos, exact)
}

/// Reads a rate at which time passes.
pub(crate) fn parse_running(text: &str) -> Result<AskedRate, RateError> {
    let asked = parse(text)?;
    match asked.rate.is_frozen() {
        true => Err(RateError::Frozen),
        false => Ok(asked),
    }
}

/// Reads a rate as parts per million beside the host's: `+50`, `-12.5`.
pub(crate) fn parse_ppm(text: &str) -> Result<AskedRate, RateError> {
    let ppm = decimal::parse(text, 3).ok_or(RateError::MalformedPpm)?;
    let nanos = ppm
        .units
        .checked_add(BILLION)
        .ok_or(RateError::OutOfRange)?;
    asked(nanos, ppm.exact)
}

/// Reads a deviation of a rate either way in ppm: in units of 10^-9.
pub(crate) fn parse_deviation(text: &str) -> Result<i64, RateError> {
    decimal::parse(text, 3)
        .filter(|ppm| ppm.exact)
        .and_then(|ppm| i64::try_from(ppm.units).ok())
        // CAST: far below 2^63.
        .filter(|nanos| (1..UNITY as i64).contains(nanos))
        .ok_or(RateError::Deviation)
}

/// The quotient of two integers in ns/s, rounded to nearest, and whether it is exact.
fn divide(numerator: &str, denominator: &str) -> Result<(i128, bool), RateError> {
    let integer = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let numerator = integer(numerator).ok_or(RateError::Malformed)?;
    let denominator = integer(denominator).ok_or(RateError::Malformed)?;
    if denominator == 0 {
        return Err(RateError::Malformed);
    }
    let dividend = i128::from(numerator) * BILLION;
    let divisor = i128::from(denominator);
    Ok(((dividend + divisor / 2) / divisor, dividend % divisor == 0))
}

fn asked(nanos: i128, exact: bool) -> Result<AskedRate, RateError> {
    let rate = u64::try_from(nanos)
        .ok()
        .and_then(Rate::from_nanos)
        .ok_or(RateError::OutOfRange)?;
    // Rounding must not stop a clock that was only to be slow.
    if rate.is_frozen() && !exact {
        return Err(RateError::TooSmall);
    }
    Ok(AskedRate { rate, exact })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(nanos: u64) -> Result<AskedRate, RateError> {
        let rate = Rate::from_nanos(nanos).unwrap();
        Ok(AskedRate { rate, exact: true })
    }

    fn rounded(nanos: u64) -> Result<AskedRate, RateError> {
        let rate = Rate::from_nanos(nanos).unwrap();
        Ok(AskedRate { rate, exact: false })
    }

    #[test]
    fn reads_decimals_and_fractions() {
        assert_eq!(parse("2"), exact(2_000_000_000));
        assert_eq!(parse("0.5"), exact(500_000_000));
        assert_eq!(parse("1.00005"), exact(1_000_050_000));
        assert_eq!(parse("255"), exact(255_000_000_000));
        assert_eq!(parse("0"), exact(0));
        assert_eq!(parse("1/4"), exact(250_000_000));
        assert_eq!(parse("1/3"), rounded(333_333_333));
        assert_eq!(parse("2/3"), rounded(666_666_667));
        assert_eq!(parse("1.0000000005"), rounded(1_000_000_001));
    }

    #[test]
    fn reads_ppm() {
        assert_eq!(parse_ppm("50"), exact(1_000_050_000));
        assert_eq!(parse_ppm("+50"), exact(1_000_050_000));
        assert_eq!(parse_ppm("-12.5"), exact(999_987_500));
        assert_eq!(parse_ppm("0.001"), exact(1_000_000_001));
        assert_eq!(parse_ppm("0.0001"), rounded(1_000_000_000));
        assert_eq!(parse_ppm("-1000000"), exact(0));
        assert_eq!(parse_ppm("254000000"), exact(255_000_000_000));
    }

    #[test]
    fn reads_deviations() {
        assert_eq!(parse_deviation("50"), Ok(50_000));
        assert_eq!(parse_deviation("0.001"), Ok(1));
        assert_eq!(parse_deviation("999999.999"), Ok(999_999_999));
        for text in ["0", "-1", "0.0005", "1000000", "much", ""] {
            assert_eq!(parse_deviation(text), Err(RateError::Deviation), "{text}");
        }
    }

    #[test]
    fn the_words_of_a_rate_have_their_range() {
        assert_eq!(Rate::from_words(1, 50_000), Rate::from_nanos(1_000_050_000));
        assert_eq!(Rate::from_words(255, 0), Some(Rate::MAX));
        assert_eq!(Rate::from_words(255, 1), None);
        assert_eq!(Rate::from_words(0, 1_000_000_000), None);
        assert_eq!(Rate::from_words(u64::MAX, 0), None);
    }

    #[test]
    fn refuses_rates_out_of_range() {
        for text in [
            "-1",
            "255.000000001",
            "256",
            "511/2",
            "99999999999999999999",
            "99999999999999999999999999999999999999999999",
            "-99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(parse(text), Err(RateError::OutOfRange), "{text}");
        }
        for text in ["-1000000.001", "254000000.001"] {
            assert_eq!(parse_ppm(text), Err(RateError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn refuses_malformed_rates() {
        for text in [
            "", "fast", "2x", "1/0", "1/", "/2", "-1/2", "1.5/2", "1/2/3", "1e-3", "+1/2",
        ] {
            assert_eq!(parse(text), Err(RateError::Malformed), "{text}");
        }
        for text in ["", "ppm", "50ppm", "1/2"] {
            assert_eq!(parse_ppm(text), Err(RateError::MalformedPpm), "{text}");
        }
    }

    #[test]
    fn never_rounds_a_slow_clock_to_a_frozen_one() {
        assert_eq!(parse("0.0000000004"), Err(RateError::TooSmall));
        assert_eq!(parse("1/10000000000"), Err(RateError::TooSmall));
        assert_eq!(parse_ppm("-999999.9999"), Err(RateError::TooSmall));
        assert_eq!(parse("0.0000000005"), rounded(1));
        assert_eq!(parse("0.000"), exact(0));
    }

    #[test]
    fn tells_drift_in_ppm_or_as_a_factor() {
        let drift = |nanos| Rate::from_nanos(nanos).unwrap().drift();
        assert_eq!(drift(1_000_000_000), "0");
        assert_eq!(drift(1_000_050_000), "+50 ppm");
        assert_eq!(drift(999_987_500), "-12.5 ppm");
        assert_eq!(drift(1_010_000_000), "+10000 ppm");
        assert_eq!(drift(2_000_000_000), "×2");
        assert_eq!(drift(333_333_333), "×0.333333333");
        assert_eq!(drift(0), "frozen");
    }

    #[test]
    fn tells_machines_the_shortest_number() {
        let rate = Rate::from_nanos(1_000_050_000).unwrap();
        assert_eq!(serde_json::to_string(&rate).unwrap(), "1.00005");
        assert_eq!(serde_json::to_string(&rate.gain_ppm()).unwrap(), "50.0");
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(nanos in 0..=Rate::MAX.nanos) {
            let rate = Rate::from_nanos(nanos).unwrap();
            prop_assert_eq!(parse(&rate.to_string()), Ok(AskedRate { rate, exact: true }));
        }

        #[test]
        fn words_make_up_the_rate(nanos in 0..=Rate::MAX.nanos) {
            let (secs, rest) = Rate::from_nanos(nanos).unwrap().words();
            prop_assert!(rest < UNITY);
            prop_assert_eq!(secs * UNITY + rest, nanos);
        }

        #[test]
        fn fractions_round_to_nearest(numerator in 0u64..1 << 40, denominator in 1u64..1 << 40) {
            let result = parse(&format!("{numerator}/{denominator}"));
            if let Ok(asked) = result {
                let set = i128::from(asked.rate.nanos) * i128::from(denominator);
                let wanted = i128::from(numerator) * BILLION;
                prop_assert!((set - wanted).abs() * 2 <= i128::from(denominator));
                prop_assert_eq!(asked.exact, set == wanted);
            } else {
                let quotient = numerator as f64 / denominator as f64;
                prop_assert!(!(1e-9..=254.999).contains(&quotient));
            }
        }

        #[test]
        fn ppm_is_the_gain(micro_ppm in -1_000_000_000i64..=254_000_000_000) {
            let asked = parse_ppm(&decimal::format_signed(micro_ppm.into(), 3)).unwrap();
            prop_assert!(asked.exact);
            prop_assert_eq!(asked.rate.nanos as i64 - UNITY as i64, micro_ppm);
        }
    }
}
