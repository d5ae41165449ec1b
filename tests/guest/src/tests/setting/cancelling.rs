// SPDX-License-Identifier: GPL-2.0

//! Timerfds that are cancelled when REALTIME is set: when it is their own.

use rustix::io::Errno;

use crate::clock::Clock;
use crate::failure::{check_eq, Context, During, Outcome};
use crate::lines::Lines;
use crate::means::Means;
use crate::namespace::{Namespace, Pending};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::timers::call::Timeout;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timex::{self, modes, Timex};
use crate::tracked::Tracked;

tests![
    by_all_means,
    by_adjustments,
    by_adjustments_of_host: mainline,
];

const SEC: Ns = 1_000_000_000;
/// Later than all that is set here.
const FAR: Ns = 4_000_000_000 * SEC;

/// One that is cancelled when the clock of `namespace` is set.
fn armed(namespace: Option<&Namespace>) -> Outcome<TimerFd> {
    let arm = || {
        let until = Timeout::absolute(Clock::Realtime);
        let timer = TimerFd::new(Entry::Native, until, libc::TFD_NONBLOCK)?;
        let timer = timer.cancelled_when_set();
        timer.arm(FAR, 0)?;
        Ok(timer)
    };
    match namespace {
        Some(namespace) => namespace.inside(arm),
        None => arm(),
    }
}

/// A namespace's own, and those that it must not cancel.
struct Timers {
    own: TimerFd,
    others: [(&'static str, TimerFd); 4],
}

impl Timers {
    fn new(tracked: &Tracked) -> Outcome<Self> {
        let other = Tracked::new(&Lines::new().rate(1, 0))?;
        let clone = tracked.cloned(&Lines::new())?;
        let plain = Pending::new()?;
        plain.write("monotonic 5 0\n")?;
        let plain = plain.detach()?;
        Ok(Self {
            own: armed(Some(&tracked.namespace))?,
            others: [
                ("the host's", armed(None)?),
                ("another's", armed(Some(&other.namespace))?),
                ("a clone's", armed(Some(&clone.namespace))?),
                ("a plain one's", armed(Some(&plain))?),
            ],
        })
    }

    /// Checks that the own one is, and no other.
    fn verify(&self, cancelled: bool) -> Outcome {
        let expected = match cancelled {
            true => Errno::CANCELED,
            false => Errno::AGAIN,
        };
        check_eq!(self.own.read(), Err(expected), "reading the own timer");
        check_eq!(self.own.read(), Err(Errno::AGAIN), "reading it again");
        for (whose, timer) in &self.others {
            check_eq!(timer.read(), Err(Errno::AGAIN), "reading {whose}");
        }
        Ok(())
    }
}

fn by_all_means(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let timers = Timers::new(&tracked)?;
    timers.verify(false).during("before anything")?;
    for means in Means::all()? {
        for time in [2_000_000_000 * SEC, 1_000_000_000 * SEC] {
            let set = || means.set(time)?.context(means);
            tracked.namespace.inside(set)?;
            timers.verify(true).during(means)?;
        }
    }
    Ok(())
}

/// What sets the clock, and what does not: REALTIME has to be elsewhere then. The last two undo each
/// other.
fn requests() -> [(Timex, bool); 11] {
    let of = Timex::of;
    [
        (of(0), false),
        (of(modes::STATUS).status(libc::STA_UNSYNC), false),
        (of(modes::FREQUENCY).freq(100 << 16), false),
        (of(modes::FREQUENCY), false),
        (of(modes::OFFSET), false),
        (of(modes::SINGLESHOT), false),
        (of(modes::TAI).constant(37), false),
        (of(modes::TAI), false),
        (of(modes::SETOFFSET), false),
        (of(modes::SETOFFSET).step(0, 1), true),
        (of(modes::SETOFFSET).step(-1, 999_999), true),
    ]
}

fn by_adjustments(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let timers = Timers::new(&tracked)?;
    for (request, cancels) in requests() {
        tracked.namespace.inside(|| timex::adjust(&request))?;
        let verified = timers.verify(cancels);
        verified.during(format_args!("{request:?}"))?;
    }
    Ok(())
}

/// The same on the host, which is the oracle. Its clock is where it was, afterwards.
fn by_adjustments_of_host(_: &Setting) -> Outcome {
    let timer = armed(None)?;
    let (_, before) = timex::read()?;
    for (request, cancels) in requests() {
        timex::adjust(&request)?;
        let cancelled = timer.read() == Err(Errno::CANCELED);
        check_eq!(
            cancelled,
            cancels,
            "whether the host cancels a timer by {request:?}"
        );
    }
    timex::adjust(&Timex::of(modes::STATUS).status(before.status))?;
    timex::adjust(&Timex::of(modes::TAI).constant(before.tai.into()))?;
    Ok(())
}
