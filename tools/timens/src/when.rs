// SPDX-License-Identifier: GPL-2.0

//! Dates and durations, as people write them.

use crate::decimal::{self, BILLION};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, ZonedDateTime};

/// The last second that the kernel lets a clock be set to: half of what its 64-bit count of ns
/// can reach, so that the clock has as long again to run.
pub(crate) const LAST_SECOND: i64 = i64::MAX / BILLION as i64 / 2; // CAST: fits.

/// Why a text is no date or duration, or one that a clock cannot have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhenError {
    /// No date.
    #[error(
        "{0}; a date is YYYY-MM-DD[ HH:MM[:SS]] in local time, an RFC 3339 time such as \
         2030-01-01T12:00:00Z, or @SECONDS since 1970"
    )]
    Date(jiff::Error),
    /// `@` without a number.
    #[error("after @ come the seconds since 1970, such as @1893456000 or @1893456000.5")]
    Epoch,
    /// A date that no clock can have.
    #[error("the date is before 1970-01-01 00:00 UTC, where CLOCK_REALTIME starts")]
    BeforeEpoch,
    /// A date that the kernel does not let a clock be set to.
    #[error("the date is after 2116-02-20 23:53:38 UTC, the last that the kernel lets a clock be set to")]
    TooLate,
    /// No duration.
    #[error(
        "{0}; a duration is a number of seconds such as 90 or -1.5, or has units such as 36h, \
         -1d2h, '+2 days' or 1y6mo"
    )]
    Duration(jiff::Error),
    /// A duration too long for anything.
    #[error("the duration is too long")]
    TooLong,
    /// A period in which nothing can be done.
    #[error("a period is at least a millisecond, which is what a change takes")]
    TooShort,
    /// A step that goes nowhere.
    #[error("a step of 0 is none")]
    Nowhere,
    /// Months and years where there is no calendar.
    #[error("years and months have no fixed length: use weeks, days or less")]
    NoCalendar,
}

/// The local time zone; where there is none, UTC, as with the C library.
pub(crate) fn local_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Reads a date; one without a time zone is in `zone`, which is only asked for then.
pub(crate) fn parse_date(
    text: &str,
    zone: impl FnOnce() -> TimeZone,
) -> Result<Timestamp, WhenError> {
    match text.strip_prefix('@') {
        Some(seconds) => parse_epoch(seconds),
        None => parse_calendar(text, zone).map_err(WhenError::Date),
    }
    .and_then(possible)
}

fn parse_epoch(seconds: &str) -> Result<Timestamp, WhenError> {
    let nanos = decimal::parse(seconds, 9).ok_or(WhenError::Epoch)?.units;
    Timestamp::from_nanosecond(nanos).map_err(|_| match nanos < 0 {
        true => WhenError::BeforeEpoch,
        false => WhenError::TooLate,
    })
}

fn parse_calendar(text: &str, zone: impl FnOnce() -> TimeZone) -> Result<Timestamp, jiff::Error> {
    if text.contains('[') {
        return Ok(text.parse::<ZonedDateTime>()?.timestamp());
    }
    // With an offset first: a civil date and time would be read without it.
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    zone().to_timestamp(text.parse::<DateTime>()?)
}

/// The date, if the kernel lets a clock be set to it.
pub(crate) fn possible(date: Timestamp) -> Result<Timestamp, WhenError> {
    if date < Timestamp::UNIX_EPOCH {
        Err(WhenError::BeforeEpoch)
    } else if date.as_second() > LAST_SECOND {
        Err(WhenError::TooLate)
    } else {
        Ok(date)
    }
}

/// Reads a duration: plain seconds, jiff's friendly form, or ISO 8601's.
pub(crate) fn parse_span(text: &str) -> Result<Span, WhenError> {
    let Some(seconds) = decimal::parse(text, 9) else {
        return text.parse().map_err(WhenError::Duration);
    };
    let whole = i64::try_from(seconds.units / BILLION).map_err(|_| WhenError::TooLong)?;
    // CAST: the remainder is within 10^9 of zero.
    let rest = (seconds.units % BILLION) as i64;
    Span::new()
        .try_seconds(whole)
        .and_then(|span| span.try_nanoseconds(rest))
        .map_err(|_| WhenError::TooLong)
}

