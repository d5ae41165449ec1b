// SPDX-License-Identifier: GPL-2.0

//! Timerfds that are cancelled when REALTIME is set: when it is their own.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::clock::Clock;
use crate::failure::{check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::means::Means;
use crate::namespace::{Namespace, Pending};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::timers::call::Timeout;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timex::{self, modes, Adjuster, Timex};
use crate::tracked::Tracked;

tests![
    by_all_means,
    by_adjustments,
    by_adjustments_of_host: mainline,
    moved_while_host_is_set,
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

/// Sets the host's clock, and again to where it was.
fn set_host(adjuster: &Adjuster) -> Outcome {
    for (sec, usec) in [(0, 1), (-1, 999_999)] {
        adjuster.adjust(&Timex::of(modes::SETOFFSET).step(sec, usec))?;
    }
    Ok(())
}

/// Arms one, which is done also when the answer is that it was cancelled before.
fn arm(timer: &TimerFd) -> Outcome {
    timer.arm(FAR, 0).or_else(|_| timer.arm(FAR, 0))
}

/// Arms all of them, without an end.
fn arm_forever(timers: &[TimerFd]) -> ! {
    loop {
        for timer in timers {
            // It says so if the timer was cancelled before.
            let _ = timer.arm(FAR, 0);
        }
    }
}

/// Timers that go from the host's clock to that of a namespace and back, while the host walks the list
/// of those that it has to cancel. A walker that is led astray does not come back.
fn moved_while_host_is_set(setting: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let timers = (0..100).map(|_| armed(None)).collect::<Outcome<Vec<_>>>()?;
    // Those who wait for it keep the walker at a timer for a while.
    let mut waiters = Vec::new();
    for _ in 0..200 {
        let waiter = epoll::create(CreateFlags::CLOEXEC).context("epoll_create")?;
        for timer in &timers {
            let data = EventData::new_u64(0);
            epoll::add(&waiter, timer.descriptor(), data, EventFlags::IN).context("epoll_ctl")?;
        }
        waiters.push(waiter);
    }
    let adjuster = Adjuster::adjtimex(Entry::Native)?;
    let (_, before) = timex::read()?;
    let walker = Task::spawn(|| loop {
        set_host(&adjuster)?;
    })?;
    for _ in 0..setting.by_kernel(20, 10) {
        let on_host = Task::spawn(|| arm_forever(&timers))?;
        let inside = Task::spawn(|| {
            tracked.namespace.enter()?;
            arm_forever(&timers)
        })?;
        host::pass(SEC / 10)?;
        on_host.stop()?;
        inside.stop()?;
    }
    walker.stop()?;

    timers.iter().try_for_each(arm)?;
    set_host(&adjuster)?;
    timex::adjust(&Timex::of(modes::STATUS).status(before.status))?;
    for timer in &timers {
        check_eq!(timer.read(), Err(Errno::CANCELED), "a timer of the host's");
    }
    tracked.namespace.inside(|| {
        timers.iter().try_for_each(arm)?;
        timex::adjust(&Timex::of(modes::SETOFFSET).step(0, 1)).map(drop)
    })?;
    for timer in &timers {
        check_eq!(
            timer.read(),
            Err(Errno::CANCELED),
            "a timer of the namespace's"
        );
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
