// SPDX-License-Identifier: GPL-2.0

//! The state of the discipline, and what a call and the end of a second make of it.

use super::{
    timex::{
        modes,
        status,
        TimeState,
        Timex,
        FREQ_SCALE,
        USER_HZ, //
    },
    MICROSECOND,
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    SCALE_SHIFT,
    SECOND, //
};

/// The gain of the phase-locked loop, as a shift.
const SHIFT_PLL: u32 = 2;
/// The gain of the frequency-locked loop, as a shift.
const SHIFT_FLL: u32 = 2;
/// The largest time constant.
const CONSTANT_MAX: i64 = 10;
/// What is added to a time constant that comes with microseconds.
const CONSTANT_MICRO: i64 = 4;

/// A phase offset beyond that, us, is as good as that: twice the largest.
const OFFSET_MAX: i64 = NSEC_PER_SEC / NSEC_PER_USEC;
/// The largest phase offset, ns.
const PHASE_MAX: i64 = NSEC_PER_SEC / 2;
/// The largest frequency offset, ns a second.
const FREQ_MAX: i64 = 500_000;
const FREQ_MAX_SCALED: i64 = FREQ_MAX << SCALE_SHIFT;
/// The largest error, us.
const ERROR_MAX: i64 = (PHASE_MAX / NSEC_PER_USEC) << 5;
/// How much the maximum error grows in a second, us.
const ERROR_GROWTH: i64 = FREQ_MAX / NSEC_PER_USEC;

/// Between updates this far apart, s, the frequency-locked loop may be used.
const FLL_SECONDS_MIN: i64 = 256;
/// Above this, s, it is used.
const FLL_SECONDS_MAX: i64 = 2048;

/// The largest TAI - UTC that can be set.
const TAI_MAX: i64 = 100_000;

/// `adjtime()` slews that much in a second at most, us.
pub(super) const ADJUST_MAX: i64 = 500;

/// A shift and a factor in 2^-32 that divide by [`FREQ_SCALE`], as exactly as the host does.
const FREQ_INVERSE_SHIFT: u32 = 19;
const FREQ_INVERSE: i64 = (1 << (FREQ_INVERSE_SHIFT + SCALE_SHIFT)) / FREQ_SCALE + 1;

const SECONDS_PER_DAY: i64 = 86_400;

/// No leap second is due.
const NEVER: i64 = i64::MAX;

/// The state of a clock's discipline, in a kernel with `HZ` ticks a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discipline<const HZ: i64> {
    /// Length of a tick of user space, us.
    tick: i64,
    /// How far the clock gets in a tick without slewing, scaled.
    tick_length: i64,
    state: TimeState,
    status: i32,
    /// What is left of the phase offset, scaled and a tick's share of it: divided by `HZ`.
    pub(super) offset: i64,
    /// What is slewed in a tick of this second, in the same unit.
    skew: i64,
    constant: i64,
    maxerror: i64,
    esterror: i64,
    /// Frequency offset, scaled ns a second.
    freq: i64,
    /// The second of the last phase offset.
    reftime: i64,
    /// What is left of an `adjtime()`, us, and scaled what is less than that. One is not negative
    /// and the other positive.
    pub(super) adjust: i64,
    pub(super) adjust_frac: i64,
    /// The second at whose begin a leap second is due.
    next_leap: i64,
}

impl<const HZ: i64> Default for Discipline<HZ> {
    fn default() -> Self {
        Self {
            tick: USER_TICK,
            tick_length: per_tick::<HZ>(SECOND),
            state: TimeState::Ok,
            status: status::UNSYNC,
            offset: 0,
            skew: 0,
            constant: 2,
            maxerror: ERROR_MAX,
            esterror: ERROR_MAX,
            freq: 0,
            reftime: 0,
            adjust: 0,
            adjust_frac: 0,
            next_leap: NEVER,
        }
    }
}

/// A tick of user space that is as long as it should be, us.
const USER_TICK: i64 = 1_000_000 / USER_HZ;

impl<const HZ: i64> Discipline<HZ> {
    /// How far the clock gets in a tick if it slews `claim`, see [`Discipline::drain`]; scaled.
    pub fn advance(&self, claim: i64) -> i64 {
        // Not more than a quarter of a second either way.
        self.tick_length.saturating_add(claim.saturating_mul(HZ))
    }