/// The length of a span that has one without a calendar; a day has 24 hours.
pub(crate) fn fixed_length(span: Span) -> Result<SignedDuration, WhenError> {
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(WhenError::NoCalendar);
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| WhenError::TooLong)
}

/// The length of `span` when it begins at `now`.
///
/// Counted in UTC, where only months and years vary in length.
pub(crate) fn length_from(span: Span, now: Timestamp) -> Result<SignedDuration, WhenError> {
    let out_of_range = |_| match span.is_negative() {
        true => WhenError::BeforeEpoch,
        false => WhenError::TooLate,
    };
    let then = now
        .to_zoned_datetime(TimeZone::UTC)
        .checked_add(span)
        .map_err(out_of_range)?;
    Ok(possible(then.timestamp())?.duration_since(now))
}

/// The date in `zone` for people to read, to the second.
pub(crate) fn brief(date: Timestamp, zone: &TimeZone) -> String {
    let date = date.to_zoned_datetime(zone.clone());
    date.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The date in `zone` for people to read, in full; `--date` takes it.
pub(crate) fn full(date: Timestamp, zone: &TimeZone) -> String {
    let date = date.to_zoned_datetime(zone.clone());
    date.strftime("%Y-%m-%d %H:%M:%S.%9f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::Offset;
    use proptest::prelude::*;

    fn two_hours_east() -> TimeZone {
        TimeZone::fixed(Offset::constant(2))
    }

    fn date(text: &str) -> String {
        parse_date(text, two_hours_east).unwrap().to_string()
    }

    fn length(text: &str) -> SignedDuration {
        fixed_length(parse_span(text).unwrap()).unwrap()
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn reads_local_dates() {
        assert_eq!(date("2030-01-01"), "2029-12-31T22:00:00Z");
        assert_eq!(date("2030-01-01 12:30"), "2030-01-01T10:30:00Z");
        assert_eq!(date("2030-01-01 12:30:15.25"), "2030-01-01T10:30:15.25Z");
        assert_eq!(date("2030-01-01T12:30"), "2030-01-01T10:30:00Z");
    }

    #[test]
    fn reads_dates_that_bring_their_zone() {
        assert_eq!(date("2030-01-01T12:00:00Z"), "2030-01-01T12:00:00Z");
        assert_eq!(date("2030-01-01 12:00:00+01:00"), "2030-01-01T11:00:00Z");
        assert_eq!(date("2030-01-01T12:00-05"), "2030-01-01T17:00:00Z");
        assert_eq!(date("2030-01-01T12:00[UTC]"), "2030-01-01T12:00:00Z");
    }

    #[test]
    fn reads_seconds_since_1970() {
        assert_eq!(date("@0"), "1970-01-01T00:00:00Z");
        assert_eq!(date("@1893456000.5"), "2030-01-01T00:00:00.5Z");
        assert_eq!(date("@0.000000001"), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn refuses_dates_that_a_clock_cannot_have() {
        for text in [
            "1969-12-31T23:59:59.999999999Z",
            "1970-01-01 01:59:59",
            "@-0.000000001",
            "-000044-03-15T00Z",
            "@-99999999999999",
        ] {
            let result = parse_date(text, two_hours_east);
            assert!(
                matches!(result, Err(WhenError::BeforeEpoch)),
                "{text}: {result:?}"
            );
        }
        for text in [
            "2116-02-20T23:53:39Z",
            "@4611686019",
            "9999-01-01",
            "@99999999999999",
        ] {
            let result = parse_date(text, two_hours_east);
            assert!(
                matches!(result, Err(WhenError::TooLate)),
                "{text}: {result:?}"
            );
        }
        assert_eq!(date("1970-01-01 02:00"), "1970-01-01T00:00:00Z");
        assert_eq!(
            date("2116-02-20T23:53:38.999999999Z"),
            "2116-02-20T23:53:38.999999999Z"
        );
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "tomorrow",
            "2030",
            "2030-13-01",
            "2030-02-30",
            "12:00",
            "2030-01-01T25:00",
            "2030-01-01T12:00Zulu",
            "2030-01-01+01:00",
            "2030-01-01T00:00[Nowhere/City]",
        ] {
            let result = parse_date(text, two_hours_east);
            assert!(
                matches!(result, Err(WhenError::Date(_))),
                "{text}: {result:?}"
            );
        }
        for text in ["@", "@now", "@1e9", "@ 5"] {
            let result = parse_date(text, two_hours_east);
            assert!(
                matches!(result, Err(WhenError::Epoch)),
                "{text}: {result:?}"
            );
        }
    }

    #[test]
    fn reads_durations_with_and_without_units() {
        assert_eq!(length("90"), SignedDuration::from_secs(90));
        assert_eq!(length("+90"), SignedDuration::from_secs(90));
        assert_eq!(length("-1.5"), SignedDuration::from_millis(-1500));
        assert_eq!(length("90s"), SignedDuration::from_secs(90));
        assert_eq!(length("-1d2h"), SignedDuration::from_hours(-26));
        assert_eq!(length("+2 days"), SignedDuration::from_hours(48));
        assert_eq!(length("1 day ago"), SignedDuration::from_hours(-24));
        assert_eq!(length("1.5h"), SignedDuration::from_mins(90));
        assert_eq!(length("1w"), SignedDuration::from_hours(7 * 24));
        assert_eq!(length("-PT36H"), SignedDuration::from_hours(-36));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "soon", "1x", "1d 2", "h", "1.5d", "--1d"] {
            let result = parse_span(text);
            assert!(
                matches!(result, Err(WhenError::Duration(_))),
                "{text}: {result:?}"
            );
        }
        for text in ["99999999999999", "-99999999999999999999999999"] {
            let result = parse_span(text);
            assert!(
                matches!(result, Err(WhenError::TooLong)),
                "{text}: {result:?}"
            );
        }
        let result = fixed_length(parse_span("1y").unwrap());
        assert!(matches!(result, Err(WhenError::NoCalendar)), "{result:?}");
        let result = fixed_length(parse_span("-1mo").unwrap());
        assert!(matches!(result, Err(WhenError::NoCalendar)), "{result:?}");
    }

    #[test]
    fn months_and_years_follow_the_calendar() {
        let leap_day = instant("2024-02-29T12:00:00Z");
        let days = |count: i64| SignedDuration::from_hours(24 * count);
        let from = |text| length_from(parse_span(text).unwrap(), leap_day).unwrap();
        assert_eq!(from("1y"), days(365));
        assert_eq!(from("4y"), days(4 * 365 + 1));
        assert_eq!(from("-1mo"), days(-31));
        assert_eq!(from("1d"), days(1));
        assert_eq!(from("-0.5"), SignedDuration::from_millis(-500));
    }

    #[test]
    fn an_offset_must_lead_to_a_possible_date() {
        let now = instant("2026-01-01T00:00:00Z");
        let from = |text| length_from(parse_span(text).unwrap(), now);
        assert!(matches!(from("-57y"), Err(WhenError::BeforeEpoch)));
        assert!(matches!(from("-19000y"), Err(WhenError::BeforeEpoch)));
        assert!(matches!(from("+91y"), Err(WhenError::TooLate)));
        assert!(matches!(from("+19000y"), Err(WhenError::TooLate)));
        assert!(from("-56y").is_ok() && from("+90y").is_ok());
    }

    #[test]
    fn writes_dates_in_the_zone() {
        let date = instant("2030-01-01T12:00:00.5Z");
        assert_eq!(brief(date, &two_hours_east()), "2030-01-01 14:00:00");
        assert_eq!(
            full(date, &two_hours_east()),
            "2030-01-01 14:00:00.500000000+02:00"
        );
    }

    proptest! {
        #[test]
        fn written_dates_read_back(second in 0..=LAST_SECOND, nanosecond in 0i32..1_000_000_000) {
            let date = Timestamp::new(second, nanosecond).unwrap();
            let text = full(date, &two_hours_east());
            prop_assert_eq!(parse_date(&text, || TimeZone::UTC).unwrap(), date);
        }

        #[test]
        fn plain_seconds_are_exact(nanos in -1i128 << 62..1 << 62) {
            prop_assert_eq!(length(&decimal::format_signed(nanos, 9)).as_nanos(), nanos);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse_date(&text, || TimeZone::UTC);
            if let Ok(span) = parse_span(&text) {
                let _ = length_from(span, Timestamp::UNIX_EPOCH);
            }
        }
    }
}
