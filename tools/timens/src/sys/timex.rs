// SPDX-License-Identifier: GPL-2.0

//! clock_adjtime(2) on the clock of the time namespace that this process is in, and its time zone.

use super::last_error;
use rustix::io::Errno;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

/// Status bit: there is a phase-locked loop that follows offsets.
pub(crate) const STA_PLL: i32 = libc::STA_PLL;
/// Status bit: a second is to be inserted at the end of the day.
pub(crate) const STA_INS: i32 = libc::STA_INS;
/// Status bit: a second is to be left out at the end of the day.
pub(crate) const STA_DEL: i32 = libc::STA_DEL;
/// Status bit: offsets are in ns.
pub(crate) const STA_NANO: i32 = libc::STA_NANO;
/// The status bits that only the kernel sets.
pub(crate) const STA_RONLY: i32 = libc::STA_RONLY;

/// What one call changes. Those of the fields that are there take effect, in the kernel's order,
/// which is the one here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Adjustment {
    /// The status bits.
    pub(crate) status: Option<i32>,
    /// Whether offsets are in ns from now on, in this call too, or in µs.
    pub(crate) nano: Option<bool>,
    /// The frequency in 2^-16 ppm.
    pub(crate) freq: Option<i64>,
    /// µs.
    pub(crate) maxerror: Option<i64>,
    /// µs.
    pub(crate) esterror: Option<i64>,
    /// What the time constant of the loop or TAI less UTC is to be, which share a field.
    pub(crate) constant: Option<Constant>,
    /// An offset for the loop, in ns or µs.
    pub(crate) offset: Option<i64>,
    /// The length of a tick in µs.
    pub(crate) tick: Option<i64>,
}

/// What it changes, in the words of adjtimex(2).
impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (constant, tai) = match self.constant {
            Some(Constant::Time(value)) => (Some(value), None),
            Some(Constant::Tai(value)) => (None, Some(value)),
            None => (None, None),
        };
        let unit = self.nano.map(|nano| if nano { "ns" } else { "us" });
        let fields = [
            ("status", self.status.map(i64::from)),
            ("freq", self.freq),
            ("maxerror", self.maxerror),
            ("esterror", self.esterror),
            ("constant", constant),
            ("tai", tai),
            ("offset", self.offset),
            ("tick", self.tick),
        ];
        let mut words: Vec<String> = fields
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", (*value)?)))
            .collect();
        words.extend(unit.map(str::to_owned));
        f.write_str(&words.join(", "))
    }
}

/// A value that goes into the field `constant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constant {
    /// The time constant of the loop.
    Time(i64),
    /// TAI less UTC, seconds.
    Tai(i64),
}

impl Adjustment {
    /// Makes the change.
    pub(crate) fn apply(self) -> Result<(), Errno> {
        call(self.request()).map(drop)
    }

    fn request(self) -> libc::timex {
        let mut timex = zeroed();
        if let Some(status) = self.status {
            timex.modes |= libc::ADJ_STATUS;
            timex.status = status;
        }
        match self.nano {
            Some(true) => timex.modes |= libc::ADJ_NANO,
            Some(false) => timex.modes |= libc::ADJ_MICRO,
            None => {}
        }
        match self.constant {
            Some(Constant::Time(value)) => {
                timex.modes |= libc::ADJ_TIMECONST;
                timex.constant = value;
            }
            Some(Constant::Tai(value)) => {
                timex.modes |= libc::ADJ_TAI;
                timex.constant = value;
            }
            None => {}
        }
        let fields = [
            (libc::ADJ_FREQUENCY, self.freq, &mut timex.freq),
            (libc::ADJ_MAXERROR, self.maxerror, &mut timex.maxerror),
            (libc::ADJ_ESTERROR, self.esterror, &mut timex.esterror),
            (libc::ADJ_OFFSET, self.offset, &mut timex.offset),
            (libc::ADJ_TICK, self.tick, &mut timex.tick),
        ];
        for (mode, value, field) in fields {
            if let Some(value) = value {
                timex.modes |= mode;
                *field = value;
            }
        }
        timex
    }
}

/// Starts a slew by `micros`, in place of one that is under way; returns what was left of that.
pub(crate) fn slew(micros: i64) -> Result<i64, Errno> {
    let mut timex = zeroed();
    timex.modes = libc::ADJ_OFFSET_SINGLESHOT;
    timex.offset = micros;
    call(timex).map(|answer| answer.offset)
}

/// What is left of a slew, in µs.
pub(crate) fn slew_left() -> Result<i64, Errno> {
    let mut timex = zeroed();
    timex.modes = libc::ADJ_OFFSET_SS_READ;
    call(timex).map(|answer| answer.offset)
}

/// Sets the time zone: minutes west of UTC, and the kind of daylight saving time.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn set_timezone(minutes_west: i32, dst: i32) -> Result<(), Errno> {
    let zone = [minutes_west, dst];
    // SAFETY: the kernel's struct timezone is two int. The C library's own function of this name
    // need not know it.
    match unsafe {
        libc::syscall(
            libc::SYS_settimeofday,
            ptr::null::<libc::timeval>(),
            zone.as_ptr(),
        )
    } {
        -1 => Err(last_error()),
        _ => Ok(()),
    }
}

#[expect(unsafe_code, reason = "a system call")]
fn call(mut timex: libc::timex) -> Result<libc::timex, Errno> {
    // SAFETY: `timex` is valid, and may be written to.
    match unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, &mut timex) } {
        -1 => Err(last_error()),
        _ => Ok(timex),
    }
}

#[expect(unsafe_code, reason = "the structure has padding with private names")]
fn zeroed() -> libc::timex {
    // SAFETY: a structure of numbers, of which 0 is one.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_changes_what_it_names_and_nothing_else() {
        let nothing = Adjustment::default().request();
        assert_eq!(nothing.modes, 0);
        let adjustment = Adjustment {
            freq: Some(-5),
            tick: Some(9000),
            nano: Some(true),
            ..Adjustment::default()
        };
        let request = adjustment.request();
        assert_eq!(
            request.modes,
            libc::ADJ_FREQUENCY | libc::ADJ_TICK | libc::ADJ_NANO
        );
        assert_eq!((request.freq, request.tick, request.offset), (-5, 9000, 0));
    }

    #[test]
    fn a_call_is_told_in_the_kernels_words() {
        let adjustment = Adjustment {
            status: Some(1),
            nano: Some(true),
            constant: Some(Constant::Tai(37)),
            ..Adjustment::default()
        };
        assert_eq!(adjustment.to_string(), "status 1, tai 37, ns");
    }

    #[test]
    fn the_unit_of_offsets_is_one_or_the_other() {
        let modes = |nano| {
            let adjustment = Adjustment {
                nano,
                ..Adjustment::default()
            };
            adjustment.request().modes
        };
        assert_eq!(modes(Some(true)), libc::ADJ_NANO);
        assert_eq!(modes(Some(false)), libc::ADJ_MICRO);
        assert_eq!(modes(None), 0);
    }

    #[test]
    fn the_shared_field_is_one_or_the_other() {
        let request = |constant| {
            let adjustment = Adjustment {
                constant: Some(constant),
                ..Adjustment::default()
            };
            let timex = adjustment.request();
            (timex.modes, timex.constant)
        };
        assert_eq!(request(Constant::Time(3)), (libc::ADJ_TIMECONST, 3));
        assert_eq!(request(Constant::Tai(37)), (libc::ADJ_TAI, 37));
    }

    #[test]
    fn reading_needs_no_privilege() {
        assert!(slew_left().is_ok());
    }
}
