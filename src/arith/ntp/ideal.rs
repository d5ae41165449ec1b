// SPDX-License-Identifier: GPL-2.0

//! The clock that the discipline asks for.
//!
//! ```text
//!  MONOTONIC
//!      ^                               .  '
//!      |                        . -+
//!      |                 . - +     :       a step of the ideal clock is a tick
//!      |           . -+      :     :
//!      |     . - +    :      :     :
//!      |    +    :    :      :     :
//!      +----|----|----|------|-----|----------> MONOTONIC_RAW
//! ```
//!
//! The ideal clock is known at its last tick. The real one, which is published, goes in straight
//! lines, and meets it where they do (see [`course`](super::course)). It misses when whoever
//! publishes is late, and then gets nearer again.

use super::{
    super::{
        reciprocal::Reciprocal,
        time::{
            FixedNs,
            FRAC_BITS,
            KTIME_MAX, //
        }, //
    },
    discipline::Discipline,
    timex::{
        modes,
        Refusal,
        TimeState,
        Timex, //
    },
    NSEC_PER_SEC,
    SCALE_SHIFT,
    SECOND, //
};

/// How many bits [`FixedNs`] has more than what is scaled.
const EXTRA_BITS: u32 = FRAC_BITS - SCALE_SHIFT;

/// The first second that REALTIME cannot be set to: 30 years before the end.
const SETTABLE_END: i64 = KTIME_MAX as i64 / NSEC_PER_SEC - 30 * 365 * 86_400;

/// So many parts of [`Ntp::advance`] are done at a time: it must not keep interrupts off
/// for long.
const BUDGET: u32 = 256;

/// A real clock this far from the last tick of the ideal one, in units of 2^-56 ns, is not led back
/// to it.
const LOST: u128 = (NSEC_PER_SEC as u128 / 2) << FRAC_BITS;

/// The idle time of fewer seconds is not worth being skipped.
const SKIP_MIN: i64 = 16;

/// What the clocks of a namespace read.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// MONOTONIC_RAW.
    pub raw: FixedNs,
    /// MONOTONIC.
    pub mono: FixedNs,
    /// How many ns the host has slept.
    pub sleep: u64,
}

impl Moment {
    /// After all ticks.
    pub(super) const END: Self = Self {
        raw: FixedNs::MAX,
        mono: FixedNs::MAX,
        sleep: 0,
    };
}

/// The discipline of a clock, with its ideal clock, in a kernel with `HZ` ticks a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ntp<const HZ: i64> {
    pub(super) discipline: Discipline<HZ>,
    /// What RAW read at the last tick.
    pub(super) raw: FixedNs,
    /// What MONOTONIC should have read.
    pub(super) mono: FixedNs,
    /// The second of REALTIME that has begun.
    second: i64,
    /// REALTIME less MONOTONIC and sleep, ns.
    pub(super) realtime: i64,
    sleep: u64,
    /// TAI - UTC, seconds.
    tai: i32,
}

/// What came of [`Ntp::catch_up`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// All that was to be done is done.
    Done,
    /// There is more to be done.
    Again,
    /// All is done, but the real clock was too far off to be led back. The ideal one goes on from
    /// where that is.
    Lost,
}

/// What [`Ntp::step`] came across.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Some ticks.
    Ticks,
    /// The end of a second.
    Second,
    /// Nothing, so far.
    Nothing,
}

impl<const HZ: i64> Ntp<HZ> {
    /// A tick of the oscillator, scaled.
    const INTERVAL: i64 = SECOND / HZ;

    /// The discipline of a clock whose REALTIME is `realtime` ns ahead of MONOTONIC and sleep, and
    /// whose TAI is `tai` seconds ahead of that. So far, it does nothing.
    pub fn new(now: &Moment, realtime: i64, tai: i32) -> Self {
        let mut ntp = Self {
            discipline: Discipline::default(),
            raw: now.raw,
            mono: now.mono,
            second: 0,
            realtime,
            sleep: now.sleep,
            tai,
        };
        ntp.restart(now);
        ntp
    }

    /// Its state.
    pub fn discipline(&self) -> &Discipline<HZ> {
        &self.discipline
    }

