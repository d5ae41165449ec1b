// SPDX-License-Identifier: GPL-2.0

//! What a user without any privilege can do: have a clock of his own, and nothing to others'.

use std::fs;

use rustix::io::Errno;
use rustix::process::{set_dumpable_behavior, DumpableBehavior, Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid, UnshareFlags};

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host::{self, ahead};
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::{ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::task::{resident, Gate, Task};
use crate::tests::plain;
use crate::tracked::{timed, Tracked};

tests![own_clock, nothing_of_others, host_is_unmoved,];

const SEC: Ns = 1_000_000_000;
const NOBODY: u32 = 65_534;
const FILES: [ProcFile; 2] = [ProcFile::Offsets, ProcFile::Clock];

/// Makes this process one of an ordinary user.
pub(crate) fn become_nobody() -> Outcome {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).context("setgroups")?;
    set_thread_res_gid(gid, gid, gid).context("setresgid")?;
    set_thread_res_uid(uid, uid, uid).context("setresuid")?;
    // As after exec: its files in /proc are its own.
    set_dumpable_behavior(DumpableBehavior::Dumpable).context("prctl")
}

/// A new user namespace, in which this process has all capabilities.
pub(crate) fn unshare_user() -> Outcome {
    sys::unshare(UnshareFlags::NEWUSER).context("unshare of an ordinary user")?;
    for (file, text) in [
        ("setgroups", "deny".into()),
        ("uid_map", format!("0 {NOBODY} 1")),
        ("gid_map", format!("0 {NOBODY} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), text).context(file)?;
    }
    Ok(())
}

fn lines() -> Lines {
    Lines::new()
        .rate(3, 0)
        .realtime(1000 * SEC)
        .monotonic(5 * SEC)
}

fn own_clock(_: &Setting) -> Outcome {
    let entered = Gate::new()?;
    let changed = Gate::new()?;
    let go_on = Gate::new()?;
    let (mut task, at, bases) = timed(|| {
        let mut task = Task::spawn(|| {
            become_nobody()?;
            unshare_user()?;
            let pending = Pending::new()?;
            pending.write(lines())?;
            Namespace::for_children()?.enter()?;
            entered.open()?;
            go_on.wait()?;
            ProcFile::Clock
                .write("self", "rate 50 0\n")
                .context("changing the rate")?;
            ProcFile::Offsets
                .write("self", "realtime -7 0\n")
                .context("stepping")?;
            changed.open()?;
            Gate::new()?.wait()
        })?;
        entered.wait_for(&mut task)?;
        Ok(task)
    })?;
    let mut tracked = Tracked {
        namespace: Namespace::of(task.pid())?,
        expected: crate::expectation::Expectation::start(&bases, at, &lines()),
    };
    tracked.verify()?;
    let ((), at, bases) = timed(|| {
        go_on.open()?;
        changed.wait_for(&mut task)
    })?;
    tracked
        .expected
        .change(&bases, at, &Lines::new().rate(50, 0));
    tracked
        .expected
        .change(&bases, at, &Lines::new().realtime(-7 * SEC));
    tracked
        .verify()
        .during("after it was changed by its owner")?;
    plain::verify_host()?;
    task.stop()
}

fn nothing_of_others(_: &Setting) -> Outcome {
    let rooted = Tracked::new(&lines())?;
    let of_root = resident(&rooted.namespace)?;
    // A process of the same user in a namespace of root's: its files can be opened.
    let inside = Gate::new()?;
    let mut of_nobody = Task::spawn(|| {
        rooted.namespace.enter()?;
        become_nobody()?;
        inside.open()?;
        Gate::new()?.wait()
    })?;
    inside.wait_for(&mut of_nobody)?;
    let before = State::read(of_root.pid())?;

    let attempt = |user_namespace: bool| {
        become_nobody()?;
        if user_namespace {
            unshare_user()?;
            Pending::new()?.write("rate 1 0\n").during("its own")?;
        }
        for file in FILES {
            for pid in [1, of_root.pid().as_raw_nonzero().get()] {
                let opened = file.open(pid);
                check!(
                    opened.is_err(),
                    "it could open {} of process {pid}",
                    file.name()
                );
            }
            for text in ["rate 9 0\n", "realtime 5 0\n"] {
                let written = file.write(of_nobody.pid(), text);
                check_eq!(
                    written,
                    Err(Errno::PERM),
                    "writing {text:?} to {}",
                    file.name()
                );
            }
        }
        check!(
            rooted.namespace.try_enter().is_err(),
            "it could enter root's namespace"
        );
        Ok(())
    };
    Task::spawn(|| attempt(false))?
        .join()
        .during("without a user namespace")?;
    Task::spawn(|| attempt(true))?
        .join()
        .during("with a user namespace")?;

    let after = State::read(of_root.pid())?;
    let same = before
        .zip(after)
        .is_some_and(|(before, after)| before.same_as(&after));
    check!(same, "timens_clock was {before:?}, is {after:?}");
    rooted.verify()?;
    of_nobody.stop()?;
    of_root.stop()
}

/// Tries every way to set or adjust a clock.
fn set_every_clock() -> Outcome {
    for clock in Clock::ALL {
        let _ = sys::clock_settime(clock.id(), 1_000_000 * SEC);
    }
    let _ = sys::set_tai(99);
    let _ = sys::set_frequency(500 << 16);
    for process in ["self", "1"] {
        for file in FILES {
            for text in [
                "rate 100 0\nrealtime 1 0\n",
                "realtime -1 0\n",
                "monotonic 5 0\n",
            ] {
                let _ = file.write(process, text);
            }
        }
    }
    Ok(())
}

fn host_is_unmoved(_: &Setting) -> Outcome {
    let other = Tracked::new(&lines())?;
    let plain = Pending::new()?;
    plain.write("monotonic 77 0\n")?;
    let plain = plain.detach()?;
    let discipline = sys::discipline().context("adjtimex")?;
    let before = [Clock::Realtime, Clock::Boottime, Clock::Tai].map(ahead);

    Task::spawn(|| {
        become_nobody()?;
        unshare_user()?;
        let pending = Pending::new()?;
        pending.write(lines())?;
        set_every_clock()?;
        Namespace::for_children()?.enter()?;
        set_every_clock()?;
        host::pass(SEC / 10)
    })?
    .join()?;

    check_eq!(
        sys::discipline().context("adjtimex")?,
        discipline,
        "the host's discipline"
    );
    let after = [Clock::Realtime, Clock::Boottime, Clock::Tai].map(ahead);
    for (before, after) in before.into_iter().zip(after) {
        let (before, after) = (before?, after?);
        check!(
            before.lo <= after.hi && after.lo <= before.hi,
            "a clock of the host was {before} ahead of MONOTONIC, is {after}"
        );
    }
    other.verify().during("another own-clock namespace")?;
    plain::verify(&plain, 77 * SEC, 0).during("a plain namespace")?;
    plain::verify_host()
}
