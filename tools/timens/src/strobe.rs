// SPDX-License-Identifier: GPL-2.0

//! `timens strobe`: a date that jumps forth and back.

use crate::beat::Beat;
use crate::cli::StrobeArgs;
use crate::error::Error;
use crate::held::Held;
use crate::offset::Offset;
use crate::procfs::Procfs;
use crate::step::step_by;
use crate::Log;
use jiff::SignedDuration;

/// Where the date is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where it would be without this.
    Home,
    /// As far from there as was asked for.
    Away,
}

/// A date that jumps.
struct Strobe {
    by: SignedDuration,
    place: Place,
    /// How far the steps so far have brought it, as the kernel tells it.
    distance: SignedDuration,
}

/// Steps forth and back until there were enough steps, or a signal comes; then back.
pub(crate) fn strobe(procfs: &Procfs, args: &StrobeArgs, log: Log) -> Result<(), Error> {
    let mut beat = Beat::new(args.every)?;
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::to_change(procfs, &subject, log)?;
    let mut strobe = Strobe::new(args.by);
    // Who does not read what this says can end it all the same.
    if !beat.until_heard(log)? {
        return Ok(());
    }
    let wait = || Ok(beat.wait()? && beat.until_heard(log)?);
    let outcome = strobe.run(args.count, |by| step_and_look(&mut held, by), wait);
    held.begin_to_set_back();
    let home = strobe.go(Place::Home, |by| step_and_look(&mut held, by));
    let home = home.map_err(|error| Error::LeftOff {
        what: format!("the date, {} off", Offset::from(strobe.distance).full()),
        error: error.into(),
    });
    beat.end(outcome, home, args.count)
}

/// Steps, and tells by how much it was, unless that cannot be seen any more.
fn step_and_look(held: &mut Held, by: SignedDuration) -> Result<Option<SignedDuration>, Error> {
    let before = step_by(held, by)?;
    let after = held.clock().ok();
    Ok(after.map(|after| after.stepped().saturating_sub(before.stepped())))
}

impl Strobe {
    fn new(by: SignedDuration) -> Strobe {
        Strobe {
            by,
            place: Place::Home,
            distance: SignedDuration::ZERO,
        }
    }

    /// Steps, and calls `wait` after each step that does not end it at home.
    fn run(
        &mut self,
        count: Option<u64>,
        mut step: impl FnMut(SignedDuration) -> Result<Option<SignedDuration>, Error>,
        mut wait: impl FnMut() -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut steps = 0;
        loop {
            self.go(self.place.other(), &mut step)?;
            steps += 1;
            let last = count == Some(steps);
            if last && self.place == Place::Home {
                return Ok(());
            }
            if !wait()? || last {
                return Ok(());
            }
        }
    }

    /// Steps to a place, from where the last step has really led: so errors do not add up.
    fn go(
        &mut self,
        place: Place,
        step: impl FnOnce(SignedDuration) -> Result<Option<SignedDuration>, Error>,
    ) -> Result<(), Error> {
        if place == self.place {
            return Ok(());
        }
        let distance = match place {
            Place::Home => SignedDuration::ZERO,
            Place::Away => self.by,
        };
        let by = distance.saturating_sub(self.distance);
        let stepped = step(by)?.unwrap_or(by);
        self.distance = self.distance.saturating_add(stepped);
        self.place = place;
        Ok(())
    }
}

impl Place {
    fn other(self) -> Place {
        match self {
            Place::Home => Place::Away,
            Place::Away => Place::Home,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::testing::{clock_text, parse, FakeProc, QUIET};

    /// The steps in ms of a strobe by a second, whose every step goes `error` ms too far, and which
    /// is interrupted when it waits for the `interrupt`ed time.
    fn steps(count: Option<u64>, interrupt: usize, error: i64) -> Vec<i128> {
        let mut steps = Vec::new();
        let mut waits = 0;
        let mut strobe = Strobe::new(SignedDuration::from_secs(1));
        let mut step = |by: SignedDuration| {
            steps.push(by.as_millis());
            Ok(Some(by + SignedDuration::from_millis(error)))
        };
        let wait = || {
            waits += 1;
            Ok(waits != interrupt)
        };
        strobe.run(count, &mut step, wait).unwrap();
        strobe.go(Place::Home, step).unwrap();
        steps
    }

    #[test]
    fn it_ends_where_it_began() {
        assert_eq!(steps(Some(4), 0, 0), [1000, -1000, 1000, -1000]);
        assert_eq!(steps(Some(3), 0, 0), [1000, -1000, 1000, -1000]);
        assert_eq!(steps(Some(1), 0, 0), [1000, -1000]);
        assert_eq!(steps(None, 1, 0), [1000, -1000]);
        assert_eq!(steps(None, 2, 0), [1000, -1000]);
        assert_eq!(steps(Some(9), 3, 0), [1000, -1000, 1000, -1000]);
    }

    #[test]
    fn every_step_has_its_time_but_one_that_ends_it_at_home() {
        let waits = |count| {
            let mut waits = 0;
            let mut strobe = Strobe::new(SignedDuration::from_secs(1));
            let wait = || {
                waits += 1;
                Ok(true)
            };
            strobe.run(Some(count), |by| Ok(Some(by)), wait).unwrap();
            waits
        };
        assert_eq!((waits(1), waits(2), waits(3), waits(4)), (1, 1, 3, 3));
    }

    #[test]
    fn errors_do_not_add_up() {
        assert_eq!(steps(Some(4), 0, 3), [1000, -1003, 997, -1003]);
    }

    #[test]
    fn a_step_that_cannot_be_looked_at_is_taken_back() {
        let mut strobe = Strobe::new(SignedDuration::from_secs(1));
        strobe.run(None, |_| Ok(None), || Ok(false)).unwrap();
        let mut back = None;
        let step = |by| Ok(Some(*back.insert(by)));
        strobe.go(Place::Home, step).unwrap();
        assert_eq!(back, Some(SignedDuration::from_secs(-1)));
    }

    #[test]
    fn a_failure_is_told_and_the_date_is_left() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        let text = clock_text("running", "9 0", "1 0");
        proc.write("20/timens_clock", "");
        let strobe = |by: &str| {
            let arguments = ["strobe", "20", "--by", by, "--every", "1ms", "--count", "2"];
            match parse(&arguments) {
                Command::Strobe(args) => strobe(&proc.fs(), &args, QUIET),
                other => panic!("{other:?}"),
            }
        };
        let result = strobe("1h");
        assert!(matches!(result, Err(Error::PlainNamespace)), "{result:?}");
        assert_eq!(proc.read("20/timens_clock"), "");
        // This one does take the first step, but to a false kernel that only notes it.
        proc.write("20/timens_clock", &text);
        let result = strobe("1h");
        assert!(
            matches!(&result, Err(Error::LeftOff { what, .. }) if what.contains("+1h")),
            "{result:?}"
        );
        assert!(proc
            .read("20/timens_clock")
            .starts_with("realtime 3609 0\n"));
    }
}
