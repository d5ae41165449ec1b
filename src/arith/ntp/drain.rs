// SPDX-License-Identifier: GPL-2.0

//! What a tick's slewing takes from what is to be slewed.

use super::{
    discipline::{
        per_tick,
        Discipline,
        ADJUST_MAX, //
    },
    MICROSECOND, //
};

/// More than a second of ticks takes from an `adjtime()`, us, but few enough to be
/// a scaled number.
const ADJUST_FAR: u64 = 1 << 20;

/// Some ticks in a row that take the same.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// How many, at least 1.
    pub(super) ticks: i64,
    /// What a tick slews, in the unit of [`Discipline::offset`].
    pub(super) claim: i64,
    /// What it takes from the phase offset.
    offset: i64,
    /// What it takes from an `adjtime()`, scaled.
    adjust: i64,
}

impl<const HZ: i64> Discipline<HZ> {
    /// A tick that is meant to slew `skew`. Returns what it slews: there may be less left.
    pub fn drain(&mut self, skew: i64) -> i64 {
        let run = self.run(skew);
        self.take(&run, 1);
        run.claim
    }

    /// The ticks that are alike, from the next one on, if they are meant to slew `skew`.
    pub(super) fn run(&self, skew: i64) -> Run {
        // Of what slews in this direction, `adjtime()` comes first. It has its own limit.
        let (adjust, adjust_ticks) = self.adjust_run(skew);
        let unclaimed = skew.wrapping_sub(
            skew.signum()
                .wrapping_mul(per_tick::<HZ>(adjust.wrapping_abs())),
        );
        let (offset, offset_ticks) = share(unclaimed, self.offset);
        let claim = skew.wrapping_sub(unclaimed).wrapping_add(offset);
        Run {
            ticks: adjust_ticks.min(offset_ticks),
            claim,
            offset,
            adjust,
        }
    }

    /// `ticks` of a run.
    pub(super) fn take(&mut self, run: &Run, ticks: i64) {
        // No more than there is, by the choice of `Run::ticks`.
        self.offset = self.offset.wrapping_sub(run.offset.wrapping_mul(ticks));

        let amount = run.adjust.wrapping_mul(ticks);
        let missing = amount
            .wrapping_abs()
            .wrapping_sub(self.adjust_frac.wrapping_abs());
        if missing > 0 {
            // Whole microseconds are broken up as they are needed.
            let micros = missing.wrapping_add(MICROSECOND - 1) / MICROSECOND;
            let micros = micros.wrapping_mul(amount.signum());
            self.adjust = self.adjust.wrapping_sub(micros);
            self.adjust_frac = self
                .adjust_frac
                .wrapping_add(micros.wrapping_mul(MICROSECOND));
        }
        self.adjust_frac = self.adjust_frac.wrapping_sub(amount);
    }

    /// What an `adjtime()` contributes to a tick that is meant to slew `skew`, and to how many.
    fn adjust_run(&self, skew: i64) -> (i64, i64) {
        if skew == 0 || (self.adjust, self.adjust_frac) == (0, 0) {
            return (0, i64::MAX);
        }
        let whole = self.adjust.unsigned_abs().min(ADJUST_FAR) as i64;
        let left = whole
            .wrapping_mul(MICROSECOND)
            .wrapping_add(self.adjust_frac.wrapping_abs());
        let backwards = self.adjust < 0 || self.adjust_frac < 0;
        if backwards != (skew < 0) {
            return (0, i64::MAX);
        }
        let most = per_tick::<HZ>(ADJUST_MAX * MICROSECOND);
        let (amount, ticks) = share(skew.wrapping_abs().saturating_mul(HZ).min(most), left);
        (amount.wrapping_mul(skew.signum()), ticks)
    }
}

/// How much of `amount` a tick can take from `left`, and how many ticks can.
fn share(amount: i64, left: i64) -> (i64, i64) {
    if amount == 0 || left == 0 || (amount < 0) != (left < 0) {
        (0, i64::MAX)
    } else if amount.wrapping_abs() >= left.wrapping_abs() {
        (left, 1)
    } else {
        (amount, left.checked_div(amount).unwrap_or(1))
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_drain))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    fn discipline(offset: i64, adjust: i64, adjust_frac: i64) -> Discipline<250> {
        let mut discipline = Discipline::default();
        discipline.offset = offset;
        discipline.adjust = adjust;
        discipline.adjust_frac = adjust_frac;
        discipline
    }

    #[test]
    fn no_more_than_there_is() {
        let mut discipline = discipline(25, 0, 0);
        assert_eq!(discipline.drain(10), 10);
        assert_eq!(discipline.drain(10), 10);
        assert_eq!(discipline.drain(10), 5);
        assert_eq!(discipline.drain(10), 0);
        assert_eq!(discipline.left(), (0, 0, 0));
    }

    #[test]
    fn nothing_in_the_other_direction() {
        let mut discipline = discipline(25, 3, 0);
        assert_eq!(discipline.drain(-10), 0);
        assert_eq!(discipline.left(), (25, 3, 0));
    }

    #[test]
    fn adjtime_comes_first_but_has_a_limit() {
        // 500 us a second are 2 us a tick.
        let limit = 2 * MICROSECOND / 250;
        let mut discipline = discipline(-1000, -3, 0);
        assert_eq!(discipline.drain(-limit - 7), -limit - 7);
        assert_eq!(discipline.left(), (-993, -1, 0));
    }

    #[test]
    fn microseconds_are_broken_up() {
        let mut discipline = discipline(0, 3, 0);
        assert_eq!(discipline.drain(4), 4);
        assert_eq!(discipline.left(), (0, 2, MICROSECOND - 1000));
    }

    #[test]
    fn runs_are_as_long_as_all_is_the_same() {
        assert_eq!(discipline(25, 0, 0).run(10).ticks, 2);
        assert_eq!(discipline(5, 0, 0).run(10).ticks, 1);
        assert_eq!(discipline(5, 0, 0).run(-10).ticks, i64::MAX);
        assert_eq!(discipline(5, 1, 0).run(1).ticks, MICROSECOND / 250);
        let mut many = discipline(0, 1, 0);
        let run = many.run(1);
        many.take(&run, run.ticks);
        assert_eq!(many.left(), (0, 0, MICROSECOND % 250));
    }
}
