// SPDX-License-Identifier: GPL-2.0

//! `timens drift`: a rate that wanders at random, as a bad oscillator's does.

use crate::beat::Beat;
use crate::cli::DriftArgs;
use crate::clock::Request;
use crate::complain;
use crate::decimal::{self, BILLION};
use crate::error::Error;
use crate::held::Held;
use crate::procfs::Procfs;
use crate::random::Random;
use crate::rate::Rate;
use crate::Log;
use jiff::Timestamp;
use std::io::{stderr, stdout, Write};

/// A random walk between two walls.
#[derive(Clone, Debug)]
struct Walk {
    random: Random,
    /// The walls, either way.
    max: i64,
    /// The longest step, either way.
    step: i64,
    at: i64,
}

/// A clock whose rate is set again and again.
struct Steered {
    held: Held,
    /// The rate of the beginning.
    base: Rate,
    /// The rate that it has, unless somebody else has set another one.
    rate: Rate,
}

/// Changes the rate until there were enough changes, or a signal comes; then changes it back.
pub(crate) fn drift(
    procfs: &Procfs,
    args: &DriftArgs,
    log: Log,
    output: &mut impl Write,
) -> Result<(), Error> {
    let mut beat = Beat::new(args.every)?;
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::to_change(procfs, &subject, log)?;
    let base = held.clock()?.rate;
    if base.is_frozen() {
        return Err(Error::Frozen);
    }
    let seed = match args.seed {
        Some(seed) => seed,
        None if beat.until_takes(stderr())? => any_seed(),
        None => return Ok(()),
    };
    let mut walk = Walk {
        random: Random::new(seed),
        max: args.max_ppm,
        step: args.step_ppm,
        at: 0,
    };
    let mut steered = Steered {
        held,
        base,
        rate: base,
    };
    let outcome = steered.wander(&mut walk, args, log, &mut beat, output);
    let set_back = match &outcome {
        Err(Error::RateTaken(_)) => Ok(()),
        _ if args.keep => Ok(()),
        _ => steered.set_back(),
    };
    beat.end(outcome, set_back, args.count)
}

impl Steered {
    fn wander(
        &mut self,
        walk: &mut Walk,
        args: &DriftArgs,
        log: Log,
        beat: &mut Beat,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let mut changes = 0;
        loop {
            // Who does not read what this says and prints can end it all the same.
            if !beat.until_heard(log)? {
                return Ok(());
            }
            let rate = deviate(self.base, walk.next());
            self.set(rate)?;
            if !beat.until_takes(stdout())? {
                return Ok(());
            }
            let ppm = decimal::format_signed(deviation(self.base, rate), 3);
            writeln!(output, "{ppm} ppm")
                .and_then(|()| output.flush())
                .map_err(Error::Output)?;
            changes += 1;
            let last = args.count == Some(changes);
            // The last rate, too, has its time, unless it stays.
            if last && args.keep {
                return Ok(());
            }
            if !beat.wait()? || last {
                return Ok(());
            }
        }
    }

    /// Sets a rate, unless somebody else has set one meanwhile.
    fn set(&mut self, rate: Rate) -> Result<(), Error> {
        let found = self.held.clock()?.rate;
        if found != self.rate {
            return Err(Error::RateTaken(found));
        }
        self.held.request(&Request::rate(rate))?;
        self.rate = rate;
        Ok(())
    }

    /// Sets the rate of the beginning.
    fn set_back(&mut self) -> Result<(), Error> {
        if self.rate == self.base {
            return Ok(());
        }
        self.held.begin_to_set_back();
        self.set(self.base).map_err(|error| match error {
            Error::RateTaken(_) => error,
            error => Error::LeftOff {
                what: format!("the rate, {} instead of {}", self.rate, self.base),
                error: error.into(),
            },
        })
    }
}

/// A seed where the user gave none, and tells which, so that the drift can be repeated.
fn any_seed() -> u64 {
    // CAST: any bits will do.
    let seed = Timestamp::now().as_nanosecond() as u64;
    complain(&format!("seed {seed}"));
    seed
}

