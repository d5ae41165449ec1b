// SPDX-License-Identifier: GPL-2.0

//! Timers that outlive the call that armed them, the stay in their namespace, or the namespace.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::{waitpid, WaitOptions, WaitStatus};

use crate::clock::Clock;
use crate::failure::{check, check_eq, fail, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::module::{wait_for_clocks, Counter};
use crate::namespace::Pending;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Fork, Ns};
use crate::task::{Gate, Task};
use crate::timers::call::Timeout;
use crate::timers::calls::interval::Itimer;
use crate::timers::calls::posix_timer::Timer;
use crate::timers::calls::timerfd::TimerFd;
use crate::timers::entry::Entry;
use crate::timers::signal::Blocked;
use crate::tracked::Tracked;

tests![
    left_namespace,
    armed_again_elsewhere,
    descriptor_passed,
    inherited,
    itimer_of_parent,
    exec_keeps_itimer,
    exec_drops_posix_timers,
    exit_while_armed,
    threads_exit,
];

const SEC: Ns = 1_000_000_000;
/// A while of the clocks here, which is some tens of milliseconds of reference time.
const WHILE: Ns = SEC / 10;
const UNTIL_MONOTONIC: Timeout = Timeout::absolute(Clock::Monotonic);

fn tracked() -> Outcome<Tracked> {
    Tracked::new(
        &Lines::new()
            .rate(2, 500_000_000)
            .monotonic(1000 * SEC)
            .boottime(77 * SEC),
    )
}

/// How many clocks there are, once those of tests before this one are gone.
fn settled_clocks() -> Outcome<u64> {
    wait_for_clocks(0)?;
    Ok(0)
}

/// Checks on the host that a clock has come to `until`, by what it has to be.
fn verify_reached(tracked: &Tracked, clock: Clock, until: Ns) -> Outcome {
    let now = host::reference()?;
    let latest = tracked.expected.read(clock, Span::new(now, now)).hi;
    check!(
        latest >= until,
        "a timer of {clock} has expired {} ns early",
        until - latest
    );
    Ok(())
}

fn read_one(timer: &TimerFd) -> Outcome {
    check_eq!(timer.read().context("read")?, 1, "expiries");
    Ok(())
}

/// The process is on the host when its timers of the namespace expire.
fn left_namespace(_: &Setting) -> Outcome {
    let tracked = tracked()?;
    let blocked = Blocked::new(libc::SIGRTMIN())?;
    for (clock, absolute) in [
        (Clock::Monotonic, true),
        (Clock::Monotonic, false),
        (Clock::Boottime, true),
        (Clock::Realtime, true),
        (Clock::Tai, true),
    ] {
        let timeout = Timeout {
            absolute,
            ..Timeout::relative(clock)
        };
        let (until, fd, timer) = tracked.namespace.inside(|| {
            let timer = Timer::new(Entry::Native, timeout, libc::SIGEV_SIGNAL, libc::SIGRTMIN())?;
            let fd = match clock {
                Clock::Tai => None,
                _ => Some(TimerFd::new(Entry::Native, timeout, 0)?),
            };
            let until = clock.now()? + WHILE;
            let time = if absolute { until } else { WHILE };
            if let Some(fd) = &fd {
                fd.arm(time, 0)?;
            }
            timer.arm(time, 0)?;
            Ok((until, fd, timer))
        })?;
        if let Some(fd) = &fd {
            read_one(fd)?;
            verify_reached(&tracked, clock, until).during("a timerfd")?;
        }
        blocked.wait()?;
        verify_reached(&tracked, clock, until).during("a posix timer")?;

        // What is left of another is the namespace's time, on the host as well.
        let before = tracked.namespace.inside(|| clock.now())?;
        let span = |at: Span| tracked.expected.read(timeout.ends_by(), at);
        let (armed, until) = tracked.namespace.inside(|| {
            let start = clock.now()?;
            let until = start + 1000 * SEC;
            timer.arm(if absolute { until } else { 1000 * SEC }, 0)?;
            Ok((clock.now()? - start, until))
        })?;
        let early = host::reference()?;
        let left = timer.left()?;
        let now = span(Span::new(early, host::reference()?));
        check!(
            left >= until - now.hi && left <= until + armed - now.lo,
            "{left} ns are left, should expire at {until}, it is {now}, was {before}"
        );
    }
    Ok(())
}