    /// REALTIME less MONOTONIC and sleep, ns.
    pub fn realtime(&self) -> i64 {
        self.realtime
    }

    /// TAI - UTC, seconds.
    pub fn tai(&self) -> i32 {
        self.tai
    }

    /// How many ns the host had slept.
    pub fn sleep(&self) -> u64 {
        self.sleep
    }

    /// What RAW read at the last tick.
    pub fn tick(&self) -> FixedNs {
        self.raw
    }

    /// What MONOTONIC should have read at the last tick.
    pub fn ideal(&self) -> FixedNs {
        self.mono
    }

    /// The second of REALTIME that has begun.
    pub fn second(&self) -> i64 {
        self.second
    }

    /// Does what was to be done until `now`. Returns whether that was all: else call it again.
    pub fn advance(&mut self, now: &Moment) -> bool {
        self.catch_up(now) != CatchUp::Again
    }

    /// The same, and tells whether the clock was lost.
    pub fn catch_up(&mut self, now: &Moment) -> CatchUp {
        if now.sleep != self.sleep {
            self.sleep = now.sleep;
            self.second = self.begun();
            self.discipline.skip_to(self.second);
        }
        for _ in 0..BUDGET {
            if !self.skip_idle(now.raw) && self.step(now) == Step::Nothing {
                if self.mono.as_units().abs_diff(now.mono.as_units()) < LOST {
                    return CatchUp::Done;
                }
                self.restart(now);
                self.discipline.skip_to(self.second);
                return CatchUp::Lost;
            }
        }
        CatchUp::Again
    }

    /// `adjtimex()`, after [`validate`](super::timex::validate) and [`Ntp::advance`].
    pub fn adjtimex(&mut self, now: &Moment, txc: &mut Timex) -> Result<TimeState, Refusal> {
        // As of before the step.
        let real = i64::try_from(self.reading(now)).unwrap_or(i64::MAX);
        if txc.has(modes::SETOFFSET) {
            let (sec, nsec) = txc.step();
            let step = nanoseconds(sec, nsec);
            self.set_ahead(now, self.ahead().wrapping_add(step))?;
        }

        let length = self.discipline.advance(0);
        let mut tai = self.tai;
        let time = (
            real.wrapping_div_euclid(NSEC_PER_SEC),
            real.wrapping_rem_euclid(NSEC_PER_SEC),
        );
        let state = self.discipline.adjtimex(txc, time, self.second, &mut tai);
        self.tai = tai;

        // A new frequency holds from now on, not from the last tick on.
        let shorter = length.wrapping_sub(self.discipline.advance(0));
        if shorter != 0 {
            self.shift(now, shorter);
        }
        Ok(state)
    }

    /// Ticks are `shorter` from now on, and this one is a while ago: the last tick of the ideal
    /// clock moves as far as leaves it where it is now.
    fn shift(&mut self, now: &Moment, shorter: i64) {
        let moved = product(self.since_tick(now.raw), self.rate_of(shorter));
        let mono = if shorter < 0 {
            self.mono.as_units().checked_sub(moved)
        } else {
            self.mono.as_units().checked_add(moved)
        };
        match mono {
            Some(mono) => self.mono = FixedNs::from_units(mono),
            // MONOTONIC itself has just begun.
            None => self.restart(now),
        }
    }

    /// `clock_settime()`, after [`Ntp::advance`].
    pub fn set_realtime(&mut self, now: &Moment, sec: i64, nsec: i64) -> Result<(), Refusal> {
        if !(0..NSEC_PER_SEC).contains(&nsec) {
            return Err(Refusal::Invalid);
        }
        let mono = i128::from(now.mono.floor().as_ns());
        self.set_ahead(now, nanoseconds(sec, nsec).wrapping_sub(mono))
    }