impl Walk {
    /// The next deviation, in units of 10^-9. A wall reflects what would go beyond it.
    fn next(&mut self) -> i64 {
        let free = self.at + self.random.within(self.step);
        let reflected = match free {
            _ if free > self.max => 2 * self.max - free,
            _ if free < -self.max => -2 * self.max - free,
            _ => free,
        };
        // A step may be longer than from wall to wall.
        self.at = reflected.clamp(-self.max, self.max);
        self.at
    }
}

/// The rate that deviates from `base` by so many 10^-9 of it. Never 0: drift does not freeze.
fn deviate(base: Rate, deviation: i64) -> Rate {
    let scaled = i128::from(base.nanos()) * (BILLION + i128::from(deviation));
    let nanos = (scaled + BILLION / 2) / BILLION;
    let nanos = u64::try_from(nanos).unwrap_or(0).max(1);
    Rate::from_nanos(nanos).unwrap_or(Rate::MAX)
}

/// How far `rate` deviates from `base`, which is not 0, in 10^-9 of it: the nearest.
fn deviation(base: Rate, rate: Rate) -> i128 {
    let base = i128::from(base.nanos());
    let scaled = (i128::from(rate.nanos()) - base) * BILLION;
    (scaled + base / 2).div_euclid(base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::testing::{clock_text, parse, FakeProc, QUIET};
    use proptest::prelude::*;
    use std::{fs, io};

    fn walk(seed: u64, max: i64, step: i64, length: usize) -> Vec<i64> {
        let mut walk = Walk {
            random: Random::new(seed),
            max,
            step,
            at: 0,
        };
        (0..length).map(|_| walk.next()).collect()
    }

    #[test]
    fn a_seed_makes_the_walk() {
        assert_eq!(walk(7, 50_000, 5_000, 100), walk(7, 50_000, 5_000, 100));
        assert_ne!(walk(7, 50_000, 5_000, 100), walk(8, 50_000, 5_000, 100));
    }

    #[test]
    fn it_gets_about() {
        let walk = walk(1, 10_000, 3_000, 1000);
        assert!(walk.iter().any(|at| *at > 9_000));
        assert!(walk.iter().any(|at| *at < -9_000));
    }

    #[test]
    fn walls_reflect() {
        // Whoever stopped there would be there half of the time.
        let walk = walk(1, 10, 10, 1000);
        for wall in [-10, 10] {
            let at_wall = walk.iter().filter(|at| **at == wall).count();
            assert!((5..120).contains(&at_wall), "{wall}: {at_wall}");
        }
    }

    #[test]
    fn deviations_are_of_the_rate() {
        let rate = |text| crate::rate::parse(text).unwrap().rate;
        assert_eq!(deviate(Rate::ONE, 50_000), rate("1.00005"));
        assert_eq!(deviate(rate("100"), -50_000), rate("99.995"));
        assert_eq!(deviate(rate("255"), 1), Rate::MAX);
        assert_eq!(
            deviate(rate("0.000000001"), -999_999_999),
            rate("0.000000001")
        );
    }

    #[test]
    fn what_is_printed_is_what_is_set() {
        let rate = |text| crate::rate::parse(text).unwrap().rate;
        let set = |base, asked| deviation(base, deviate(base, asked));
        assert_eq!(set(Rate::ONE, -12_345), -12_345);
        assert_eq!(set(rate("2"), 10_001), 10_001);
        assert_eq!(set(Rate::MAX, 12_300), 0);
        assert_eq!(set(rate("0.001"), 1_400), 1_000);
        assert_eq!(set(rate("0.001"), -1_600), -2_000);
    }

    /// A clock of rate 2 whose file holds after a request what the kernel would tell: it begins with
    /// the longest line that a request can have, and what is left of that is no known line.
    fn steered_text() -> String {
        "rate 2 000000000\n".to_owned() + &clock_text("running", "9 0", "2 0")
    }

    /// What a drift comes to.
    fn drift_on(proc: &FakeProc, more: &[&str], output: &mut impl Write) -> Result<(), Error> {
        let arguments = [
            "drift",
            "20",
            "--max-ppm",
            "100",
            "--step-ppm",
            "10",
            "--every",
            "1ms",
            "--seed",
            "7",
        ];
        match parse(&[&arguments, more].concat()) {
            Command::Drift(args) => drift(&proc.fs(), &args, QUIET, output),
            other => panic!("{other:?}"),
        }
    }

    /// A process in a namespace of that clock.
    fn steered_proc() -> FakeProc {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", &steered_text());
        proc
    }

    /// What a drift of three changes prints, and the last request.
    fn drift_of(more: &[&str]) -> (String, String) {
        let proc = steered_proc();
        let mut output = Vec::new();
        drift_on(&proc, more, &mut output).unwrap();
        let last = proc.read("20/timens_clock");
        let last = last.lines().next().unwrap().to_owned();
        (String::from_utf8(output).unwrap(), last)
    }

    #[test]
    fn the_rate_is_restored_unless_it_is_to_be_kept() {
        let (printed, last) = drift_of(&["--count", "3"]);
        assert_eq!(printed.lines().count(), 3);
        assert_eq!(last, "rate 2 0");
        let (again, last) = drift_of(&["--count", "3", "--keep"]);
        assert_eq!(again, printed);
        assert_ne!(last, "rate 2 0");
    }

    /// Somebody who sets another rate when the drift has printed its second line.
    struct Meddler<'a> {
        proc: &'a FakeProc,
        lines: usize,
    }

    impl Write for Meddler<'_> {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.lines += 1;
            if self.lines == 2 {
                let text = steered_text().replacen('2', "0", 1);
                self.proc.write("20/timens_clock", &text);
            }
            Ok(())
        }
    }

    #[test]
    fn a_rate_that_somebody_else_sets_stays() {
        for more in [&["--count", "3"] as &[&str], &["--keep"], &["--count", "2"]] {
            let proc = steered_proc();
            let mut meddler = Meddler {
                proc: &proc,
                lines: 0,
            };
            let result = drift_on(&proc, more, &mut meddler);
            assert!(
                matches!(result, Err(Error::RateTaken(Rate::FROZEN))),
                "{more:?}: {result:?}"
            );
            assert_eq!(meddler.lines, 2, "{more:?}");
            assert!(proc.read("20/timens_clock").starts_with("rate 0 0"));
        }
    }

    #[test]
    fn what_cannot_be_set_back_is_told() {
        /// Somebody who ends the process.
        struct Killer<'a>(&'a FakeProc);

        impl Write for Killer<'_> {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                let _ = fs::remove_dir_all(self.0.root().join("20"));
                Ok(text.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let proc = steered_proc();
        let result = drift_on(&proc, &["--count", "3"], &mut Killer(&proc));
        assert!(
            matches!(&result, Err(Error::LeftOff { what, .. }) if what.ends_with("instead of 2")),
            "{result:?}"
        );
    }

    #[test]
    fn a_frozen_clock_does_not_drift() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        let text = clock_text("running", "9 0", "0 0");
        proc.write("20/timens_clock", &text);
        let arguments = [
            "drift",
            "20",
            "--max-ppm",
            "1",
            "--step-ppm",
            "1",
            "--every",
            "1",
        ];
        let result = match parse(&arguments) {
            Command::Drift(args) => drift(&proc.fs(), &args, QUIET, &mut Vec::new()),
            other => panic!("{other:?}"),
        };
        assert!(matches!(result, Err(Error::Frozen)), "{result:?}");
        assert_eq!(proc.read("20/timens_clock"), text);
    }

    proptest! {
        #[test]
        fn it_stays_between_the_walls(seed: u64, max in 1i64..1_000_000_000, step in 1i64..1_000_000_000) {
            let mut last = 0;
            for at in walk(seed, max, step, 50) {
                prop_assert!(at.abs() <= max);
                prop_assert!((at - last).abs() <= step);
                last = at;
            }
        }
    }
}
