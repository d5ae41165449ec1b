// SPDX-License-Identifier: GPL-2.0

//! What is set is what is read from then on: in this namespace, and nowhere else.

use crate::bystanders::{timed_inside, Bystanders};
use crate::clock::{Clock, Way};
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::lines::Lines;
use crate::means::{Means, Moved};
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::timex::{self, modes, Timex};
use crate::tracked::Tracked;
use crate::vdso::Vdso;

tests![
    by_all_means,
    seen_at_once,
    at_rates,
    to_the_ends,
    and_offset_from_outside,
    of_tai,
];

const SEC: Ns = 1_000_000_000;
/// Times that 32 bits are enough for: later than any namespace here has run.
const TIMES: [Ns; 4] = [
    2_000_000_000 * SEC + 123_456_789,
    1_000_000_000 * SEC + 999_999_999,
    100_000_000 * SEC,
    2_147_000_000 * SEC + 1,
];

/// Sets REALTIME of a namespace, and notes that.
pub(crate) fn set(tracked: &mut Tracked, means: Means, time: Ns) -> Outcome {
    let (moved, at) = timed_inside(tracked, || {
        means.set(time)?.context(format_args!("{means} to {time}"))
    })?;
    match moved {
        Moved::To(time) => tracked.expected.set_realtime(at, time),
        Moved::By(ns) => tracked.expected.step_realtime(at, ns),
    }
    Ok(())
}

fn by_all_means(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0).monotonic(1000 * SEC))?;
    let bystanders = Bystanders::new()?;
    for means in Means::all()? {
        for time in TIMES {
            set(&mut tracked, means, time)?;
            let verified = tracked.verify();
            verified.during(format_args!("{means} to {time}"))?;
        }
        bystanders
            .verify()
            .during(format_args!("outside, after {means}"))?;
    }
    // Each was a step, and no change of the rate.
    let (state, _) = tracked.state()?;
    let count = Means::all()?.len() * TIMES.len();
    check_eq!(state.steps, count as Ns, "steps");
    check_eq!(state.rate_changes, 0, "changes of the rate");
    Ok(())
}

/// A clock that is as of the last tick of the host has been set since, too.
fn seen_at_once(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0).monotonic(1000 * SEC))?;
    let vdso = Vdso::get()?;
    tracked.namespace.inside(|| {
        let mut last = Way::ALL.map(|_| 0);
        for (means, time) in Means::all()?
            .into_iter()
            .flat_map(|m| TIMES.map(|t| (m, t)))
        {
            means
                .set(time)?
                .context(format_args!("{means} to {time}"))?;
            for (way, last) in Way::ALL.iter().zip(&mut last) {
                let coarse = way.read(Clock::RealtimeCoarse)?;
                let seconds = match way {
                    Way::Syscall => sys::time().context("time")?,
                    Way::Vdso => vdso.time(),
                };
                let monotonic = way.read(Clock::MonotonicCoarse)?;
                let fine = Clock::Realtime.now()?;
                for read in [coarse, Ns::from(seconds) * SEC] {
                    check!(
                        (fine - 2 * SEC..=fine).contains(&read),
                        "{means} to {time}: {read} by {way:?} when it was {fine}"
                    );
                }
                check!(monotonic >= *last, "MONOTONIC_COARSE went back by {way:?}");
                *last = monotonic;
            }
        }
        Ok(())
    })
}

/// A second of the namespace is as long as its rate says, and is set at once.
fn at_rates(_: &Setting) -> Outcome {
    let usual = Means::usual()?;
    for (secs, nsecs) in [
        (0, 0),
        (0, 1),
        (0, 500_000_000),
        (1, 50_000),
        (2, 0),
        (255, 0),
    ] {
        let mut tracked = Tracked::new(&Lines::new().rate(secs, nsecs))?;
        for time in TIMES {
            set(&mut tracked, usual, time)?;
            tracked
                .verify()
                .during(format_args!("rate {secs} {nsecs}, set to {time}"))?;
        }
    }
    Ok(())
}

/// The earliest time and the latest that mainline lets anybody set.
fn to_the_ends(_: &Setting) -> Outcome {
    const LATEST: Ns = (Ns::MAX >> 64) / SEC - 30 * 365 * 86_400 - 1;
    let usual = Means::usual()?;
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let monotonic = tracked.namespace.inside(|| Clock::Monotonic.now())?;
    for time in [LATEST * SEC, monotonic + 3600 * SEC, LATEST * SEC + SEC - 1] {
        set(&mut tracked, usual, time)?;
        tracked.verify().during(format_args!("set to {time}"))?;
    }
    Ok(())
}

/// Steps from inside and from outside follow each other.
fn and_offset_from_outside(_: &Setting) -> Outcome {
    let usual = Means::usual()?;
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    for time in TIMES {
        set(&mut tracked, usual, time)?;
        tracked.verify().during("set from inside")?;
        let lines = Lines::new().realtime(70 * SEC);
        tracked.change(ProcFile::Clock, &lines)?;
        tracked.verify().during("set from outside")?;
        tracked.change(ProcFile::Offsets, &Lines::new().rate(3, 0))?;
        tracked.verify().during("at another rate")?;
    }
    Ok(())
}

/// TAI is what it is told to be ahead, and a step takes it along.
fn of_tai(_: &Setting) -> Outcome {
    let usual = Means::usual()?;
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let bystanders = Bystanders::new()?;
    for tai in [37, 0, 100_000, 1] {
        let request = Timex::of(modes::TAI).constant(tai);
        let ((_, answer), at) = timed_inside(&tracked, || timex::adjust(&request))?;
        check_eq!(i64::from(answer.tai), tai, "TAI - UTC in the answer");
        tracked.expected.set_tai(at, tai.into());
        tracked.verify().during(format_args!("TAI {tai} s ahead"))?;
        set(&mut tracked, usual, TIMES[0])?;
        tracked.verify().during("and set")?;
    }
    // What cannot be is ignored, as everywhere.
    for tai in [-1, 100_001] {
        let request = Timex::of(modes::TAI).constant(tai);
        let answer = tracked.namespace.inside(|| timex::adjust(&request))?.1;
        check_eq!(answer.tai, 1, "TAI - UTC after it was set to {tai}");
        tracked.verify()?;
    }
    bystanders.verify()
}