    /// What it is meant to slew in each tick.
    pub fn skew(&self) -> i64 {
        self.skew
    }

    /// What is left to slew: of the phase offset, scaled and a tick's share; and of an
    /// `adjtime()`, us, and scaled what is less than that.
    pub fn left(&self) -> (i64, i64, i64) {
        (self.offset, self.adjust, self.adjust_frac)
    }

    /// What is left of the phase offset, ns.
    pub fn phase(&self) -> i64 {
        shift_right(self.offset.wrapping_mul(HZ), SCALE_SHIFT)
    }

    /// The second at whose begin a leap second is due: [`i64::MAX`] if none is.
    pub fn next_leap(&self) -> i64 {
        self.next_leap
    }

    /// REALTIME has been set: nothing of what was going on is true any more. The frequency is.
    pub fn clear(&mut self) {
        self.adjust = 0;
        self.adjust_frac = 0;
        self.status |= status::UNSYNC;
        self.maxerror = ERROR_MAX;
        self.esterror = ERROR_MAX;
        self.offset = 0;
        self.skew = 0;
        self.next_leap = NEVER;
    }

    /// `adjtimex()` but for its step, when REALTIME reads `sec` and `nsec` and `second` has
    /// begun (see [`Discipline::overflow`]).
    pub fn adjtimex(
        &mut self,
        txc: &mut Timex,
        (sec, nsec): (i64, i64),
        second: i64,
        tai: &mut i32,
    ) -> TimeState {
        if txc.has(modes::ADJTIME) {
            let left = self.adjust;
            if !txc.has(modes::READONLY) {
                self.adjust = txc.offset;
                self.adjust_frac = 0;
            }
            txc.offset = left;
        } else {
            self.set(txc, second, tai);
            txc.offset = self.show(self.phase());
        }

        let mut state = self.state;
        if self.status & (status::UNSYNC | status::CLOCKERR) != 0 {
            state = TimeState::Error;
        }
        let freq = (self.freq >> FREQ_INVERSE_SHIFT).wrapping_mul(FREQ_INVERSE);
        txc.freq = shift_right(freq, SCALE_SHIFT);
        txc.maxerror = self.maxerror;
        txc.esterror = self.esterror;
        txc.status = self.status;
        txc.constant = self.constant;
        txc.precision = 1;
        txc.tolerance = FREQ_MAX_SCALED / FREQ_SCALE;
        txc.tick = self.tick;
        txc.tai = *tai;
        txc.sec = sec;
        txc.subsec = self.show(nsec);

        // The time is ahead of the last tick. If that is beyond the end of a second with a leap,
        // tell what the tick will make of it.
        if sec >= self.next_leap {
            match self.leap() {
                -1 => {
                    state = TimeState::InProgress;
                    txc.tai = txc.tai.saturating_add(1);
                    txc.sec = txc.sec.saturating_sub(1);
                }
                1 => {
                    state = TimeState::Wait;
                    txc.tai = txc.tai.saturating_sub(1);
                    txc.sec = txc.sec.saturating_add(1);
                }
                _ => {}
            }
            if self.state == TimeState::InProgress && sec == self.next_leap {
                state = TimeState::Wait;
            }
        }
        state
    }

    /// The leap of the next leap second, if it is still asked for: the seconds that REALTIME steps.
    fn leap(&self) -> i64 {
        match self.state {
            TimeState::Insert if self.asks_for(status::INS) => -1,
            TimeState::Delete if self.asks_for(status::DEL) => 1,
            _ => 0,
        }
    }

    fn asks_for(&self, bit: i32) -> bool {
        self.status & bit != 0
    }

    /// The leap at the begin of `second`.
    pub fn leap_at(&self, second: i64) -> i64 {
        if second == self.next_leap {
            self.leap()
        } else {
            0
        }
    }

    /// ns in the unit that is in use.
    fn show(&self, ns: i64) -> i64 {
        if self.status & status::NANO != 0 {
            ns
        } else {
            ns / NSEC_PER_USEC
        }
    }