    /// Steps REALTIME such that it is `ahead` ns ahead of MONOTONIC.
    fn set_ahead(&mut self, now: &Moment, ahead: i128) -> Result<(), Refusal> {
        // Not before MONOTONIC, as the host. All sums are of a few 64-bit numbers.
        let real = ahead.wrapping_add(i128::from(now.mono.floor().as_ns()));
        if ahead < 0 || real >= nanoseconds(SETTABLE_END, 0) {
            return Err(Refusal::Invalid);
        }
        self.realtime = i64::try_from(ahead.wrapping_sub(i128::from(self.sleep)))
            .map_err(|_| Refusal::Invalid)?;
        self.discipline.clear();
        self.restart(now);
        Ok(())
    }

    /// Whether nothing that [`Ntp::advance`] would do makes a difference if REALTIME is set now.
    pub fn may_forget(&self, now: &Moment) -> bool {
        now.sleep == self.sleep && self.discipline.is_idle()
    }

    /// Goes on from `now`, where REALTIME is `realtime` ns ahead of MONOTONIC and sleep, wherever
    /// the clocks were before.
    pub fn rebase(&mut self, now: &Moment, realtime: i64) {
        self.sleep = now.sleep;
        self.realtime = realtime;
        self.restart(now);
        self.discipline.skip_to(self.second);
    }

    /// Drops what was going on, as REALTIME was set. The frequency stays.
    pub fn clear(&mut self) {
        self.discipline.clear();
    }

    /// Begins a tick. The ideal clock is where the real one is.
    fn restart(&mut self, now: &Moment) {
        self.raw = now.raw;
        self.mono = now.mono;
        self.second = self.begun();
    }

    /// What REALTIME is ahead of MONOTONIC, ns.
    fn ahead(&self) -> i128 {
        i128::from(self.realtime).wrapping_add(i128::from(self.sleep))
    }

    /// What REALTIME reads, ns, which may be more than a clock can show.
    fn reading(&self, now: &Moment) -> i128 {
        i128::from(now.mono.floor().as_ns()).wrapping_add(self.ahead())
    }

    /// The second of REALTIME at the last tick.
    fn begun(&self) -> i64 {
        let last = Moment {
            raw: self.raw,
            mono: self.mono,
            sleep: self.sleep,
        };
        whole_seconds(self.reading(&last))
    }

    /// When the next second of REALTIME begins on the ideal clock, in units of 2^-56 ns. Negative
    /// if that is before MONOTONIC began.
    fn next_second(&self) -> i128 {
        nanoseconds(self.second.saturating_add(1), 0).wrapping_sub(self.ahead()) << FRAC_BITS
    }

