// SPDX-License-Identifier: GPL-2.0

//! What adjtimex() has to answer to whoever is the only one to discipline a clock: all that does
//! not depend on when he calls.

use rustix::io::Errno;

use crate::failure::{check, check_eq, Outcome};
use crate::sys::Ns;
use crate::timex::{modes, Timex};

const SEC: Ns = 1_000_000_000;
/// Bits of the status that nobody can set.
const READ_ONLY: i32 = 0xff00;
const ERROR_MAX: i64 = 16_000_000;
/// How much the maximum error grows between two calls, us: 500 a second.
const GROWTH: i64 = 500 * 60;
const FREQ_MAX: i64 = 500 << 16;
/// A frequency times this must have 64 bits.
const FREQ_SCALE: i64 = 1000 << 16;
/// REALTIME has to be before that.
const END: Ns = ((i64::MAX / 1_000_000_000) - 30 * 365 * 86_400) as Ns * SEC;

/// The state as far as it is known. What is in it as [`None`] may be anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    freq: Option<i64>,
    tick: i64,
    status: i32,
    constant: i64,
    esterror: i64,
    /// As of the last call: it grows.
    maxerror: i64,
    tai: Option<i32>,
}

impl Model {
    /// The one that has just answered that.
    pub(crate) fn of(answer: &Timex) -> Self {
        Self {
            freq: Some(answer.freq),
            tick: answer.tick,
            status: answer.status,
            constant: answer.constant,
            esterror: answer.esterror,
            maxerror: answer.maxerror,
            tai: Some(answer.tai),
        }
    }

    /// Notes that REALTIME was set, with that result.
    pub(crate) fn set(&mut self, result: &Result<(), Errno>) -> Outcome {
        check_eq!(*result, Ok(()), "clock_settime");
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.status |= libc::STA_UNSYNC;
        self.esterror = ERROR_MAX;
        self.maxerror = ERROR_MAX;
    }

    /// Whether a request is refused, when REALTIME is `ahead` of MONOTONIC. [`None`] if that is
    /// too near to the edge to be said.
    fn refuses(request: &Timex, ahead: Ns) -> Option<bool> {
        let has = |mode| request.modes & mode != 0;
        if has(0x8000) && !has(modes::OFFSET) {
            return Some(true);
        }
        if !has(0x8000) && has(modes::TICK) && !(9_000..=11_000).contains(&request.tick) {
            return Some(true);
        }
        if has(modes::SETOFFSET) {
            let (end, unit) = match has(modes::NANO) {
                true => (1_000_000_000, 1),
                false => (1_000_000, 1000),
            };
            if !(0..end).contains(&request.subsec) {
                return Some(true);
            }
            if has(modes::FREQUENCY) && request.freq.checked_mul(FREQ_SCALE).is_none() {
                return Some(true);
            }
            let step = Ns::from(request.sec) * SEC + Ns::from(request.subsec) * unit;
            let after = ahead + step;
            if after.abs() < SEC || (after - END).abs() < 100_000 * SEC {
                return None;
            }
            return Some(!(0..=END).contains(&after));
        }
        Some(has(modes::FREQUENCY) && request.freq.checked_mul(FREQ_SCALE).is_none())
    }

    /// Checks a call: `ahead` is how far REALTIME was ahead of MONOTONIC before it.
    pub(crate) fn adjust(
        &mut self,
        request: &Timex,
        narrow: bool,
        ahead: Ns,
        result: &Result<usize, Errno>,
        answer: &Timex,
    ) -> Outcome {
        let request = if narrow { request.narrow() } else { *request };
        if let Some(refused) = Self::refuses(&request, ahead) {
            let expected = if refused { Some(Errno::INVAL) } else { None };
            check_eq!(result.err(), expected, "the result");
        }
        let Ok(state) = *result else {
            return Ok(());
        };
        if request.modes & modes::SETOFFSET != 0 {
            self.clear();
        }
        if request.modes & 0x8000 == 0 {
            self.change(&request);
        }
        self.check(state as i32, answer)
    }

    fn change(&mut self, request: &Timex) {
        let has = |mode| request.modes & mode != 0;
        if has(modes::STATUS) {
            // Who turns the loop off resets all that was known.
            if self.status & libc::STA_PLL != 0 && request.status & libc::STA_PLL == 0 {
                self.status = 0;
            }
            self.status = self.status & READ_ONLY | request.status & !READ_ONLY;
        }
        if has(modes::NANO) {
            self.status |= libc::STA_NANO;
        }
        if has(modes::MICRO) {
            self.status &= !libc::STA_NANO;
        }
        if has(modes::FREQUENCY) {
            self.freq = Some(request.freq.clamp(-FREQ_MAX, FREQ_MAX));
        }
        if has(modes::ESTERROR) {
            // The kernel clamps an int.
            self.esterror = request.esterror.clamp(0, ERROR_MAX);
        }
        if has(modes::TIMECONST) {
            let more = if self.status & libc::STA_NANO == 0 {
                4
            } else {
                0
            };
            self.constant = (request.constant.clamp(0, 10) + more).clamp(0, 10);
        }
        if has(modes::TAI) && (0..=100_000).contains(&request.constant) {
            self.tai = Some(request.constant as i32);
        }
        if has(modes::OFFSET) && self.status & libc::STA_PLL != 0 {
            self.freq = None;
        }
        if has(modes::TICK) {
            self.tick = request.tick;
        }
    }

    fn check(&mut self, state: i32, answer: &Timex) -> Outcome {
        let faulty = answer.status & (libc::STA_UNSYNC | libc::STA_CLOCKERR) != 0;
        check_eq!(state == libc::TIME_ERROR, faulty, "the state {state}");
        check!((0..=5).contains(&state), "the state {state}");
        check_eq!(answer.tick, self.tick, "tick");
        check_eq!(answer.constant, self.constant, "constant");
        check_eq!(answer.esterror, self.esterror, "esterror");
        check_eq!(
            (answer.precision, answer.tolerance),
            (1, FREQ_MAX),
            "constants"
        );
        check_eq!(answer.pps, [0; 8], "a pulse-per-second signal");
        check!((0..=ERROR_MAX).contains(&answer.maxerror), "maxerror");
        check!(answer.freq.abs() <= FREQ_MAX, "freq");
        if let Some(freq) = self.freq {
            check_eq!(answer.freq, freq, "freq");
        }
        self.freq = Some(answer.freq);
        // The error that has grown beyond all bounds is a fault, even if it was set since. The
        // loop's mode may be either.
        let largest = answer.maxerror.max(self.maxerror + GROWTH);
        let unsync = match largest >= ERROR_MAX {
            true => libc::STA_UNSYNC,
            false => 0,
        };
        self.maxerror = answer.maxerror;
        let free = unsync | libc::STA_MODE;
        check_eq!(answer.status & !free, self.status & !free, "status");
        self.status = answer.status;
        // A leap second makes one more or less.
        if let Some(tai) = self.tai {
            check!((answer.tai - tai).abs() <= 1, "tai should be about {tai}");
        }
        self.tai = Some(answer.tai);
        Ok(())
    }
}