    fn set(&mut self, txc: &Timex, second: i64, tai: &mut i32) {
        if txc.has(modes::STATUS) {
            self.set_status(txc.status, second);
        }
        if txc.has(modes::NANO) {
            self.status |= status::NANO;
        }
        if txc.has(modes::MICRO) {
            self.status &= !status::NANO;
        }
        if txc.has(modes::FREQUENCY) {
            // Checked before, see `timex::validate`.
            let freq = txc.freq.saturating_mul(FREQ_SCALE);
            self.freq = freq.clamp(-FREQ_MAX_SCALED, FREQ_MAX_SCALED);
        }
        if txc.has(modes::MAXERROR) {
            self.maxerror = txc.maxerror.clamp(0, ERROR_MAX);
        }
        if txc.has(modes::ESTERROR) {
            self.esterror = txc.esterror.clamp(0, ERROR_MAX);
        }
        if txc.has(modes::TIMECONST) {
            let mut constant = txc.constant.clamp(0, CONSTANT_MAX);
            if self.status & status::NANO == 0 {
                constant = constant.saturating_add(CONSTANT_MICRO).min(CONSTANT_MAX);
            }
            self.constant = constant;
        }
        if txc.has(modes::TAI) && (0..=TAI_MAX).contains(&txc.constant) {
            *tai = i32::try_from(txc.constant).unwrap_or(*tai);
        }
        if txc.has(modes::OFFSET) && self.status & status::PLL != 0 {
            self.set_offset(txc.offset, second);
        }
        if txc.has(modes::TICK) {
            self.tick = txc.tick;
        }
        if txc.has(modes::TICK | modes::FREQUENCY | modes::OFFSET) {
            // 1.1 s and 500 us at most: two bits less than there are.
            let second = (self.tick.wrapping_mul(NSEC_PER_USEC * USER_HZ) << SCALE_SHIFT)
                .wrapping_add(self.freq);
            self.tick_length = per_tick::<HZ>(second);
        }
    }

    fn set_status(&mut self, bits: i32, second: i64) {
        let (was_on, is_on) = (self.status & status::PLL != 0, bits & status::PLL != 0);
        if was_on && !is_on {
            // This forgets the unit as well.
            self.state = TimeState::Ok;
            self.status = status::UNSYNC;
            self.next_leap = NEVER;
        }
        if !was_on && is_on {
            self.reftime = second;
        }
        self.status = (self.status & status::READ_ONLY) | (bits & !status::READ_ONLY);
    }

    fn set_offset(&mut self, offset: i64, second: i64) {
        let offset = if self.status & status::NANO != 0 {
            offset
        } else {
            offset
                .clamp(-OFFSET_MAX, OFFSET_MAX)
                .wrapping_mul(NSEC_PER_USEC)
        };
        let offset = offset.clamp(-PHASE_MAX, PHASE_MAX);

        let mut elapsed = second.wrapping_sub(self.reftime);
        if self.status & status::FREQHOLD != 0 {
            elapsed = 0;
        }
        self.reftime = second;

        let fll = self.frequency_locked(offset, elapsed);
        // Only an update long before the last one, by a clock that was set back, overflows. The
        // host wraps then, too.
        let elapsed = elapsed.min(1i64.wrapping_shl(self.phase_shift().wrapping_add(1)));
        let pll = offset.wrapping_mul(elapsed).wrapping_shl(self.pll_shift());
        self.freq = fll
            .wrapping_add(pll)
            .wrapping_add(self.freq)
            .clamp(-FREQ_MAX_SCALED, FREQ_MAX_SCALED);
        self.offset = per_tick::<HZ>(offset << SCALE_SHIFT);
    }

    /// How fast a phase offset is worked off: from 2 to 12 bits a second.
    fn phase_shift(&self) -> u32 {
        // CAST: From 0 to 10.
        SHIFT_PLL.wrapping_add(self.constant as u32)
    }

    /// What the loop's gain leaves of the scale of a frequency: from 4 to 24 bits.
    fn pll_shift(&self) -> u32 {
        let gain = self.phase_shift().wrapping_add(2);
        SCALE_SHIFT.wrapping_sub(gain.wrapping_mul(2))
    }

    /// The part of a phase offset that the frequency-locked loop puts into the frequency.
    fn frequency_locked(&mut self, offset: i64, elapsed: i64) -> i64 {
        self.status &= !status::MODE;
        if elapsed < FLL_SECONDS_MIN
            || (self.status & status::FLL == 0 && elapsed <= FLL_SECONDS_MAX)
        {
            return 0;
        }
        self.status |= status::MODE;
        // `elapsed` is not 0 here.
        (offset << (SCALE_SHIFT - SHIFT_FLL))
            .checked_div(elapsed)
            .unwrap_or(0)
    }

