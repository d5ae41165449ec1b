// SPDX-License-Identifier: GPL-2.0

//! What goes in and out of `adjtimex()`.

use super::{
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    SCALE_SHIFT, //
};

/// `ADJ_*`: what a call changes.
pub mod modes {
    /// Sets the phase offset that the loop works off.
    pub const OFFSET: u32 = 0x0001;
    /// Sets the frequency.
    pub const FREQUENCY: u32 = 0x0002;
    /// Sets the maximum error.
    pub const MAXERROR: u32 = 0x0004;
    /// Sets the estimated error.
    pub const ESTERROR: u32 = 0x0008;
    /// Sets the status bits that can be set.
    pub const STATUS: u32 = 0x0010;
    /// Sets the time constant of the loop.
    pub const TIMECONST: u32 = 0x0020;
    /// Sets TAI - UTC.
    pub const TAI: u32 = 0x0080;
    /// Steps REALTIME.
    pub const SETOFFSET: u32 = 0x0100;
    /// Microseconds from now on.
    pub const MICRO: u32 = 0x1000;
    /// Nanoseconds from now on, and in this call.
    pub const NANO: u32 = 0x2000;
    /// Sets the length of a tick of 1/100 s.
    pub const TICK: u32 = 0x4000;
    /// The call is `adjtime()`: only these three bits count for it, and not as above.
    pub const ADJTIME: u32 = 0x8000;
    /// Has to be there in an `adjtime()`.
    pub const SINGLESHOT: u32 = 0x0001;
    /// The `adjtime()` only reads.
    pub const READONLY: u32 = 0x2000;
}

/// `STA_*`: the status bits.
pub mod status {
    /// Phase offsets are worked off.
    pub const PLL: i32 = 0x0001;
    /// Prefer to lock the frequency.
    pub const FLL: i32 = 0x0008;
    /// Insert a leap second at the end of the day.
    pub const INS: i32 = 0x0010;
    /// Delete the last second of the day.
    pub const DEL: i32 = 0x0020;
    /// The clock is not synchronised.
    pub const UNSYNC: i32 = 0x0040;
    /// Phase offsets leave the frequency alone.
    pub const FREQHOLD: i32 = 0x0080;
    /// The clock has a hardware fault.
    pub const CLOCKERR: i32 = 0x1000;
    /// Nanoseconds, not microseconds.
    pub const NANO: i32 = 0x2000;
    /// The last phase offset went through the frequency-locked loop.
    pub const MODE: i32 = 0x4000;
    /// What a call cannot set: the bits of a pulse-per-second signal, which there is none of, and
    /// those from CLOCKERR on.
    pub const READ_ONLY: i32 = 0xff00;
}

/// What `adjtimex()` returns if it does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeState {
    /// Nothing special.
    Ok = 0,
    /// A leap second will be inserted.
    Insert = 1,
    /// A leap second will be deleted.
    Delete = 2,
    /// The inserted second is now.
    InProgress = 3,
    /// A leap second has been, and is still asked for.
    Wait = 4,
    /// Not synchronised.
    Error = 5,
}

/// Why a call fails. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `EPERM`.
    NotPermitted,
    /// `EINVAL`.
    Invalid,
}

/// The fields of `struct __kernel_timex` but those of a pulse-per-second signal, which
/// are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timex {
    /// What to change, see [`modes`].
    pub modes: u32,
    /// Phase offset, ns or us.
    pub offset: i64,
    /// Frequency offset, 2^-16 ppm.
    pub freq: i64,
    /// Maximum error, us.
    pub maxerror: i64,
    /// Estimated error, us.
    pub esterror: i64,
    /// Status bits, see [`status`].
    pub status: i32,
    /// Time constant of the loop, or TAI - UTC to set.
    pub constant: i64,
    /// Precision of the clock, us. Only read.
    pub precision: i64,
    /// Largest frequency offset, 2^-16 ppm. Only read.
    pub tolerance: i64,
    /// REALTIME, seconds; or how far to step it.
    pub sec: i64,
    /// The part below a second, ns or us.
    pub subsec: i64,
    /// Length of a tick of 1/100 s, us.
    pub tick: i64,
    /// TAI - UTC, seconds. Only read.
    pub tai: i32,
}

impl Timex {
    /// Whether any of the bits `modes` is set.
    pub fn has(&self, modes: u32) -> bool {
        self.modes & modes != 0
    }

    /// The call that reads what is left of an `adjtime()`.
    pub fn reading_adjtime() -> Self {
        Self {
            modes: modes::ADJTIME | modes::SINGLESHOT | modes::READONLY,
            ..Self::default()
        }
    }

    /// Whether the call changes nothing.
    pub fn only_reads(&self) -> bool {
        self.modes == 0 || self.has(modes::ADJTIME) && self.has(modes::READONLY) && !self.steps()
    }

    /// Whether the call steps REALTIME.
    pub fn steps(&self) -> bool {
        self.has(modes::SETOFFSET)
    }

    /// How far REALTIME is stepped: seconds and nanoseconds.
    pub(super) fn step(&self) -> (i64, i64) {
        if self.has(modes::NANO) {
            (self.sec, self.subsec)
        } else {
            (self.sec, self.subsec.saturating_mul(NSEC_PER_USEC))
        }
    }
}

/// User space's ticks a second, on all architectures that this is for.
pub(super) const USER_HZ: i64 = 100;