/// Then it has nothing to do with the namespace any more.
fn armed_again_elsewhere(_: &Setting) -> Outcome {
    let clocks = settled_clocks()?;
    let tracked = Tracked::new(&Lines::new().rate(0, 0).realtime(-1000 * SEC))?;
    let (fd, timer) = tracked.namespace.inside(|| {
        let fd = TimerFd::new(Entry::Native, UNTIL_MONOTONIC, 0)?;
        let timer = Timer::new(Entry::Native, UNTIL_MONOTONIC, libc::SIGEV_NONE, 0)?;
        let until = Clock::Monotonic.now()? + WHILE;
        fd.arm(until, 0)?;
        timer.arm(until, 0)?;
        Ok((fd, timer))
    })?;
    drop(tracked);
    host::pass(WHILE)?;
    check_eq!(fd.left()?, WHILE, "what is left of a frozen timerfd");
    check_eq!(timer.left()?, WHILE, "what is left of a frozen timer");
    check_eq!(
        Counter::Clocks.read()?,
        clocks + 1,
        "clocks while timers of one are armed"
    );
    let until = Clock::Monotonic.now()? + WHILE;
    fd.arm(until, 0)?;
    check_eq!(Counter::Clocks.read()?, clocks + 1, "clocks with one left");
    timer.arm(until, 0)?;
    read_one(&fd)?;
    let now = Clock::Monotonic.now()?;
    check!(now >= until, "it expired {} ns early", until - now);
    wait_for_clocks(clocks).during("after both were armed on the host")
}

fn send(socket: &UnixStream, fd: &OwnedFd) -> Outcome {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let data = [IoSlice::new(&[0])];
    sendmsg(socket, &data, &mut control, SendFlags::empty()).context("sendmsg")?;
    Ok(())
}

fn receive(socket: &UnixStream) -> Outcome<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut data, &mut control, RecvFlags::empty()).context("recvmsg")?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fd.context("no descriptor came")
}

/// The clock lives as long as the last descriptor, with nobody left in its namespace.
fn descriptor_passed(_: &Setting) -> Outcome {
    let clocks = settled_clocks()?;
    for wait in [true, false] {
        let tracked = tracked()?;
        let (ours, theirs) = UnixStream::pair().context("socketpair")?;
        let owner = Task::spawn(|| {
            tracked.namespace.enter()?;
            let fd = TimerFd::new(Entry::Native, UNTIL_MONOTONIC, 0)?;
            fd.arm(Clock::Monotonic.now()? + 5 * WHILE, 0)?;
            send(&theirs, fd.descriptor())
        })?;
        let received = TimerFd::of(Entry::Native, UNTIL_MONOTONIC, receive(&ours)?)?;
        owner.join()?;
        let Tracked {
            namespace,
            expected,
        } = tracked;
        drop(namespace);
        check_eq!(
            Counter::Clocks.read()?,
            clocks + 1,
            "clocks while a timerfd of one is open"
        );
        let early = host::reference()?;
        let left = received.left()?;
        check!(
            left > 0 && left <= 5 * WHILE,
            "{left} ns are left of {}",
            5 * WHILE
        );
        if wait {
            let earliest = expected.read(Clock::Monotonic, Span::new(early, early)).lo + left;
            read_one(&received)?;
            let now = host::reference()?;
            let now = expected.read(Clock::Monotonic, Span::new(now, now)).hi;
            check!(now >= earliest, "it expired {} ns early", earliest - now);
            check_eq!(Counter::Clocks.read()?, clocks + 1, "clocks after expiry");
        }
        drop(received);
        wait_for_clocks(clocks).during("after the timerfd was closed")?;
    }
    Ok(())
}

/// A child in another namespace reads what its parent has armed in its own.
fn inherited(_: &Setting) -> Outcome {
    let tracked = tracked()?;
    let (until, child) = tracked.namespace.inside(|| {
        let fd = TimerFd::new(Entry::Native, UNTIL_MONOTONIC, 0)?;
        let until = Clock::Monotonic.now()? + WHILE;
        fd.arm(until, 0)?;
        let pending = Pending::new()?;
        pending.write("rate 100 0\nmonotonic 5 0\n")?;
        let child = Task::spawn(|| read_one(&fd))?;
        pending.detach()?;
        Ok((until, child))
    })?;
    child.join()?;
    verify_reached(&tracked, Clock::Monotonic, until)
}

/// It is set up while the child is made, and armed where the child is then.
fn itimer_of_parent(_: &Setting) -> Outcome {
    let tracked = tracked()?;
    tracked.namespace.inside(|| {
        let blocked = Blocked::new(libc::SIGALRM)?;
        let timer = Itimer::new(Entry::Native)?;
        let start = Clock::Monotonic.now()?;
        timer.arm(WHILE, 0)?;
        let pending = Pending::new()?;
        pending.write("rate 0 250000000\n")?;
        let child = Task::spawn(|| {
            check_eq!(timer.left()?, 0, "what is left of the parent's");
            let start = Clock::Monotonic.now()?;
            timer.arm(WHILE / 10, 0)?;
            blocked.wait()?;
            let passed = Clock::Monotonic.now()? - start;
            check!(passed >= WHILE / 10, "the child's expired after {passed}");
            Ok(())
        })?;
        pending.detach()?;
        blocked.wait()?;
        let passed = Clock::Monotonic.now()? - start;
        check!(passed >= WHILE, "the parent's expired after {passed} ns");
        child.join().during("the child")
    })
}

