// SPDX-License-Identifier: GPL-2.0

//! What to publish, so that a clock stays on its ideal one.
//!
//! A course is a straight line from where the clock is now to where the ideal one will be at some
//! tick: mostly the last one of a second. It knows the state that the discipline will be in then, so
//! the course after it can be published before it begins: a clock is where it has to be, however
//! late whoever publishes is woken up, as long as he is not late by a course.
//!
//! While every tick slews as much as the last one, or nearly, a course is many seconds long.

use super::{
    super::{
        rate::Rate,
        time::{
            FixedNs,
            FRAC_BITS, //
        }, //
    },
    ideal::{
        product,
        ratio,
        Moment,
        Ntp,
        Step, //
    },
    NSEC_PER_SEC, //
};

/// The longest course while something slews or a leap second is to come, in units of 2^-56 ns of
/// RAW.
const LENGTH_MAX: u128 = (64 * NSEC_PER_SEC as u128) << FRAC_BITS;

/// A course has no more steps, mostly two a second, whatever is asked for.
const STEPS_MAX: u32 = 1024;

/// A course may be that far from the ideal clock before its end, in units of 2^-56 ns: 10 ns.
const DEVIATION_MAX: u128 = 10 << FRAC_BITS;

/// An error below a nanosecond is none, in units of 2^-56 ns.
const ERROR_MIN: u128 = 1 << FRAC_BITS;

/// An error is worked off at 2^-11, 488 ppm: as `adjtime()` does.
const CORRECTION_SHIFT: u32 = 11;

/// What a clock does next.
#[derive(Clone, Copy, Debug)]
pub struct Course<const HZ: i64> {
    /// MONOTONIC seconds a RAW second, in units of 2^-56.
    pub factor: u64,
    /// The discipline at the end of the course, when RAW reads its [`Ntp::tick`]. [`None`]
    /// if it has none.
    pub end: Option<Ntp<HZ>>,
}

impl<const HZ: i64> Course<HZ> {
    /// The rate of MONOTONIC, where `base` is that of RAW.
    pub fn rate(&self, base: Rate) -> Rate {
        let units = product(u128::from(base.as_units()), self.factor);
        u64::try_from(units)
            .ok()
            .and_then(|units| Rate::from_units(units).ok())
            .unwrap_or(Rate::MAX)
    }
}

impl<const HZ: i64> Ntp<HZ> {
    /// The course from `now` on, after [`Ntp::advance`]. It lasts for `at_least` ns of
    /// RAW, unless a leap second ends it.
    pub fn course(&self, now: &Moment, at_least: u64) -> Course<HZ> {
        let steady = || Course {
            factor: self.steady(),
            end: None,
        };
        let idle = self.is_settled();
        if idle && (self.raw, self.mono) == (now.raw, now.mono) {
            return steady();
        }
        let rate = self.momentary();
        let start = self.ideal_by(now.raw, rate).as_units();
        let real = now.mono.as_units();
        if idle && start.abs_diff(real) < ERROR_MIN {
            return steady();
        }

        let at_least = u128::from(at_least) << FRAC_BITS;
        let end = self.course_end(now.raw, (start, rate), at_least, start.abs_diff(real));
        let length = end.raw.as_units().saturating_sub(now.raw.as_units());
        let ideal = end.mono.as_units().saturating_sub(start);
        // What the clock is behind is made up for, but not all at once.
        let most = length >> CORRECTION_SHIFT;
        let advance = if start > real {
            ideal.wrapping_add(start.wrapping_sub(real).min(most))
        } else {
            ideal.saturating_sub(real.wrapping_sub(start).min(most))
        };
        if length == 0 {
            // RAW has stopped at its end.
            return steady();
        }
        Course {
            factor: ratio(advance, length),
            end: Some(end),
        }
    }

