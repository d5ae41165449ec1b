// SPDX-License-Identifier: GPL-2.0

//! What user space asks of a clock, and the lines it writes for that.
//!
//! ```text
//! monotonic SECS NSECS    offset from the host's clock of the same name
//! boottime  SECS NSECS    likewise
//! realtime  SECS NSECS    likewise
//! rate      SECS NSECS    namespace time per reference second
//! ```
//!
//! `SECS` may be negative, `NSECS` is below 10^9 and counts up from `SECS`. Up to one
//! line of each kind, in any order. No dependency on the kernel: this is tested on the host.

use super::arith::{
    error::Error,
    rate::Rate, //
};

const NSEC_PER_SEC: i64 = 1_000_000_000;

/// A request: what each line says, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Offset of MONOTONIC from the host's clock, ns.
    pub monotonic: Option<i64>,
    /// Offset of BOOTTIME from the host's clock, ns.
    pub boottime: Option<i64>,
    /// Offset of REALTIME from the host's clock, ns.
    pub realtime: Option<i64>,
    /// Base rate.
    pub rate: Option<Rate>,
}

impl Request {
    /// The request that `text` makes.
    ///
    /// Fails with [`Error::Malformed`] if a line is not of the form above, has a name that
    /// is not one of these, or is the second with its name, or if there is no line; and
    /// with [`Error::OutOfRange`] if a number is too large for any clock.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut request = Self::default();
        // What is malformed is said first, wherever it is: mainline's parser reads all lines
        // before it looks at a value.
        let mut range = Ok(());
        for line in text.split(|byte| *byte == b'\n') {
            match request.add(line) {
                Err(Error::Malformed) => return Err(Error::Malformed),
                result => range = range.and(result),
            }
        }
        range.map(|()| request)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Error> {
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let (Some(name), Some(secs), Some(nsecs), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Error::Malformed);
        };
        let secs = signed(secs)?;
        let nsecs = unsigned(nsecs)?
            .and_then(|nsecs| i64::try_from(nsecs).ok())
            .filter(|nsecs| *nsecs < NSEC_PER_SEC)
            .ok_or(Error::Malformed)?;

        // The numbers are aliases that mainline knows, of the clock ids.
        match name {
            b"monotonic" | b"1" => set_offset(&mut self.monotonic, secs, nsecs),
            b"boottime" | b"7" => set_offset(&mut self.boottime, secs, nsecs),
            b"realtime" => set_offset(&mut self.realtime, secs, nsecs),
            b"rate" => set_rate(&mut self.rate, secs, nsecs),
            _ => Err(Error::Malformed),
        }
    }
}

fn set_offset(slot: &mut Option<i64>, secs: Option<i64>, nsecs: i64) -> Result<(), Error> {
    if slot.is_some() {
        return Err(Error::Malformed);
    }
    // Filled in any case, so that a second line is noticed after one that is out of range.
    let offset = secs
        .and_then(|secs| secs.checked_mul(NSEC_PER_SEC))
        .and_then(|ns| ns.checked_add(nsecs));
    *slot = Some(offset.unwrap_or_default());
    offset.map(|_| ()).ok_or(Error::OutOfRange)
}

fn set_rate(slot: &mut Option<Rate>, secs: Option<i64>, nsecs: i64) -> Result<(), Error> {
    if slot.is_some() {
        return Err(Error::Malformed);
    }
    let rate = secs
        .ok_or(Error::OutOfRange)
        .and_then(|secs| Rate::from_parts(secs, nsecs));
    *slot = Some(rate.unwrap_or(Rate::ZERO));
    rate.map(|_| ())
}

/// A decimal number. [`None`] if it has more than 64 bits.
fn unsigned(word: &[u8]) -> Result<Option<u64>, Error> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return Err(Error::Malformed);
    }
    Ok(word.iter().try_fold(0u64, |number, digit| {
        number
            .checked_mul(10)?
            .checked_add(u64::from(digit.wrapping_sub(b'0')))
    }))
}

/// A decimal number, maybe with a minus sign. [`None`] if it has more than 64 bits.
fn signed(word: &[u8]) -> Result<Option<i64>, Error> {
    match word.strip_prefix(b"-") {
        Some(digits) => Ok(unsigned(digits)?.and_then(|number| 0i64.checked_sub_unsigned(number))),
        None => Ok(unsigned(word)?.and_then(|number| i64::try_from(number).ok())),
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_request))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    fn malformed(text: &[u8]) -> bool {
        Request::parse(text) == Err(Error::Malformed)
    }

    fn out_of_range(text: &[u8]) -> bool {
        Request::parse(text) == Err(Error::OutOfRange)
    }

    #[test]
    fn all_four_lines() {
        let text = b"monotonic 1 5\n boottime -2 999999999\nrealtime\t-3 0\nrate 1 50000\n";
        let request = Request::parse(text);
        assert_eq!(request.map(|r| r.monotonic), Ok(Some(1_000_000_005)));
        assert_eq!(request.map(|r| r.boottime), Ok(Some(-1_000_000_001)));
        assert_eq!(request.map(|r| r.realtime), Ok(Some(-3_000_000_000)));
        assert_eq!(
            request.map(|r| r.rate),
            Ok(Rate::from_parts(1, 50_000).ok())
        );
    }

    #[test]
    fn lines_that_are_not_there() {
        let request = Request::parse(b"rate 0 0");
        assert_eq!(request.map(|r| r.rate), Ok(Some(Rate::ZERO)));
        assert_eq!(request.map(|r| r.monotonic), Ok(None));
        assert_eq!(request.map(|r| r.realtime), Ok(None));
    }

    #[test]
    fn malformed_lines() {
        assert!(malformed(b""));
        assert!(malformed(b"\n"));
        assert!(malformed(b"rate"));
        assert!(malformed(b"rate 1"));
        assert!(malformed(b"rate 1 0 0"));
        assert!(malformed(b"rate 1.5 0"));
        assert!(malformed(b"rate +1 0"));
        assert!(malformed(b"rate - 0"));
        assert!(malformed(b"rate 1 -1"));
        assert!(malformed(b"rate 1 1000000000"));
        assert!(malformed(b"rate 1 99999999999999999999999"));
        assert!(malformed(b"rate 1 0\n\nrealtime 1 0\n"));
        assert!(malformed(b"rate 1 0\nrate 1 0\n"));
        assert!(malformed(b"realtime 1 0\nrealtime 1 0\n"));
        assert!(malformed(b"tai 1 0\n"));
        assert!(malformed(b"rate 1 0\0"));
    }

    #[test]
    fn numbers_out_of_range() {
        assert!(out_of_range(b"rate 256 0"));
        assert!(out_of_range(b"rate 255 1"));
        assert!(out_of_range(b"rate -1 0"));
        assert!(out_of_range(b"rate 99999999999999999999999 0"));
        assert!(out_of_range(b"realtime 9223372037 0"));
        assert!(out_of_range(b"realtime -9223372037 0"));
        assert!(malformed(b"rate 256 0\nrate 1 0"));
        assert!(malformed(b"realtime 9223372037 0\nrealtime 1 x"));
    }
}