    /// `second` begins. Returns how many seconds REALTIME leaps.
    pub fn overflow(&mut self, second: i64) -> i64 {
        let leap = self.step_state(second);
        self.age(1);
        self.plan();
        leap
    }

    fn step_state(&mut self, second: i64) -> i64 {
        let leap = self.leap_at(second);
        let asked = |bit| self.asks_for(bit);
        (self.state, self.next_leap) = match self.state {
            TimeState::Ok if asked(status::INS) => (TimeState::Insert, day_end(second, 0)),
            TimeState::Ok if asked(status::DEL) => (TimeState::Delete, day_end(second, 1)),
            TimeState::Insert if !asked(status::INS) => (TimeState::Ok, NEVER),
            TimeState::Delete if !asked(status::DEL) => (TimeState::Ok, NEVER),
            // The second in progress ends where it began.
            TimeState::Insert if leap != 0 => (TimeState::InProgress, self.next_leap),
            TimeState::Delete if leap != 0 => (TimeState::Wait, NEVER),
            TimeState::InProgress => (TimeState::Wait, NEVER),
            TimeState::Wait if !asked(status::INS | status::DEL) => (TimeState::Ok, self.next_leap),
            state => (state, self.next_leap),
        };
        leap
    }

    /// Nobody has said for `seconds` how large the error is.
    pub(super) fn age(&mut self, seconds: i64) {
        self.maxerror = self
            .maxerror
            .saturating_add(seconds.saturating_mul(ERROR_GROWTH));
        if self.maxerror > ERROR_MAX {
            self.maxerror = ERROR_MAX;
            self.status |= status::UNSYNC;
        }
    }

    /// Chooses what is slewed in each tick of the next second.
    fn plan(&mut self) {
        let mut phase = shift_right(self.offset, self.phase_shift());
        if phase == 0 {
            phase = self.offset;
        }
        let adjust = self.adjust_share();

        if phase != 0 && adjust != 0 && (phase < 0) != (adjust < 0) {
            self.settle(
                phase
                    .signum()
                    .wrapping_mul(phase.wrapping_abs().min(adjust.wrapping_abs())),
            );
        }

        // Less than a second each.
        let net = phase.wrapping_add(adjust);
        self.skew = match per_tick::<HZ>(net) {
            // The last bit would never drain.
            0 => net.signum(),
            skew => skew,
        };
    }

    /// What `adjtime()` slews in the next second, as [`Discipline::offset`] is counted.
    fn adjust_share(&self) -> i64 {
        if self.adjust == 0 && self.adjust_frac == 0 {
            return 0;
        }
        let share = if self.adjust >= ADJUST_MAX {
            ADJUST_MAX * MICROSECOND
        } else if self.adjust <= -ADJUST_MAX {
            -ADJUST_MAX * MICROSECOND
        } else {
            self.adjust
                .wrapping_mul(MICROSECOND)
                .wrapping_add(self.adjust_frac)
        };
        match per_tick::<HZ>(share) {
            0 => self.adjust_frac.signum(),
            share => share,
        }
    }

    /// A phase offset and an `adjtime()` that slew in opposite directions cancel out: takes
    /// `amount` from one and adds it to the other.
    fn settle(&mut self, amount: i64) {
        self.offset = self.offset.wrapping_sub(amount);

        // A second of `adjtime()` at most.
        let mut frac = self.adjust_frac.wrapping_add(amount.wrapping_mul(HZ));
        let carry = frac / MICROSECOND;
        frac = frac.wrapping_sub(carry.wrapping_mul(MICROSECOND));
        let mut adjust = self.adjust.wrapping_add(carry);
        if adjust > 0 && frac < 0 {
            adjust = adjust.wrapping_sub(1);
            frac = frac.wrapping_add(MICROSECOND);
        } else if adjust < 0 && frac > 0 {
            adjust = adjust.wrapping_add(1);
            frac = frac.wrapping_sub(MICROSECOND);
        }
        self.adjust = adjust;
        self.adjust_frac = frac;
    }

    /// Whether every tick is like the last one, until there is another call.
    pub(super) fn is_quiet(&self) -> bool {
        self.skew == 0 && self.offset == 0 && self.adjust == 0 && self.adjust_frac == 0
    }

    /// Whether the end of a second does nothing but let the errors grow.
    pub(super) fn is_idle(&self) -> bool {
        let asked = self.asks_for(status::INS | status::DEL);
        self.is_quiet() && self.state == TimeState::Ok && !asked
    }

