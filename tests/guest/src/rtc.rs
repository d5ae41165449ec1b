// SPDX-License-Identifier: GPL-2.0

//! The machine's clock that runs while it is off.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::failure::{Context, Outcome};
use crate::timers::entry::{syscall, Entry, Number};
use crate::timers::place::Place;

const IOCTL: Number = Number::plain(libc::SYS_ioctl, 54);
/// `RTC_RD_TIME`
const READ_TIME: i32 = 0x8024_7009_u32 as i32;

/// What it reads, in seconds of UTC.
pub(crate) fn read() -> Outcome<i64> {
    let file = File::open("/dev/rtc0").context("/dev/rtc0")?;
    // Second, minute, hour, day, month from 0 on, year from 1900 on; then what follows from that.
    let time = Place::zeroed(36)?;
    syscall!(Entry::Native, IOCTL, file.as_raw_fd(), READ_TIME, &time).context("RTC_RD_TIME")?;
    let [sec, min, hour, day, month, year] =
        std::array::from_fn(|i| i64::from(time.read_u32(4 * i)));
    Ok(((days(year + 1900, month + 1, day) * 24 + hour) * 60 + min) * 60 + sec)
}

/// The days since 1970 of a date of the Gregorian calendar, whose months are counted from 1 on.
///
/// As if the year began in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(days(2038, 1, 19), 24_855);
    }
}
