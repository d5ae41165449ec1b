// SPDX-License-Identifier: GPL-2.0

//! What the clocks of a namespace have to read, by what was done to them and when.
//!
//! A clock that starts at the reference E as what the host's reads then, `E + base`, at the rate
//! r0, and has its rate changed to r1, r2... at T1, T2..., reads at the reference t
//!
//! ```text
//! base + (1 - r0) * E + (r0 - r1) * T1 + (r1 - r2) * T2 + ... + rn * t
//! ```
//!
//! All these times are spans. Each of them occurs once in the sum, so that the sum's span is as
//! narrow as they allow: a reading outside it is wrong, however slow the machine.

use crate::clock::Clock;
use crate::host::Bases;
use crate::lines::Lines;
use crate::rate::{Rate, FRAC_BITS};
use crate::span::Span;
use crate::sys::Ns;

/// One clock, as a function of the reference.
#[derive(Clone, Debug)]
struct Line {
    /// In units of 2^-56 ns: all but the last term of the sum.
    base: Span,
    rate: Rate,
}

impl Line {
    fn start(base: Span, at: Span, rate: Rate) -> Self {
        let line = Self {
            base: base.scaled(1 << FRAC_BITS),
            rate: Rate::ONE,
        };
        line.changed(at, rate)
    }

    fn changed(&self, at: Span, rate: Rate) -> Self {
        Self {
            base: self.base + at.scaled(self.rate.units() - rate.units()),
            rate,
        }
    }

    /// How far the clock is ahead of the reference.
    fn ahead(&self, reference: Span) -> Span {
        whole(self.base + reference.scaled(self.rate.units() - Rate::ONE.units()))
    }

    fn at(&self, reference: Span) -> Span {
        whole(self.base + reference.scaled(self.rate.units()))
    }
}

/// Units of 2^-56 ns in nanoseconds, of which the kernel rounds down twice at most.
pub(crate) fn whole(units: Span) -> Span {
    Span::new((units.lo >> FRAC_BITS) - 1, (units.hi >> FRAC_BITS) + 1)
}

/// All clocks of a namespace, from its first entry on.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    mono: Line,
    raw: Line,
    boottime: Line,
    realtime: Line,
    /// TAI less REALTIME.
    tai_ahead: Ns,
    rate: Rate,
    /// When the last change was made.
    changed: Span,
    bases: Bases,
}

impl Expectation {
    /// A namespace that is entered first at the reference `at`, after `lines` were written for it.
    pub(crate) fn start(bases: &Bases, at: Span, lines: &Lines) -> Self {
        Self::start_at_rate(bases, at, lines, lines.set_rate().unwrap_or(Rate::ONE))
    }

    fn start_at_rate(bases: &Bases, at: Span, lines: &Lines, rate: Rate) -> Self {
        // The kernel reads the host's RAW a moment after the reference.
        let raw = bases.raw + Span::new(0, at.width());
        let start = |base: Span, offset: Option<Ns>| {
            Line::start(base.shifted(offset.unwrap_or(0)), at, rate)
        };
        Self {
            mono: start(Span::new(0, 0), lines.monotonic),
            raw: start(raw, lines.monotonic),
            boottime: start(bases.boottime, lines.boottime),
            realtime: start(bases.realtime, lines.realtime),
            tai_ahead: bases.tai_ahead,
            rate,
            changed: at,
            bases: *bases,
        }
    }

    /// A namespace that was cloned from this one, and then as above.
    pub(crate) fn cloned(&self, bases: &Bases, at: Span, lines: &Lines) -> Self {
        let rate = lines.set_rate().unwrap_or(self.rate);
        let new = Self::start_at_rate(bases, at, lines, rate);
        let choose = |parent: &Line, new: Line, offset: Option<Ns>| match offset {
            Some(_) => new,
            None => parent.changed(at, rate),
        };
        Self {
            mono: choose(&self.mono, new.mono, lines.monotonic),
            raw: choose(&self.raw, new.raw, lines.monotonic),
            boottime: choose(&self.boottime, new.boottime, lines.boottime),
            realtime: choose(&self.realtime, new.realtime, lines.realtime),
            tai_ahead: self.tai_ahead,
            ..new
        }
    }

    /// Notes that `lines` were written at the reference `at`.
    pub(crate) fn change(&mut self, bases: &Bases, at: Span, lines: &Lines) {
        self.rate = lines.set_rate().unwrap_or(self.rate);
        for line in [
            &mut self.mono,
            &mut self.raw,
            &mut self.boottime,
            &mut self.realtime,
        ] {
            *line = line.changed(at, self.rate);
        }
        if let Some(offset) = lines.realtime {
            self.realtime = Line::start(bases.realtime.shifted(offset), at, self.rate);
        }
        self.changed = at;
        self.bases = *bases;
    }

    /// Notes that REALTIME was set to `time` at the reference `at`.
    pub(crate) fn set_realtime(&mut self, at: Span, time: Ns) {
        let rate = self.rate.units();
        self.realtime.base = Span::new(time, time).scaled(1 << FRAC_BITS) + at.scaled(-rate);
        self.changed = at;
    }

    /// Notes that REALTIME was moved ahead by `ns` at the reference `at`.
    pub(crate) fn step_realtime(&mut self, at: Span, ns: Ns) {
        self.realtime.base = self.realtime.base.shifted(ns << FRAC_BITS);
        self.changed = at;
    }

