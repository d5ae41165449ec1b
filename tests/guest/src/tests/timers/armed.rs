// SPDX-License-Identifier: GPL-2.0

//! What happens to many timers while they are armed: steps, CPUs that go, clocks that stand still.

use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{setrlimit, Resource, Rlimit};
use rustix::thread::sched_getaffinity;

use crate::clock::Clock;
use crate::failure::{check, check_eq, fail, Context, During, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::task::{pin_to, Task};
use crate::timers::call::Timeout;
use crate::timers::calls::posix_timer::Timer;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::cpu::Offline;
use crate::timers::entry::Entry;
use crate::timers::signal::Blocked;
use crate::tracked::Tracked;

tests![
    step_over_many_timerfds,
    step_over_many_posix_timers,
    step_over_none,
    cpu_goes_offline,
    cpu_goes_offline_frozen,
    cpu_comes_and_goes,
    cancelled_by_step,
];

const SEC: Ns = 1_000_000_000;
const UNTIL_REALTIME: Timeout = Timeout::absolute(Clock::Realtime);
const UNTIL_MONOTONIC: Timeout = Timeout::absolute(Clock::Monotonic);
/// Longer than anything here takes at rates that are used here.
const LONG: Ns = 100_000 * SEC;
/// How long what has to happen may take, in reference time.
const LIMIT: Ns = 60 * SEC;

/// Writes to the clock of a namespace.
fn write(tracked: &Tracked, lines: Lines) -> Outcome {
    let text = lines.to_string();
    let write = || ProcFile::Clock.write("self", &text).context(&text);
    tracked.namespace.inside(write).map(drop)
}

/// Moves REALTIME of a namespace.
fn step(tracked: &Tracked, ns: Ns) -> Outcome {
    let (state, _) = tracked.state()?;
    write(tracked, Lines::new().realtime(state.realtime + ns))
}

fn now(tracked: &Tracked, clock: Clock) -> Outcome<Ns> {
    tracked.namespace.inside(|| clock.now())
}

/// Timers of a namespace. The process that waits for them is on the host.
struct Crowd {
    clock: Clock,
    /// Each with the time when it expires.
    timers: Vec<(TimerFd, Ns)>,
    epoll: OwnedFd,
}

impl Crowd {
    /// Some that expire `first` from now, and each `apart` later than the one before.
    fn arm(
        tracked: &Tracked,
        timeout: Timeout,
        count: usize,
        first: Ns,
        apart: Ns,
    ) -> Outcome<Self> {
        let many = Rlimit {
            current: Some(10_000),
            maximum: Some(10_000),
        };
        setrlimit(Resource::Nofile, many).context("setrlimit")?;
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("epoll_create")?;
        let timers = tracked.namespace.inside(|| {
            let first = timeout.clock.now()? + first;
            let mut timers = Vec::new();
            for i in 0..count {
                let timer = TimerFd::new(Entry::Native, timeout, libc::TFD_NONBLOCK)?;
                let until = first + i as Ns * apart;
                timer.arm(until, 0)?;
                let data = EventData::new_u64(i as u64);
                epoll::add(&epoll, timer.descriptor(), data, EventFlags::IN)
                    .context("epoll_ctl")?;
                timers.push((timer, until));
            }
            Ok(timers)
        })?;
        Ok(Self {
            clock: timeout.clock,
            timers,
            epoll,
        })
    }

    /// Waits until all have expired, each not before its time.
    fn wait(&self, tracked: &Tracked) -> Outcome {
        let deadline = host::reference()? + LIMIT;
        let mut expired = 0;
        while expired < self.timers.len() {
            let mut events = Vec::with_capacity(64);
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: 100_000_000,
            };
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&pause))
                .context("epoll_wait")?;
            let now = now(tracked, self.clock)?;
            for event in &events {
                let i = event.data.u64() as usize;
                let (timer, until) = &self.timers[i];
                check_eq!(timer.read(), Ok(1), "expiries of timer {i}");
                check!(now >= *until, "timer {i} expired {} ns early", until - now);
                expired += 1;
            }
            let left = self.timers.len() - expired;
            if left > 0 && host::reference()? > deadline {
                fail!("{left} of {} timers are lost", self.timers.len());
            }
        }
        Ok(())
    }

    /// Checks that none has expired.
    fn verify_armed(&self) -> Outcome {
        for (i, (timer, _)) in self.timers.iter().enumerate() {
            check_eq!(timer.read(), Err(Errno::AGAIN), "reading timer {i}");
        }
        Ok(())
    }
}

