// SPDX-License-Identifier: GPL-2.0

//! Decimal numbers read as exact integers.
//!
//! The kernel takes integers only, and a rate of `1.00005` is not a binary fraction: a float
//! between the two would set a clock a little beside what was asked.

/// 10^9: the nanoseconds in a second, and the units of a rate in the whole.
pub(crate) const BILLION: i128 = 1_000_000_000;

/// A decimal number as an integral count of units of `10^-places`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scaled {
    /// The number times `10^places`, rounded to nearest, halves away from zero.
    pub(crate) units: i128,
    /// Whether nothing was lost by rounding.
    pub(crate) exact: bool,
}

/// Reads `[+-]DIGITS[.DIGITS]`, with at least one digit, in units of `10^-places`.
///
/// `None` when the text is no such number. One that does not fit is the largest that does.
pub(crate) fn parse(text: &str, places: usize) -> Option<Scaled> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }

    let (kept, lost) = fraction.split_at(fraction.len().min(places));
    let padding = std::iter::repeat_n(b'0', places - kept.len());
    let mut units: i128 = 0;
    for digit in whole.bytes().chain(kept.bytes()).chain(padding) {
        units = units
            .saturating_mul(10)
            .saturating_add(i128::from(digit - b'0'));
    }
    if lost.bytes().next().is_some_and(|digit| digit >= b'5') {
        units = units.saturating_add(1);
    }
    Some(Scaled {
        units: if negative { -units } else { units },
        exact: lost.bytes().all(|digit| digit == b'0'),
    })
}

/// Writes `units` of `10^-places` as the shortest decimal that reads back as the same.
pub(crate) fn format(units: u128, places: u32) -> String {
    let scale = 10u128.pow(places);
    let whole = units / scale;
    let fraction = units % scale;
    if fraction == 0 {
        return whole.to_string();
    }
    let fraction = format!("{fraction:0width$}", width = places as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Writes it with its sign.
pub(crate) fn format_signed(units: i128, places: u32) -> String {
    sign(units).to_owned() + &format(units.unsigned_abs(), places)
}

/// The sign of a number; 0 has none.
pub(crate) fn sign(number: i128) -> &'static str {
    match number.signum() {
        -1 => "-",
        0 => "",
        _ => "+",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(units: i128) -> Option<Scaled> {
        Some(Scaled { units, exact: true })
    }

    fn rounded(units: i128) -> Option<Scaled> {
        Some(Scaled {
            units,
            exact: false,
        })
    }

    #[test]
    fn reads_decimals_exactly() {
        assert_eq!(parse("2", 9), exact(2_000_000_000));
        assert_eq!(parse("1.00005", 9), exact(1_000_050_000));
        assert_eq!(parse("-0.5", 3), exact(-500));
        assert_eq!(parse("+.5", 3), exact(500));
        assert_eq!(parse("5.", 0), exact(5));
        assert_eq!(parse("0.1000000000000", 9), exact(100_000_000));
    }

    #[test]
    fn rounds_to_nearest_halves_away_from_zero() {
        assert_eq!(parse("0.0004", 3), rounded(0));
        assert_eq!(parse("0.0005", 3), rounded(1));
        assert_eq!(parse("-0.0005", 3), rounded(-1));
        assert_eq!(parse("0.99999", 3), rounded(1000));
        assert_eq!(
            parse("0.00049999999999999999999999999999999999999999", 3),
            rounded(0)
        );
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in [
            "", "-", "+", ".", "-.", "1e3", "1,5", "--1", "1.2.3", " 1", "0x1", "½", "٣",
        ] {
            assert_eq!(parse(text, 9), None, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_the_largest_that_does() {
        assert_eq!(parse(&"9".repeat(44), 9), exact(i128::MAX));
        assert_eq!(
            parse(&("-".to_owned() + &"9".repeat(44)), 9),
            exact(-i128::MAX)
        );
        assert_eq!(
            parse(&format!("{}1", "0".repeat(100)), 9),
            exact(1_000_000_000)
        );
    }

    #[test]
    fn writes_the_sign_of_what_has_one() {
        assert_eq!(format_signed(50_000, 3), "+50");
        assert_eq!(format_signed(-1, 3), "-0.001");
        assert_eq!(format_signed(0, 3), "0");
    }

    proptest! {
        #[test]
        fn format_and_parse_are_inverse(units: u64) {
            prop_assert_eq!(parse(&format(units.into(), 9), 9), exact(units.into()));
        }

        #[test]
        fn rounding_moves_by_half_a_unit_at_most(units in -1_000_000_000_000i128..1_000_000_000_000) {
            let coarse = parse(&format_signed(units, 9), 3).unwrap();
            let error = coarse.units * 1_000_000 - units;
            prop_assert!(error.abs() <= 500_000);
            prop_assert_eq!(coarse.exact, error == 0);
        }
    }
}
