// SPDX-License-Identifier: GPL-2.0

//! A namespace together with what its clocks have to read.

use crate::clock::{Clock, Way};
use crate::expectation::{whole, Expectation};
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host::{self, Bases};
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::{ProcFile, State};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::vdso::Vdso;

const SEC: Ns = 1_000_000_000;

/// What `body` comes to, when on the reference that was, and the host's clocks then.
pub(crate) fn timed<T>(body: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Span, Bases)> {
    let bases = Bases::measure()?;
    let before = host::reference()?;
    let value = body()?;
    let after = host::reference()?;
    let bases = bases.hull(&Bases::measure()?);
    Ok((value, Span::new(before, after), bases))
}

/// A namespace that was entered, and all that was done to it.
///
/// The process that uses it is on the host.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) namespace: Namespace,
    pub(crate) expected: Expectation,
}

impl Tracked {
    /// A new namespace for which `lines` were written in one write.
    pub(crate) fn new(lines: &Lines) -> Outcome<Self> {
        let pending = Pending::new()?;
        pending.write(lines)?;
        Self::start(pending.detach()?, lines)
    }

    /// Enters a new namespace for the first time, for which `lines` were written.
    pub(crate) fn start(namespace: Namespace, lines: &Lines) -> Outcome<Self> {
        let ((), at, bases) = timed(|| namespace.inside(|| Ok(())))?;
        let expected = Expectation::start(&bases, at, lines);
        Ok(Self {
            namespace,
            expected,
        })
    }

    /// A clone of the namespace, for which `lines` were written, entered for the first time.
    pub(crate) fn cloned(&self, lines: &Lines) -> Outcome<Self> {
        let namespace = self.pending_clone(lines)?;
        self.start_clone(namespace, lines)
    }

    /// A clone of the namespace, for which `lines` were written.
    pub(crate) fn pending_clone(&self, lines: &Lines) -> Outcome<Namespace> {
        self.namespace.inside(|| {
            let pending = Pending::new()?;
            let text = lines.to_string();
            if !text.is_empty() {
                pending.write(text)?;
            }
            pending.detach()
        })
    }

    /// Enters a clone of the namespace for the first time.
    pub(crate) fn start_clone(&self, namespace: Namespace, lines: &Lines) -> Outcome<Self> {
        let ((), at, bases) = timed(|| namespace.inside(|| Ok(())))?;
        let expected = self.expected.cloned(&bases, at, lines);
        Ok(Self {
            namespace,
            expected,
        })
    }

    /// Writes `lines` while it is in use, to `file`.
    pub(crate) fn change(&mut self, file: ProcFile, lines: &Lines) -> Outcome {
        let namespace = &self.namespace;
        let text = lines.to_string();
        let (written, at, bases) = timed(|| {
            namespace.inside(|| {
                let written = file.write("self", &text);
                written.context(format_args!("writing {text:?} to {}", file.name()))
            })
        })?;
        check_eq!(written, text.len(), "bytes of {text:?} that were taken");
        self.expected.change(&bases, at, lines);
        Ok(())
    }

    /// What `timens_clock` says of it, and when it said that.
    pub(crate) fn state(&self) -> Outcome<(State, Span)> {
        let (state, at, _) = timed(|| self.namespace.inside(|| State::read("self")))?;
        Ok((state.context("timens_clock is empty")?, at))
    }

    /// Checks every clock, in every way that there is to read it.
    pub(crate) fn verify(&self) -> Outcome {
        // Only references after the last change are in its formula, the coarse one, too. Somebody
        // else may have changed the clock and changed it back.
        host::pass_until(Clock::MonotonicCoarse, host::reference()?)?;
        for clock in Clock::ALL {
            for way in Way::ALL {
                let read = || Ok((way.read(clock)?, way.read(clock)?));
                let (at, (first, second)) = self.sample(clock, read)?;
                let expected = self.expected.read(clock, at);
                check!(
                    first <= second && expected.contains(first) && expected.contains(second),
                    "{clock} by {way:?} is {first} and {second}, should be in {expected}"
                );
            }
        }
        self.verify_seconds().during("older interfaces")
    }

    /// gettimeofday() and time().
    fn verify_seconds(&self) -> Outcome {
        let vdso = Vdso::get()?;
        let read = || {
            let by_vdso = vdso.gettimeofday().context("gettimeofday by vDSO")?;
            Ok([sys::gettimeofday().context("gettimeofday")?, by_vdso])
        };
        let (at, times) = self.sample(Clock::Realtime, read)?;
        let expected = self.expected.read(Clock::Realtime, at);
        let expected = Span::new(expected.lo / 1000 * 1000, expected.hi);
        for time in times {
            check!(
                expected.contains(time),
                "gettimeofday: {times:?}, should be in {expected}"
            );
        }

        let read = || Ok([sys::time().context("time")?, vdso.time()]);
        let (at, times) = self.sample(Clock::RealtimeCoarse, read)?;
        let expected = self.expected.read(Clock::Realtime, at);
        let expected = Span::new(expected.lo / SEC, expected.hi / SEC);
        for time in times {
            check!(
                expected.contains(time.into()),
                "time: {times:?}, should be in {expected}"
            );
        }
        Ok(())
    }

    /// What `read` gives in the namespace, and at which reference a clock like `clock` was read.
    fn sample<T>(&self, clock: Clock, read: impl FnOnce() -> Outcome<T>) -> Outcome<(Span, T)> {
        let reference = match clock.is_coarse() {
            true => Clock::MonotonicCoarse,
            false => Clock::Monotonic,
        };
        let before = reference.now()?;
        let value = self.namespace.inside(read)?;
        Ok((Span::new(before, reference.now()?), value))
    }

    /// Checks that the clock runs as fast as expected: with less doubt than `doubt` ns a second.
    pub(crate) fn verify_rate(&self, clock: Clock, doubt: Ns) -> Outcome {
        let rate = self.expected.rate().units();
        let start = self.tightest(clock)?;
        loop {
            let end = self.tightest(clock)?;
            let passed = Span::new(end.0.lo - start.0.hi, end.0.hi - start.0.lo);
            let advanced = end.1 - start.1;
            let expected = whole(passed.scaled(rate));
            check!(
                expected.contains(advanced),
                "{clock} has advanced {advanced} in {passed}, should be in {expected}"
            );
            if passed.width() * SEC < passed.lo * doubt {
                return Ok(());
            }
            host::pass(passed.width().max(1_000_000) * 10)?;
        }
    }

    /// The best of some readings.
    fn tightest(&self, clock: Clock) -> Outcome<(Span, Ns)> {
        let mut best = self.sample(clock, || clock.now())?;
        for _ in 0..20 {
            let sample = self.sample(clock, || clock.now())?;
            if sample.0.width() < best.0.width() {
                best = sample;
            }
        }
        Ok(best)
    }
}