    /// The second at whose begin there will be a leap, as it looks now in `second`.
    pub(super) fn coming_leap(&self, second: i64) -> Option<i64> {
        if !self.asks_for(status::INS | status::DEL) {
            // Mostly, and it spares the copy.
            return None;
        }
        let mut next = *self;
        let mut begins = second.saturating_add(1);
        if matches!(self.state, TimeState::Insert | TimeState::Delete) && self.leap() == 0 {
            // It was called off. If the other kind is asked for instead, that is taken up after it.
            next.state = TimeState::Ok;
            begins = begins.saturating_add(1);
        }
        if next.state == TimeState::Ok {
            next.step_state(begins);
        }
        (next.leap() != 0 && next.next_leap != NEVER).then_some(next.next_leap)
    }

    /// REALTIME has jumped to `second` without a step, as when the host slept. A leap second that
    /// was due meanwhile is not made up for.
    pub(super) fn skip_to(&mut self, second: i64) {
        if self.next_leap <= second {
            self.next_leap = NEVER;
        }
    }

    /// How many seconds after `second` pass without anything else than [`Discipline::age`], if
    /// it is quiet: [`i64::MAX`] if nothing else ever will.
    pub(super) fn idle_seconds(&self, second: i64) -> i64 {
        if self.is_idle() {
            return i64::MAX;
        }
        let mut next = *self;
        next.step_state(second.saturating_add(1));
        if next != *self {
            0
        } else {
            self.coming_leap(second).map_or(i64::MAX, |leap| {
                leap.saturating_sub(second).saturating_sub(1)
            })
        }
    }
}

/// The next midnight from `second` on, less the `deleted` seconds before it.
fn day_end(second: i64, deleted: i64) -> i64 {
    let into = second.saturating_add(deleted).wrapping_rem(SECONDS_PER_DAY);
    second.saturating_add(SECONDS_PER_DAY).saturating_sub(into)
}

/// A second's share of a tick, rounded towards 0.
pub(super) fn per_tick<const HZ: i64>(amount: i64) -> i64 {
    // `HZ` is not 0, which the compiler sees.
    amount.checked_div(HZ).unwrap_or(0)
}