    /// What the ideal clock lacks until then, scaled and rounded up.
    fn left(&self) -> i64 {
        // CAST: `FixedNs` has 119 bits.
        let left = self
            .next_second()
            .wrapping_sub(self.mono.as_units() as i128);
        let scaled = left.wrapping_add((1 << EXTRA_BITS) - 1) >> EXTRA_BITS;
        // CAST: Of that size it fits.
        scaled.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Whether every tick is like the last one, and no leap to come.
    pub(super) fn is_settled(&self) -> bool {
        self.discipline.is_quiet() && self.discipline.coming_leap(self.second).is_none()
    }

    /// Whether there will be a leap less than `length` after the last tick, in units of 2^-56 ns of
    /// the ideal clock.
    pub(super) fn leaps_within(&self, length: u128) -> bool {
        let Some(leap) = self.discipline.coming_leap(self.second) else {
            return false;
        };
        let seconds = leap.saturating_sub(self.second).saturating_sub(1);
        let left = (nanoseconds(seconds, 0) << SCALE_SHIFT).wrapping_add(self.left().into());
        // CAST: Not negative: `max`.
        (left.max(0) as u128).saturating_mul(1 << EXTRA_BITS) < length
    }

    /// How long ago on RAW the last tick was, in units of 2^-56 ns.
    fn since_tick(&self, raw: FixedNs) -> u128 {
        raw.as_units().saturating_sub(self.raw.as_units())
    }

    /// How many ticks there are until RAW reads `raw`; or a few less, but some if there are any.
    fn ticks(&self, raw: FixedNs) -> i64 {
        let scaled = self.since_tick(raw) >> EXTRA_BITS;
        // CAST: Whole ns have 63 bits, and what is masked has 32.
        let (ns, frac) = (
            (scaled >> SCALE_SHIFT) as i64,
            (scaled & 0xffff_ffff) as i64,
        );
        // A second is as many ticks, and what they are shorter.
        let rest = ((ns % NSEC_PER_SEC) << SCALE_SHIFT).wrapping_add(frac);
        let rest = rest.checked_div(Self::INTERVAL).unwrap_or(0);
        (ns / NSEC_PER_SEC).wrapping_mul(HZ).wrapping_add(rest)
    }

    /// `ticks` pass, in each of which the ideal clock gets `advance` ahead, scaled.
    fn pass(&mut self, ticks: i64, advance: i64) {
        // CAST: Neither is negative.
        let ticks = ticks as u128;
        let units = |scaled: i64| ticks.wrapping_mul(scaled as u128) << EXTRA_BITS;
        let raw = self.raw.as_units().wrapping_add(units(Self::INTERVAL));
        let mono = self.mono.as_units().wrapping_add(units(advance));
        self.raw = FixedNs::from_units(raw);
        self.mono = FixedNs::from_units(mono);
    }

    /// Passes ticks that are alike, or the one at the end of a second, but none that are after `now`.
    pub(super) fn step(&mut self, now: &Moment) -> Step {
        let ticks = self.ticks(now.raw);
        let second = self.second.saturating_add(1);
        let leaps = self.discipline.leap_at(second) != 0;
        if ticks == 0 && !leaps {
            return Step::Nothing;
        }
        let left = self.left();
        let skew = self.discipline.skew();
        // The host looks for the end of a second before it looks what there was to slew.
        let planned = self.discipline.advance(skew);

        if left <= planned {
            if leaps {
                return self.leap(now, left, planned, skew);
            }
            self.discipline.overflow(second);
            self.second = second;
            // Two offsets in opposite directions may have cancelled out.
            let claim = self.discipline.drain(skew);
            self.pass(1, self.discipline.advance(claim));
            return Step::Second;
        }
        if ticks == 0 {
            return Step::Nothing;
        }
        let run = self.discipline.run(skew);
        let advance = self.discipline.advance(run.claim);
        // Rounded up: the tick after these is the last of the second. All are positive.
        let before_last = left
            .wrapping_sub(planned)
            .wrapping_add(advance)
            .wrapping_sub(1)
            .checked_div(advance)
            .unwrap_or(1);
        let ticks = ticks.min(run.ticks).min(before_last);
        self.discipline.take(&run, ticks);
        self.pass(ticks, advance);
        Step::Ticks
    }

    /// The next tick would be beyond the end of a second with a leap, which ends in `left`. So the
    /// tick does. It is due when either clock gets there: they are as good as together, but the real
    /// one must not be seen beyond it. A part of a tick slews that part of `skew`.
    fn leap(&mut self, now: &Moment, left: i64, planned: i64, skew: i64) -> Step {
        let share = ratio(
            u128::from(left.max(0).unsigned_abs()),
            u128::from(planned.unsigned_abs()),
        );
        let interval = u128::from(Self::INTERVAL.unsigned_abs()) << EXTRA_BITS;
        let at = self.raw.as_units().wrapping_add(product(interval, share));
        // CAST: Not negative: `max`.
        let mono = self.next_second().max(0) as u128;
        if now.raw.as_units() < at && now.mono.as_units() < mono {
            return Step::Nothing;
        }
        self.raw = FixedNs::from_units(at);
        self.mono = FixedNs::from_units(mono.max(self.mono.as_units()));
        // CAST: Not more than `skew`, of which it is a part.
        let slewed = product(skew.unsigned_abs().into(), share) as i64;
        self.discipline.drain(slewed.wrapping_mul(skew.signum()));

        let second = self.second.saturating_add(1);
        let leap = self.discipline.overflow(second);
        self.second = second.saturating_add(leap);
        self.realtime = self
            .realtime
            .saturating_add(leap.wrapping_mul(NSEC_PER_SEC));
        // CAST: 1 or -1.
        self.tai = self.tai.saturating_sub(leap as i32);
        Step::Second
    }

    /// Passes many seconds at once if nothing happens in them.
    fn skip_idle(&mut self, raw: FixedNs) -> bool {
        if !self.discipline.is_quiet() {
            return false;
        }
        let ticks = self.ticks(raw);
        if ticks < SKIP_MIN.saturating_mul(HZ) {
            return false;
        }
        // A second of REALTIME has at least 10/12 of the ticks, with the shortest of them.
        let seconds = self.discipline.idle_seconds(self.second);
        let idle = seconds.saturating_sub(1).saturating_mul(HZ) / 12;
        let ticks = idle.saturating_mul(10).min(ticks);
        if ticks < SKIP_MIN.saturating_mul(HZ) {
            return false;
        }
        self.pass(ticks, self.discipline.advance(0));
        let second = self.begun().max(self.second);
        self.discipline.age(second.saturating_sub(self.second));
        self.second = second;
        true
    }

    /// Where the ideal clock is on its way to the next tick.
    pub fn ideal_at(&self, raw: FixedNs) -> FixedNs {
        self.ideal_by(raw, self.momentary())
    }

    /// As [`Ntp::ideal_at`], where `rate` is [`Ntp::momentary`].
    pub(super) fn ideal_by(&self, raw: FixedNs, rate: u64) -> FixedNs {
        let moved = product(self.since_tick(raw), rate);
        FixedNs::from_units(self.mono.as_units().wrapping_add(moved))
    }

    /// The rate until the next tick, in units of 2^-56.
    pub(super) fn momentary(&self) -> u64 {
        let run = self.discipline.run(self.discipline.skew());
        self.rate_of(self.discipline.advance(run.claim))
    }

    /// The rate while nothing is slewed, in units of 2^-56.
    pub(super) fn steady(&self) -> u64 {
        self.rate_of(self.discipline.advance(0))
    }

    /// The rate of a clock that gets `advance` ahead in a tick, in units of 2^-56.
    fn rate_of(&self, advance: i64) -> u64 {
        if advance == Self::INTERVAL {
            // Mostly, and it spares the division.
            return 1 << FRAC_BITS;
        }
        ratio(
            u128::from(advance.unsigned_abs()),
            u128::from(Self::INTERVAL.unsigned_abs()),
        )
    }
}

/// Seconds and nanoseconds as nanoseconds.
fn nanoseconds(sec: i64, nsec: i64) -> i128 {
    // 94 bits.
    i128::from(sec)
        .wrapping_mul(i128::from(NSEC_PER_SEC))
        .wrapping_add(i128::from(nsec))
}

/// Nanoseconds, less than twice as many as a clock can show, as whole seconds.
fn whole_seconds(ns: i128) -> i64 {
    // There is no division of 128 bits in the kernel.
    let (seconds, rest) = match i64::try_from(ns) {
        Ok(ns) => (0, ns),
        Err(_) => {
            let seconds = i64::MAX / NSEC_PER_SEC;
            let rest = ns.wrapping_sub(nanoseconds(seconds, 0));
            (seconds, i64::try_from(rest).unwrap_or(i64::MAX))
        }
    };
    rest.wrapping_div_euclid(NSEC_PER_SEC).wrapping_add(seconds)
}

/// `part / whole` in units of 2^-56, rounded down. It is less than 256, or 256 less a unit.
pub(super) fn ratio(part: u128, whole: u128) -> u64 {
    // 63 bits of them are more than a rate has.
    let excess = whole.leading_zeros().min(65);
    let shift = 65u32.wrapping_sub(excess);
    let (part, whole) = (part.wrapping_shr(shift), whole.wrapping_shr(shift));
    // CAST: 63 bits.
    let whole = whole as u64;
    match u64::try_from(part) {
        Ok(part) => Reciprocal::of(whole)
            .divide(u128::from(part) << FRAC_BITS, whole)
            .unwrap_or(u64::MAX),
        Err(_) => u64::MAX,
    }
}

/// `number * share`, where `share` is in units of 2^-56 and the number less than 2^100.
pub(super) fn product(number: u128, share: u64) -> u128 {
    // In two parts, as neither of them has more than 56 bits: 50 and 50 of the number.
    let low = number & ((1 << FRAC_BITS) - 1);
    let high = number >> FRAC_BITS;
    let share = u128::from(share);
    high.wrapping_mul(share)
        .wrapping_add(low.wrapping_mul(share) >> FRAC_BITS)
}

#[cfg_attr(not(test), ::kernel::macros::kunit_tests(timens_clock_ideal))]
#[cfg(any(test, CONFIG_KUNIT))]
mod tests {
    use super::*;