    /// The last tick of the course of a clock that has that `error`. It begins when RAW reads
    /// `raw` and the ideal clock `start`, which runs at `rate`.
    fn course_end(
        &self,
        raw: FixedNs,
        (start, rate): (u128, u64),
        at_least: u128,
        error: u128,
    ) -> Self {
        let length = |end: &Self| end.raw.as_units().saturating_sub(raw.as_units());

        let mut end = *self;
        for _ in 0..STEPS_MAX {
            // A leap second has to be published while the course lasts that it ends: that must not
            // be too short.
            let lasts = end.raw > raw && length(&end) >= at_least && !end.leaps_within(at_least);
            let before = lasts.then_some(end);
            let step = end.step(&Moment::END);
            if step == Step::Nothing {
                break;
            }
            // How far the ideal clock is from where it would be at the rate that it has now. While
            // an error is made up for, the clock is off, too: that is not put off.
            if let Some(before) = before {
                let ahead = end.mono.as_units().saturating_sub(start);
                let bend = product(length(&end), rate).abs_diff(ahead);
                if bend.saturating_add(error) > DEVIATION_MAX {
                    return before;
                }
            }

            if step == Step::Second {
                let enough = length(&end) >= LENGTH_MAX || end.is_settled();
                let done = enough && length(&end) >= at_least && !end.leaps_within(at_least);
                if done || end.realtime != self.realtime {
                    break;
                }
            }
        }
        end
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_course))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::{
        super::timex::{
            modes,
            Timex, //
        },
        *, //
    };

    const ONE: u64 = 1 << FRAC_BITS;

    fn at(raw: u64, mono: u64) -> Moment {
        Moment {
            raw: FixedNs::from_units(u128::from(raw) << FRAC_BITS),
            mono: FixedNs::from_units(u128::from(mono) << FRAC_BITS),
            sleep: 0,
        }
    }

    fn start() -> Ntp<250> {
        Ntp::new(&at(0, 0), 0, 0)
    }

    #[test]
    fn nothing_to_do_is_a_course_without_end() {
        let course = start().course(&at(0, 0), 0);
        assert_eq!((course.factor, course.end), (ONE, None));
    }

    #[test]
    fn an_error_is_made_up_for_within_a_second() {
        // 1 us behind.
        let course = start().course(&at(1_000_000, 999_000), 0);
        let end = course.end.map(|end| end.tick());
        // The last tick that is like this one.
        assert_eq!(end, Some(at(996_000_000, 0).raw));
        // 1000 ns in 995 ms.
        assert_eq!((course.factor - ONE) / (ONE / 1_000_000_000), 1005);
    }

    #[test]
    fn not_too_fast() {
        let course = start().course(&at(1_000_000, 101_000_000), 0);
        assert_eq!(ONE - course.factor, ONE >> CORRECTION_SHIFT);

        let course = start().course(&at(301_000_000, 201_000_000), 0);
        assert_eq!((course.factor - ONE) >> 20, ONE >> CORRECTION_SHIFT >> 20);
    }

    #[test]
    fn constant_slews_have_long_courses() {
        let mut ntp = start();
        let mut txc = Timex {
            modes: modes::ADJTIME | modes::SINGLESHOT,
            offset: 1_000_000,
            ..Timex::default()
        };
        assert!(ntp.adjtimex(&at(0, 0), &mut txc).is_ok());
        // It begins with the next second.
        let first = ntp.course(&at(0, 0), 0);
        assert_eq!(first.factor, ONE);
        let ntp = first.end.unwrap_or(ntp);
        let second = ntp.course(&at(1_000_000_000, 1_000_000_000), 0);
        assert_eq!((second.factor - ONE) / (ONE / 1_000_000_000), 500_000);
        let end = second.end.map_or(0, |end| end.tick().floor().as_ns());
        assert!(end > 60_000_000_000);
    }

    #[test]
    fn rates_multiply() {
        let course = Course::<250> {
            factor: ONE + ONE / 2,
            end: None,
        };
        let rate = |secs| Rate::from_parts(secs, 0).map(|base| course.rate(base));
        assert_eq!(rate(2), Rate::from_parts(3, 0));
        assert_eq!(rate(0), Ok(Rate::ZERO));
        assert_eq!(rate(255), Ok(Rate::MAX));
    }
}