/// Shifts right, rounding towards 0.
fn shift_right(number: i64, bits: u32) -> i64 {
    let magnitude = number.wrapping_abs().wrapping_shr(bits);
    if number < 0 {
        magnitude.wrapping_neg()
    } else {
        magnitude
    }
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_discipline))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    /// A discipline that has been told `txc` in second 1000, and what it said.
    fn told(txc: Timex) -> (Discipline<250>, TimeState, Timex) {
        let mut discipline = Discipline::default();
        let mut txc = txc;
        let state = discipline.adjtimex(&mut txc, (1000, 123_456_789), 1000, &mut 0);
        (discipline, state, txc)
    }

    fn phase(offset: i64, more: i32) -> Timex {
        Timex {
            modes: modes::OFFSET | modes::STATUS | modes::NANO,
            offset,
            status: status::PLL | more,
            ..Timex::default()
        }
    }

    #[test]
    fn a_new_clock_is_not_synchronised() {
        let (_, state, txc) = told(Timex::default());
        assert_eq!(state, TimeState::Error);
        assert_eq!(txc.status, status::UNSYNC);
        assert_eq!((txc.maxerror, txc.esterror), (16_000_000, 16_000_000));
        assert_eq!((txc.freq, txc.tick, txc.constant), (0, 10_000, 2));
        assert_eq!((txc.tolerance, txc.precision), (500 << 16, 1));
        assert_eq!((txc.sec, txc.subsec), (1000, 123_456));
    }

    #[test]
    fn frequencies_come_back_as_they_were_set() {
        for freq in [0, 1, -1, 6_553_600, -32_767_999, 32_768_000] {
            let (_, _, txc) = told(Timex {
                modes: modes::FREQUENCY,
                freq,
                ..Timex::default()
            });
            assert_eq!(txc.freq, freq);
        }
    }

    #[test]
    fn frequency_and_tick_make_the_length_of_a_tick() {
        let (discipline, ..) = told(Timex {
            modes: modes::FREQUENCY | modes::TICK,
            freq: -250 << 16,
            tick: 10_100,
            ..Timex::default()
        });
        // 4 ms, 1 % more, less 250 ns in a ms.
        assert_eq!(discipline.advance(0), 4_039_000 << SCALE_SHIFT);
    }

    #[test]
    fn time_constants_are_larger_with_microseconds() {
        let constant = |more, constant| {
            told(Timex {
                modes: modes::TIMECONST | more,
                constant,
                ..Timex::default()
            })
            .2
            .constant
        };
        assert_eq!(constant(0, 3), 7);
        assert_eq!(constant(0, 8), 10);
        assert_eq!(constant(modes::NANO, 3), 3);
        assert_eq!(constant(modes::NANO, i64::MIN), 0);
    }

    #[test]
    fn phase_offsets_need_the_loop() {
        assert_eq!(told(phase(1_000_000, 0)).2.offset, 1_000_000);
        assert_eq!(told(phase(i64::MIN, 0)).2.offset, -500_000_000);
        let without = Timex {
            modes: modes::OFFSET,
            ..phase(1_000_000, 0)
        };
        assert_eq!(told(without).2.offset, 0);
    }

    #[test]
    fn a_second_slews_a_share_of_the_phase_offset() {
        let (mut discipline, ..) = told(phase(256_000_000, 0));
        assert_eq!(discipline.skew(), 0);
        discipline.overflow(1001);
        // 1/16 of it in 250 ticks, and in the unit of it.
        assert_eq!(
            discipline.skew(),
            (16_000 << SCALE_SHIFT) * 4 / 1000 * 1000 / 250
        );
        assert_eq!(
            discipline.advance(discipline.skew()),
            4_064_000 << SCALE_SHIFT
        );
    }

    #[test]
    fn errors_grow() {
        let (mut discipline, ..) = told(Timex {
            modes: modes::MAXERROR | modes::STATUS,
            maxerror: 15_999_500,
            ..Timex::default()
        });
        discipline.overflow(1001);
        let mut txc = Timex::default();
        let state = discipline.adjtimex(&mut txc, (1001, 0), 1001, &mut 0);
        assert_eq!((state, txc.maxerror), (TimeState::Ok, 16_000_000));
        discipline.overflow(1002);
        let state = discipline.adjtimex(&mut txc, (1002, 0), 1002, &mut 0);
        assert_eq!((state, txc.maxerror), (TimeState::Error, 16_000_000));
    }

    #[test]
    fn opposite_slews_cancel_out() {
        let (mut discipline, ..) = told(phase(1_000_000, 0));
        let mut txc = Timex {
            modes: modes::ADJTIME | modes::SINGLESHOT,
            offset: -1_000,
            ..Timex::default()
        };
        discipline.adjtimex(&mut txc, (1000, 0), 1000, &mut 0);
        discipline.overflow(1001);
        // 1/16 of the offset, 62.5 us, is more than nothing and less than 500 us.
        let (offset, adjust, frac) = discipline.left();
        assert_eq!((offset * 250) >> SCALE_SHIFT, 937_500);
        assert_eq!(adjust * 1_000 + (frac >> SCALE_SHIFT), -937_500);
        assert!(discipline.skew() < 0);
    }

    #[test]
    fn leap_seconds_are_foreseen() {
        const SECONDS: i64 = 8;
        // All ways to ask for them and to call them off in the last seconds of a day.
        for way in 0..1 << 8 {
            let mut discipline = Discipline::<250>::default();
            let mut second = 86_400 * 3 - 5;
            for at in [0, 2, 4, 6] {
                let asked = |bit, status| if way & bit << at != 0 { status } else { 0 };
                discipline.set_status(asked(1, status::INS) | asked(2, status::DEL), second);
                let mut later = discipline;
                let comes = (1..=SECONDS)
                    .map(|passed| second + passed)
                    .find(|begins| later.overflow(*begins) != 0);
                let foreseen = discipline.coming_leap(second);
                assert_eq!(foreseen.filter(|leap| *leap <= second + SECONDS), comes);

                second += 1;
                second += discipline.overflow(second);
            }
        }
    }

    #[test]
    fn midnights() {
        assert_eq!(day_end(86_400 * 3 + 5, 0), 86_400 * 4);
        assert_eq!(day_end(86_400 * 3 + 5, 1), 86_400 * 4 - 1);
        assert_eq!(day_end(86_400 * 3, 0), 86_400 * 4);
    }
}
