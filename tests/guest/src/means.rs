// SPDX-License-Identifier: GPL-2.0

//! The means to set `CLOCK_REALTIME`.

use std::fmt;

use rustix::io::Errno;

use crate::clock::Clock;
use crate::failure::Outcome;
use crate::sys::Ns;
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timex::{modes, Adjuster, Timex};

const SEC: Ns = 1_000_000_000;

/// `clock_settime()`.
pub(crate) const CLOCK_SETTIME: Number = Number::timed(libc::SYS_clock_settime, 264, 404);
/// `settimeofday()`, which 32-bit programs have with 32-bit times only.
pub(crate) const SETTIMEOFDAY: Number = Number::plain(libc::SYS_settimeofday, 79);
/// `stime()`, which only 32-bit programs have.
pub(crate) const STIME: Number = Number::plain(-1, 25);

/// What has become of REALTIME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It was set to that.
    To(Ns),
    /// It was moved ahead by that.
    By(Ns),
}

/// A way to set it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Means {
    ClockSettime(Entry, Place),
    Settimeofday(Entry, Place),
    Stime(Place),
    /// In nanoseconds, or else in microseconds.
    Step(Adjuster, bool),
}

impl Means {
    /// All of them.
    pub(crate) fn all() -> Outcome<Vec<Self>> {
        let mut all = vec![Self::Stime(Place::zeroed(8)?)];
        for &entry in Entry::ALL {
            all.push(Self::ClockSettime(entry, Place::zeroed(16)?));
        }
        for &entry in Entry::OLD {
            all.push(Self::Settimeofday(entry, Place::zeroed(16)?));
        }
        for adjuster in Adjuster::all()? {
            all.extend([Self::Step(adjuster, false), Self::Step(adjuster, true)]);
        }
        Ok(all)
    }

    /// `clock_settime()` of a 64-bit program.
    pub(crate) fn usual() -> Outcome<Self> {
        Ok(Self::ClockSettime(Entry::Native, Place::zeroed(16)?))
    }

    /// Sets REALTIME to `time`, which 32 bits have to be enough for, or about that.
    pub(crate) fn set(self, time: Ns) -> Outcome<Result<Moved, Errno>> {
        let to = |unit: Ns| Moved::To(time / unit * unit);
        Ok(match self {
            Self::ClockSettime(entry, place) => {
                place.write(0, &entry.timespec(time));
                syscall!(entry, CLOCK_SETTIME, libc::CLOCK_REALTIME, &place).map(|_| to(1))
            }
            Self::Settimeofday(entry, place) => {
                place.write(0, &entry.timeval(time));
                syscall!(entry, SETTIMEOFDAY, &place, Arg::NULL).map(|_| to(1000))
            }
            Self::Stime(place) => {
                place.write(0, &((time / SEC) as i32).to_ne_bytes());
                syscall!(Entry::Time32, STIME, &place).map(|_| to(SEC))
            }
            Self::Step(adjuster, nano) => {
                let (unit, more) = match nano {
                    true => (1, modes::NANO),
                    false => (1000, 0),
                };
                let by = (time - Clock::Realtime.now()?).div_euclid(unit) * unit;
                let request = Timex::of(modes::SETOFFSET | more).step(
                    by.div_euclid(SEC) as i64,
                    (by.rem_euclid(SEC) / unit) as i64,
                );
                adjuster.call(&request).0.map(|_| Moved::By(by))
            }
        })
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockSettime(entry, _) => write!(f, "clock_settime/{entry}"),
            Self::Settimeofday(entry, _) => write!(f, "settimeofday/{entry}"),
            Self::Stime(_) => write!(f, "stime/32"),
            Self::Step(adjuster, true) => write!(f, "{adjuster} by ns"),
            Self::Step(adjuster, false) => write!(f, "{adjuster} by us"),
        }
    }
}