/// How a program ends that `prepare` was called before, in the same process.
fn execute(command: &[&str], prepare: impl FnOnce() -> Outcome) -> Outcome<WaitStatus> {
    match sys::fork().context("fork")? {
        Fork::Child => {
            if prepare().is_ok() {
                let _ = Command::new(command[0]).args(&command[1..]).exec();
            }
            sys::exit(99)
        }
        Fork::Parent(pid) => {
            let ended = waitpid(Some(pid), WaitOptions::empty()).context("waitpid")?;
            Ok(ended.context("no child has ended")?.1)
        }
    }
}

fn exec_keeps_itimer(_: &Setting) -> Outcome {
    let tracked = tracked()?;
    tracked.namespace.inside(|| {
        let start = Clock::Monotonic.now()?;
        let status = execute(&["/bin/sleep", "1000000"], || {
            Itimer::new(Entry::Native)?.arm(WHILE, 0)
        })?;
        let passed = Clock::Monotonic.now()? - start;
        check_eq!(
            status.terminating_signal(),
            Some(libc::SIGALRM),
            "the signal that ended a program"
        );
        check!(passed >= WHILE, "the itimer expired after {passed} ns");
        Ok(())
    })
}

fn exec_drops_posix_timers(_: &Setting) -> Outcome {
    // Time enough to come to the new program before the timer expires.
    let tracked = Tracked::new(&Lines::new().rate(10, 0))?;
    tracked.namespace.inside(|| {
        let status = execute(&["/bin/sleep", "40"], || {
            let timeout = Timeout::MONOTONIC[0];
            let timer = Timer::new(Entry::Native, timeout, libc::SIGEV_SIGNAL, libc::SIGALRM)?;
            timer.arm(20 * SEC, 0)?;
            std::mem::forget(timer);
            Ok(())
        })?;
        check_eq!(status.exit_status(), Some(0), "the program's exit status");
        Ok(())
    })
}

/// Arms one of each kind, and leaves it to others to release them.
fn arm_one_of_each() -> Outcome {
    for (i, &timeout) in Timeout::ALL.iter().enumerate() {
        let signal = libc::SIGRTMIN();
        let timer = Timer::new(Entry::Native, timeout, libc::SIGEV_SIGNAL, signal)?;
        let fd = TimerFd::new(Entry::Native, timeout, 0)?;
        let start = if timeout.absolute {
            timeout.clock.now()?
        } else {
            0
        };
        // Some expire soon, some never.
        let time = start + if i % 2 == 0 { SEC / 1000 } else { 1000 * SEC };
        timer.arm(time, WHILE)?;
        fd.arm(time, WHILE)?;
        std::mem::forget((timer, fd));
    }
    Itimer::new(Entry::Native)?.arm(1000 * SEC, WHILE)
}

fn exit_while_armed(setting: &Setting) -> Outcome {
    let clocks = Counter::Clocks.read()?;
    for round in 0..setting.by_kernel(100, 20) {
        let tracked = tracked()?;
        let armed = Gate::new()?;
        let mut task = Task::spawn(|| {
            tracked.namespace.enter()?;
            Blocked::new(libc::SIGRTMIN())?;
            arm_one_of_each()?;
            armed.open()?;
            match round % 3 {
                0 => Ok(()),
                // Killed asleep, or after it was left to itself by what it slept for.
                1 => Gate::new()?.wait(),
                _ => sleep_for_ever(),
            }
        })?;
        armed.wait_for(&mut task)?;
        if round % 3 == 0 {
            task.join()?;
        } else {
            task.stop()?;
        }
    }
    wait_for_clocks(clocks)
}

/// By a timer on its own stack.
fn sleep_for_ever() -> Outcome {
    std::thread::sleep(std::time::Duration::from_secs(1 << 30));
    fail!("it has slept for ever");
}

/// Posix timers belong to the process, not to the thread that made them.
fn threads_exit(_: &Setting) -> Outcome {
    let tracked = tracked()?;
    tracked.namespace.inside(|| {
        let blocked = Blocked::new(libc::SIGRTMIN())?;
        let thread = std::thread::spawn(|| {
            let timer = Timer::new(
                Entry::Native,
                UNTIL_MONOTONIC,
                libc::SIGEV_SIGNAL,
                libc::SIGRTMIN(),
            )?;
            let until = Clock::Monotonic.now()? + WHILE;
            timer.arm(until, 0)?;
            Ok((timer, until))
        });
        let (_timer, until) = thread.join().ok().context("a thread panicked")??;
        blocked.wait()?;
        let now = Clock::Monotonic.now()?;
        check!(now >= until, "it expired {} ns early", until - now);
        Ok(())
    })
}