fn step_over_many_timerfds(setting: &Setting) -> Outcome {
    let count = setting.by_kernel(1000, 100);
    for rate in [0, 1, 100] {
        let tracked = Tracked::new(&Lines::new().rate(rate, 0).realtime(-1000 * SEC))?;
        for apart in [0, 1, SEC] {
            let step_over = || {
                let crowd = Crowd::arm(&tracked, UNTIL_REALTIME, count, LONG, apart)?;
                crowd.verify_armed()?;
                step(&tracked, LONG + count as Ns * apart)?;
                crowd.wait(&tracked)
            };
            Task::spawn(step_over)?.join()?;
        }
    }
    Ok(())
}

fn step_over_many_posix_timers(setting: &Setting) -> Outcome {
    let count = setting.by_kernel(1000, 100);
    let blocked = Blocked::new(libc::SIGRTMIN())?;
    for rate in [0, 1, 100] {
        let tracked = Tracked::new(&Lines::new().rate(rate, 0))?;
        let timers = tracked.namespace.inside(|| {
            let until = Clock::Realtime.now()? + LONG;
            let mut timers = Vec::new();
            for i in 0..count {
                let signal = libc::SIGRTMIN();
                let timer = Timer::new(Entry::Native, UNTIL_REALTIME, libc::SIGEV_SIGNAL, signal)?;
                timer.arm(until + Ns::from(i), 0)?;
                timers.push(timer);
            }
            Ok(timers)
        })?;
        step(&tracked, 2 * LONG)?;
        for _ in 0..count {
            blocked.wait()?;
        }
        drop(timers);
    }
    Ok(())
}

/// No step moves what does not expire by REALTIME, and no step that is too short anything.
fn step_over_none(setting: &Setting) -> Outcome {
    let count = setting.by_kernel(1000, 100);
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let until = |clock| Timeout::absolute(clock);
    let monotonic = Crowd::arm(&tracked, until(Clock::Monotonic), count, LONG, 1)?;
    let boottime = Crowd::arm(&tracked, until(Clock::Boottime), count, LONG, 1)?;
    let realtime = Crowd::arm(&tracked, until(Clock::Realtime), count, 3 * LONG, 1)?;
    for ns in [LONG, LONG / 2, -LONG, LONG] {
        step(&tracked, ns)?;
        host::pass(SEC / 100)?;
        monotonic.verify_armed().during("MONOTONIC")?;
        boottime.verify_armed().during("BOOTTIME")?;
        realtime.verify_armed().during("REALTIME")?;
    }
    step(&tracked, 2 * LONG)?;
    realtime.wait(&tracked)?;
    monotonic.verify_armed().during("MONOTONIC, at last")
}

/// The last CPU, which can go offline.
fn last_cpu() -> Outcome<usize> {
    let count = sched_getaffinity(None)
        .context("sched_getaffinity")?
        .count() as usize;
    if count < 2 {
        return Err(Trouble::Skip("there is one CPU".into()));
    }
    Ok(count - 1)
}

/// What was armed on a CPU, which then goes: by another one it comes to its end.
fn arm_on_leaving_cpu(
    cpu: usize,
    tracked: &Tracked,
    timeout: Timeout,
    first: Ns,
    meanwhile: impl FnOnce() -> Outcome,
) -> Outcome {
    pin_to(cpu)?;
    let crowd = Crowd::arm(tracked, timeout, 50, first, SEC / 1000)?;
    pin_to(0)?;
    let offline = Offline::new(cpu)?;
    meanwhile()?;
    crowd.wait(tracked)?;
    offline.end()
}

fn cpu_goes_offline(_: &Setting) -> Outcome {
    let cpu = last_cpu()?;
    for (secs, nsecs) in [(0, 500_000_000), (1, 50_000), (100, 0)] {
        let tracked = Tracked::new(&Lines::new().rate(secs, nsecs))?;
        for clock in [Clock::Monotonic, Clock::Boottime, Clock::Realtime] {
            // Before it is offline, and after that.
            for first in [SEC / 1000, SEC / 2 * (1 + Ns::from(secs))] {
                let timeout = Timeout::absolute(clock);
                arm_on_leaving_cpu(cpu, &tracked, timeout, first, || Ok(()))
                    .during(format_args!("rate {secs} {nsecs}, {clock}"))?;
            }
        }
        let realtime = Timeout::absolute(Clock::Realtime);
        arm_on_leaving_cpu(cpu, &tracked, realtime, LONG, || step(&tracked, 2 * LONG))
            .during("stepped while the CPU was offline")?;
    }
    Ok(())
}