    /// All clocks `ns` after their begin, at the same rate.
    fn at(ns: u64) -> Moment {
        let ns = FixedNs::from_units(u128::from(ns) << FRAC_BITS);
        Moment {
            raw: ns,
            mono: ns,
            sleep: 0,
        }
    }

    #[test]
    fn shares_and_ratios() {
        assert_eq!(ratio(1, 2), 1 << 55);
        assert_eq!(ratio(3, 1), 3 << 56);
        assert_eq!(ratio(1 << 100, 1 << 101), 1 << 55);
        assert_eq!(ratio(1 << 100, 1), u64::MAX);
        assert_eq!(product(1000 << 90, 1 << 55), 500 << 90);
        assert_eq!(product(7, 1 << 55), 3);
    }

    #[test]
    fn a_second_begins_at_the_first_tick_after_it() {
        let mut ntp = Ntp::<250>::new(&at(0), 5_000_999_999, 0);
        assert!(ntp.advance(&at(999_999_999)));
        // REALTIME is 6.000999998 there, but the last tick was at 996 ms.
        assert_eq!((ntp.second(), ntp.tick()), (5, at(996_000_000).raw));
        assert!(ntp.advance(&at(1_000_000_000)));
        assert_eq!(ntp.second(), 6);
    }

    #[test]
    fn seconds_go_on_when_realtime_is_at_its_end() {
        let mut ntp = Ntp::<250>::new(&at(10_000_000_000), i64::MAX, 0);
        assert_eq!(ntp.second(), 9_223_372_046);
        assert!(ntp.advance(&at(12_000_000_000)));
        assert_eq!(ntp.second(), 9_223_372_048);
        let mut txc = Timex::default();
        assert!(ntp.adjtimex(&at(12_000_000_000), &mut txc).is_ok());
        assert_eq!((txc.sec, txc.subsec), (9_223_372_036, 854_775));
    }