    /// Notes that TAI is `seconds` ahead of REALTIME from the reference `at` on.
    pub(crate) fn set_tai(&mut self, at: Span, seconds: Ns) {
        self.tai_ahead = seconds * 1_000_000_000;
        self.changed = at;
    }

    /// Notes that the host has slept: what counts sleep is ahead by that, whatever the rate.
    pub(crate) fn sleep(&mut self, at: Span, sleep: Span) {
        for line in [&mut self.boottime, &mut self.realtime] {
            line.base = line.base + sleep.scaled(1 << FRAC_BITS);
        }
        for base in [&mut self.bases.boottime, &mut self.bases.realtime] {
            *base = *base + sleep;
        }
        self.changed = at;
    }

    /// What `clock` reads at the reference `at`, which is not before the last change.
    pub(crate) fn read(&self, clock: Clock, at: Span) -> Span {
        match clock.fine() {
            Clock::Raw => self.raw.at(at),
            Clock::Boottime => self.boottime.at(at),
            Clock::Realtime => self.realtime.at(at),
            Clock::Tai => self.realtime.at(at).shifted(self.tai_ahead),
            _ => self.mono.at(at),
        }
    }

    /// How far `clock` is ahead of the host's clock of that name at the reference `at`.
    pub(crate) fn offset(&self, clock: Clock, at: Span) -> Span {
        let (line, base) = match clock {
            // The kernel does not read the host's RAW and the reference at one moment.
            Clock::Raw => (
                &self.raw,
                self.bases.raw + Span::new(-at.width(), at.width()),
            ),
            Clock::Boottime => (&self.boottime, self.bases.boottime),
            Clock::Realtime | Clock::Tai => (&self.realtime, self.bases.realtime),
            _ => (&self.mono, Span::new(0, 0)),
        };
        line.ahead(at) + base.scaled(-1)
    }

    /// When the last change was made.
    pub(crate) fn changed(&self) -> Span {
        self.changed
    }

    /// The rate.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// TAI less REALTIME.
    pub(crate) fn tai_ahead(&self) -> Ns {
        self.tai_ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASES: Bases = Bases {
        raw: Span { lo: 0, hi: 0 },
        boottime: Span { lo: 70, hi: 70 },
        realtime: Span { lo: 900, hi: 900 },
        tai_ahead: 37,
    };

    fn at(ns: Ns) -> Span {
        Span::new(ns, ns)
    }

    #[test]
    fn follows_changes() {
        let lines = Lines::new().rate(2, 0).realtime(5).monotonic(1);
        let mut expected = Expectation::start(&BASES, at(100), &lines);
        assert!(expected.read(Clock::Monotonic, at(110)).contains(121));
        assert!(!expected.read(Clock::Monotonic, at(110)).contains(123));
        assert!(expected.read(Clock::Boottime, at(110)).contains(190));
        assert!(expected.read(Clock::Realtime, at(110)).contains(1025));
        assert!(expected.read(Clock::Tai, at(110)).contains(1062));
        assert!(expected.offset(Clock::Realtime, at(110)).contains(15));

        expected.change(&BASES, at(110), &Lines::new().rate(0, 0).realtime(-10));
        assert!(expected.read(Clock::Monotonic, at(500)).contains(121));
        assert!(expected.read(Clock::Realtime, at(500)).contains(1000));
        assert!(!expected.read(Clock::Realtime, at(500)).contains(1002));
    }

    #[test]
    fn spans_are_no_wider_than_need_be() {
        let expected = Expectation::start(&BASES, Span::new(100, 110), &Lines::new().rate(1, 0));
        assert!(expected.read(Clock::Monotonic, at(200)).width() <= 2);
        let expected = Expectation::start(&BASES, Span::new(100, 110), &Lines::new().rate(3, 0));
        assert!(expected.read(Clock::Monotonic, at(200)).contains(400));
        assert!(expected.read(Clock::Monotonic, at(200)).contains(380));
        assert!(expected.read(Clock::Monotonic, at(200)).width() <= 22);
    }

    #[test]
    fn sleep_is_not_scaled() {
        let mut expected = Expectation::start(&BASES, at(100), &Lines::new().rate(2, 0));
        expected.sleep(at(110), at(1000));
        assert!(expected.read(Clock::Monotonic, at(110)).contains(120));
        assert!(expected.read(Clock::Boottime, at(110)).contains(1190));
        assert!(expected.read(Clock::Tai, at(110)).contains(2057));
        assert!(expected.offset(Clock::Realtime, at(110)).contains(10));
    }

    #[test]
    fn follows_settings() {
        let mut expected = Expectation::start(&BASES, at(100), &Lines::new().rate(2, 0));
        expected.set_realtime(Span::new(110, 112), 5000);
        assert!(expected.read(Clock::Realtime, at(120)).contains(5020));
        assert!(expected.read(Clock::Realtime, at(120)).contains(5016));
        assert!(!expected.read(Clock::Realtime, at(120)).contains(5014));
        expected.step_realtime(at(120), -1000);
        assert!(expected.read(Clock::Realtime, at(120)).contains(4020));
        assert!(expected.read(Clock::Monotonic, at(120)).contains(140));
    }

    #[test]
    fn a_clone_continues() {
        let parent = Expectation::start(&BASES, at(100), &Lines::new().rate(2, 0));
        let clone = parent.cloned(&BASES, at(200), &Lines::new().rate(1, 0).boottime(4));
        assert!(clone.read(Clock::Monotonic, at(210)).contains(310));
        assert!(clone.read(Clock::Boottime, at(210)).contains(284));
        assert!(clone.read(Clock::Realtime, at(210)).contains(1210));
    }
}
