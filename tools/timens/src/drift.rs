// SPDX-License-Identifier: GPL-2.0

//! `timens drift`: a rate that wanders at random, as a bad oscillator's does.

use crate::beat::{ended, Beat};
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
use std::io::Write;

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
    let mut walk = Walk {
        random: Random::new(args.seed.unwrap_or_else(any_seed)),
        max: args.max_ppm,
        step: args.step_ppm,
        at: 0,
    };
    let outcome = wander(&mut walk, args, &mut held, base, &mut beat, output);
    let restored = match args.keep {
        true => Ok(()),
        false => held.request(&Request::rate(base)),
    };
    ended(outcome.and(restored), args.count)
}

fn wander(
    walk: &mut Walk,
    args: &DriftArgs,
    held: &mut Held,
    base: Rate,
    beat: &mut Beat,
    output: &mut impl Write,
) -> Result<(), Error> {
    let mut changes = 0;
    loop {
        let rate = deviate(base, walk.next());
        held.request(&Request::rate(rate))?;
        // Who does not read what this prints can end it all the same.
        if !beat.until_output()? {
            return Ok(());
        }
        writeln!(
            output,
            "{} ppm",
            decimal::format_signed(deviation(base, rate), 3)
        )
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

    /// What a drift of three changes prints, and the last request.
    fn drift_of(proc: &FakeProc, more: &[&str]) -> (String, String) {
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", &clock_text("running", "9 0", "2 0"));
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
            "--count",
            "3",
        ];
        let mut output = Vec::new();
        match parse(&[&arguments, more].concat()) {
            Command::Drift(args) => drift(&proc.fs(), &args, QUIET, &mut output).unwrap(),
            other => panic!("{other:?}"),
        }
        let last = proc.read("20/timens_clock");
        let last = last.lines().next().unwrap().to_owned();
        (String::from_utf8(output).unwrap(), last)
    }

    #[test]
    fn the_rate_is_restored_unless_it_is_to_be_kept() {
        let (printed, last) = drift_of(&FakeProc::new(), &[]);
        assert_eq!(printed.lines().count(), 3);
        assert_eq!(last, "rate 2 0");
        let (again, last) = drift_of(&FakeProc::new(), &["--keep"]);
        assert_eq!(again, printed);
        assert_ne!(last, "rate 2 0");
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