    #[test]
    fn the_hosts_sleep_has_no_seconds() {
        let mut ntp = Ntp::<250>::new(&at(0), 0, 0);
        let mut now = at(500_000_000);
        now.sleep = 100 * NSEC_PER_SEC as u64;
        assert!(ntp.advance(&now));
        assert_eq!(ntp.second(), 100);
        let mut txc = Timex::default();
        assert!(ntp.adjtimex(&now, &mut txc).is_ok());
        assert_eq!((txc.sec, txc.subsec), (100, 500_000));
    }

    #[test]
    fn a_new_frequency_does_not_move_the_clock() {
        // From the first tick on, where MONOTONIC is too small to move, and from a later one.
        for begin in [3_000_000, 103_000_000] {
            let mut ntp = Ntp::<250>::new(&at(0), 0, 0);
            let mut now = at(begin);
            assert!(ntp.advance(&now));
            let mut txc = Timex {
                modes: modes::TICK,
                tick: 11_000,
                ..Timex::default()
            };
            assert!(ntp.adjtimex(&now, &mut txc).is_ok());
            let ideal = |ntp: Ntp<250>, now: Moment| ntp.ideal_at(now.raw).floor().as_ns();
            assert!(ideal(ntp, now).abs_diff(begin) <= 1);
            // A tenth faster for 7 ms.
            now = at(begin + 7_000_000);
            assert!(ntp.advance(&now));
            assert!(ideal(ntp, now).abs_diff(begin + 7_700_000) <= 1);
        }
    }

    #[test]
    fn a_lost_clock_is_given_up() {
        let mut ntp = Ntp::<250>::new(&at(0), 0, 0);
        let mut now = at(10_000_000_000);
        now.mono = at(20_000_000_000).mono;
        assert!(ntp.advance(&now));
        assert_eq!((ntp.ideal(), ntp.second()), (now.mono, 20));
    }
}