/// The shortest and the longest tick, us: 10 % off.
const TICK_MIN: i64 = 900_000 / USER_HZ;
const TICK_MAX: i64 = 1_100_000 / USER_HZ;

/// What a frequency of 2^-16 ppm is in scaled ns a second.
pub(super) const FREQ_SCALE: i64 = NSEC_PER_USEC << (SCALE_SHIFT - 16);

/// Checks what can be checked before anything is looked at, in the host's order.
///
/// `permitted` says whether the caller may set the clock, and is asked only if that matters.
pub fn validate(txc: &Timex, mut permitted: impl FnMut() -> bool) -> Result<(), Refusal> {
    let mut permit = |needed: bool| {
        if needed && !permitted() {
            return Err(Refusal::NotPermitted);
        }
        Ok(())
    };
    let demand = |valid: bool| if valid { Ok(()) } else { Err(Refusal::Invalid) };

    if txc.has(modes::ADJTIME) {
        demand(txc.has(modes::SINGLESHOT))?;
        permit(!txc.has(modes::READONLY))?;
    } else {
        permit(txc.modes != 0)?;
        demand(!txc.has(modes::TICK) || (TICK_MIN..=TICK_MAX).contains(&txc.tick))?;
    }
    if txc.has(modes::SETOFFSET) {
        permit(true)?;
        let end = if txc.has(modes::NANO) {
            NSEC_PER_SEC
        } else {
            NSEC_PER_SEC / NSEC_PER_USEC
        };
        demand((0..end).contains(&txc.subsec))?;
    }
    // A larger one is limited. It only must not overflow before.
    demand(!txc.has(modes::FREQUENCY) || txc.freq.checked_mul(FREQ_SCALE).is_some())
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_timex))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    /// What comes of a call of the root user, and of anybody else's.
    fn outcome(txc: Timex) -> (Result<(), Refusal>, Result<(), Refusal>) {
        (validate(&txc, || true), validate(&txc, || false))
    }

    fn call(modes: u32) -> Timex {
        Timex {
            modes,
            tick: 10_000,
            ..Timex::default()
        }
    }

    const FINE: Result<(), Refusal> = Ok(());
    const NOT_PERMITTED: Result<(), Refusal> = Err(Refusal::NotPermitted);
    const INVALID: Result<(), Refusal> = Err(Refusal::Invalid);

    #[test]
    fn everybody_may_read() {
        assert_eq!(outcome(call(0)), (FINE, FINE));
        assert_eq!(outcome(call(0xa001)), (FINE, FINE));
        assert_eq!(outcome(call(modes::STATUS)), (FINE, NOT_PERMITTED));
        assert_eq!(outcome(call(0x8001)), (FINE, NOT_PERMITTED));
        // An unknown bit is a change.
        assert_eq!(outcome(call(0x0040)), (FINE, NOT_PERMITTED));
    }

    #[test]
    fn reading_adjtime_does_not_permit_a_step() {
        let txc = call(0xa001 | modes::SETOFFSET);
        assert_eq!(outcome(txc), (FINE, NOT_PERMITTED));
    }

    #[test]
    fn some_calls_only_read() {
        assert!(call(0).only_reads());
        assert!(Timex::reading_adjtime().only_reads());
        assert!(!call(0x8001).only_reads());
        assert!(!call(modes::NANO).only_reads());
        assert!(!call(0xa001 | modes::SETOFFSET).only_reads());
    }

    #[test]
    fn adjtime_needs_its_bit() {
        assert_eq!(outcome(call(0x8000)), (INVALID, INVALID));
        assert_eq!(outcome(call(0xa000)), (INVALID, INVALID));
    }

    #[test]
    fn ticks_are_limited() {
        let tick = |tick| {
            outcome(Timex {
                tick,
                ..call(modes::TICK)
            })
        };
        assert_eq!(tick(8_999), (INVALID, NOT_PERMITTED));
        assert_eq!(tick(9_000), (FINE, NOT_PERMITTED));
        assert_eq!(tick(11_000), (FINE, NOT_PERMITTED));
        assert_eq!(tick(11_001), (INVALID, NOT_PERMITTED));
        // In an adjtime() the bit says nothing.
        let txc = Timex {
            tick: 0,
            ..call(0x8001 | modes::TICK)
        };
        assert_eq!(outcome(txc).0, FINE);
    }

    #[test]
    fn steps_have_a_positive_fraction() {
        let step = |more, subsec| {
            outcome(Timex {
                sec: -3,
                subsec,
                ..call(modes::SETOFFSET | more)
            })
            .0
        };
        assert_eq!(step(0, -1), INVALID);
        assert_eq!(step(0, 999_999), FINE);
        assert_eq!(step(0, 1_000_000), INVALID);
        assert_eq!(step(modes::NANO, 999_999_999), FINE);
        assert_eq!(step(modes::NANO, 1_000_000_000), INVALID);
    }

    #[test]
    fn frequencies_may_be_too_large_but_not_overflow() {
        let freq = |freq| {
            outcome(Timex {
                freq,
                ..call(modes::FREQUENCY)
            })
            .0
        };
        assert_eq!(freq(i64::MAX / FREQ_SCALE), FINE);
        assert_eq!(freq(i64::MAX / FREQ_SCALE + 1), INVALID);
        assert_eq!(freq(i64::MIN / FREQ_SCALE), FINE);
        assert_eq!(freq(i64::MIN / FREQ_SCALE - 1), INVALID);
    }
}