/// A queue that is never due is moved as well, or a thaw would not find it.
fn cpu_goes_offline_frozen(_: &Setting) -> Outcome {
    let cpu = last_cpu()?;
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let (frozen, thawed) = (Lines::new().rate(0, 0), Lines::new().rate(50, 0));
    for clock in [Clock::Monotonic, Clock::Boottime, Clock::Realtime] {
        write(&tracked, frozen)?;
        arm_on_leaving_cpu(cpu, &tracked, Timeout::absolute(clock), SEC, || {
            write(&tracked, thawed)
        })
        .during(format_args!("{clock}, thawed while the CPU is offline"))?;

        pin_to(cpu)?;
        let crowd = Crowd::arm(&tracked, UNTIL_MONOTONIC, 50, 100 * SEC, 0)?;
        write(&tracked, frozen)?;
        pin_to(0)?;
        let offline = Offline::new(cpu)?;
        host::pass(SEC / 100)?;
        crowd.verify_armed().during("frozen")?;
        offline.end()?;
        crowd.verify_armed().during("frozen, and the CPU back")?;
        write(&tracked, thawed)?;
        crowd
            .wait(&tracked)
            .during("thawed after the CPU came back")?;
    }
    // A step reaches what a frozen clock has.
    write(&tracked, frozen)?;
    arm_on_leaving_cpu(cpu, &tracked, UNTIL_REALTIME, LONG, || {
        step(&tracked, 2 * LONG)
    })
    .during("stepped while frozen")
}

fn cpu_comes_and_goes(setting: &Setting) -> Outcome {
    let cpu = last_cpu()?;
    let tracked = Tracked::new(&Lines::new().rate(3, 0))?;
    for _ in 0..setting.by_kernel(10, 3) {
        pin_to(cpu)?;
        let crowd = Crowd::arm(&tracked, UNTIL_MONOTONIC, 200, SEC / 100, SEC / 100)?;
        pin_to(0)?;
        for _ in 0..3 {
            Offline::new(cpu)?.end()?;
        }
        crowd.wait(&tracked)?;
    }
    Ok(())
}

/// Timers that are cancelled when REALTIME is set, as they were armed in some namespace.
fn cancellable(tracked: Option<&Tracked>) -> Outcome<TimerFd> {
    let arm = || {
        let timer = TimerFd::new(Entry::Native, UNTIL_REALTIME, libc::TFD_NONBLOCK)?;
        let timer = timer.cancelled_when_set();
        timer.arm(Clock::Realtime.now()? + 10 * LONG, 0)?;
        Ok(timer)
    };
    match tracked {
        Some(tracked) => tracked.namespace.inside(arm),
        None => arm(),
    }
}

/// A step cancels those of its own clock, and no others.
fn cancelled_by_step(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let other = Tracked::new(&Lines::new().rate(1, 0))?;
    let plain = Pending::new()?;
    plain.write("monotonic 5 0\n")?;
    let plain = plain.detach()?;

    let ours = cancellable(Some(&tracked))?;
    let host = cancellable(None)?;
    let others = cancellable(Some(&other))?;
    let of_plain = plain.inside(|| cancellable(None))?;
    let rest = [("host", &host), ("another", &others), ("plain", &of_plain)];

    for ns in [SEC, -SEC, 3 * LONG, -5] {
        step(&tracked, ns)?;
        check_eq!(ours.read(), Err(Errno::CANCELED), "after a step of {ns} ns");
        check_eq!(ours.read(), Err(Errno::AGAIN), "after that was read");
        for (whose, timer) in rest {
            check_eq!(timer.read(), Err(Errno::AGAIN), "{whose} namespace's");
        }
    }
    // A new rate is no step.
    write(&tracked, Lines::new().rate(2, 0))?;
    check_eq!(ours.read(), Err(Errno::AGAIN), "after a change of the rate");

    // The host's clock is not theirs.
    sys::clock_settime(libc::CLOCK_REALTIME, Clock::Realtime.now()? + 1).context("settime")?;
    check_eq!(
        host.read(),
        Err(Errno::CANCELED),
        "the host's, which was set"
    );
    check_eq!(of_plain.read(), Err(Errno::CANCELED), "a plain namespace's");
    check_eq!(ours.read(), Err(Errno::AGAIN), "ours, the host's was set");
    check_eq!(
        others.read(),
        Err(Errno::AGAIN),
        "another's, the host's was set"
    );

    // Armed again on the host, it is one of the host's.
    ours.arm(Clock::Realtime.now()? + LONG, 0)?;
    step(&tracked, SEC)?;
    check_eq!(
        ours.read(),
        Err(Errno::AGAIN),
        "armed on the host, ours stepped"
    );
    sys::clock_settime(libc::CLOCK_REALTIME, Clock::Realtime.now()? + 1).context("settime")?;
    check_eq!(
        ours.read(),
        Err(Errno::CANCELED),
        "armed on the host, which was set"
    );

    // A step and a read in one poll: it becomes readable.
    let timer = cancellable(Some(&tracked))?;
    let wakes = |timer: &TimerFd| {
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(timer.descriptor(), PollFlags::IN)];
        poll(&mut fds, Some(&pause)).context("poll")
    };
    check_eq!(wakes(&timer)?, 0, "readable before a step");
    step(&tracked, SEC)?;
    check_eq!(wakes(&timer)?, 1, "readable after a step");
    Ok(())
}
