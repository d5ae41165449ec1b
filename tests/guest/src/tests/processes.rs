// SPDX-License-Identifier: GPL-2.0

//! Ways for a process to get into a namespace, and threads and signals there.

use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::thread;

use crate::clock::{Clock, Way};
use crate::expectation::Expectation;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::proc_file::{ProcFile, State};
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::task::{resident, Gate, Task};
use crate::tests::plain;
use crate::tracked::{timed, Tracked};
use crate::vdso::Vdso;

tests![
    vfork_and_exec,
    exec_inside,
    thread_stays_outside,
    threads_inside,
    clone3,
    signal_handler,
];

const SEC: Ns = 1_000_000_000;

fn lines() -> Lines {
    Lines::new()
        .rate(2, 0)
        .realtime(5000 * SEC)
        .monotonic(100 * SEC)
        .boottime(700 * SEC)
}

/// Prints a line for each clock and way to read it: what a test executes in a namespace.
pub(crate) fn print_clocks() -> Outcome {
    for clock in Clock::ALL {
        for way in Way::ALL {
            println!("{}", way.read(clock)?);
        }
    }
    Ok(())
}

fn check_printed(text: &str, expected: &Expectation, fine: Span, coarse: Span) -> Outcome {
    let mut printed = text.lines();
    for clock in Clock::ALL {
        let expected = expected.read(clock, if clock.is_coarse() { coarse } else { fine });
        for way in Way::ALL {
            let time = printed.next().and_then(|line| line.parse().ok());
            let time = time.context(format_args!("it printed {text:?}"))?;
            check!(
                expected.contains(time),
                "{clock} by {way:?} is {time}, should be in {expected}"
            );
        }
    }
    Ok(())
}

/// Executes this program, which prints its clocks, in the namespace for children.
///
/// `Command` uses posix_spawn(), that is CLONE_VM and CLONE_VFORK: a new namespace is
/// entered by exec.
fn execute_printer() -> Outcome<String> {
    let output = Command::new("/proc/self/exe")
        .arg("--print-clocks")
        .output();
    let output = output.context("executing myself")?;
    check!(output.status.success(), "it ended with {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn vfork_and_exec(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write(lines())?;
    let (text, at, bases) = timed(execute_printer)?;
    let expected = Expectation::start(&bases, at, &lines());
    // A coarse clock that has not ticked since the entry reads what it would have read there.
    check_printed(&text, &expected, at, at)?;
    let tracked = Tracked {
        namespace: pending.detach()?,
        expected,
    };
    tracked.verify().during("entered afterwards")?;
    plain::verify_host().during("the parent")
}

/// The same for one that somebody is in already.
fn exec_inside(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&lines())?;
    host::pass_until(Clock::MonotonicCoarse, tracked.expected.changed().hi)?;
    let coarse = Clock::MonotonicCoarse.now()?;
    let (text, at, _) = timed(|| tracked.namespace.inside(execute_printer))?;
    check_printed(&text, &tracked.expected, at, Span::new(coarse, at.hi))
}

/// Neither a thread nor a child between vfork and exec is in the namespace for children.
fn thread_stays_outside(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write(lines())?;
    thread::scope(|scope| scope.spawn(plain::verify_host).join())
        .map_err(|_| ())
        .ok()
        .context("the thread panicked")??;
    plain::verify_host()?;
    let state = State::read("self")?.context("timens_clock is empty")?;
    check!(!state.running, "the namespace was entered");
    Tracked::start(pending.detach()?, &lines())?.verify()
}

fn threads_inside(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&lines())?;
    tracked.namespace.inside(|| {
        let before = Clock::ALL.map(|clock| clock.now().unwrap_or(Ns::MAX));
        thread::scope(|scope| {
            let read = || Clock::ALL.map(|clock| Way::Vdso.read(clock).unwrap_or(0));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
            for thread in threads {
                let times = thread.join().ok().context("a thread panicked")?;
                for (clock, (time, before)) in Clock::ALL.iter().zip(times.into_iter().zip(before))
                {
                    let after = clock.now()?;
                    check!(
                        before <= time && time <= after,
                        "{clock} of a thread is {time}, not in {before}..={after}"
                    );
                }
            }
            Ok(())
        })
    })
}

fn clone3(_: &Setting) -> Outcome {
    let parent = Tracked::new(&lines())?;
    let entered = Gate::new()?;
    let (mut task, at, bases) = timed(|| {
        parent.namespace.inside(|| {
            let mut task = Task::spawn_with_flags(libc::CLONE_NEWTIME as u64, || {
                entered.open()?;
                Gate::new()?.wait()
            })?;
            entered.wait_for(&mut task)?;
            Ok(task)
        })
    })?;
    let mut clone = Tracked {
        namespace: crate::namespace::Namespace::of(task.pid())?,
        expected: parent.expected.cloned(&bases, at, &Lines::new()),
    };
    clone.verify().during("the clone")?;
    clone.change(ProcFile::Clock, &Lines::new().rate(30, 0).realtime(0))?;
    host::pass(SEC / 10)?;
    clone.verify().during("the clone after a change")?;
    parent.verify().during("its parent")?;
    check!(
        task.is_running()?,
        "the task has ended: {:?}",
        task.outcome()
    );
    task.stop()
}

static LATEST: AtomicI64 = AtomicI64::new(0);
static CALLS: AtomicI32 = AtomicI32::new(0);
static BACKWARD: AtomicI32 = AtomicI32::new(0);

/// Reads MONOTONIC wherever the signal finds the process, maybe in the middle of reading it.
extern "C" fn read_in_handler(_: i32) {
    let latest = LATEST.load(Ordering::SeqCst);
    let now = Vdso::get()
        .ok()
        .and_then(|vdso| vdso.clock_gettime(libc::CLOCK_MONOTONIC));
    let now = now.unwrap_or(0) as i64;
    CALLS.fetch_add(1, Ordering::SeqCst);
    if now < latest {
        BACKWARD.fetch_add(1, Ordering::SeqCst);
    }
    LATEST.fetch_max(now, Ordering::SeqCst);
}

fn signal_handler(setting: &Setting) -> Outcome {
    let tracked = Tracked::new(&lines())?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let changer = Task::spawn(|| {
        for nsecs in (0..1_000_000_000).step_by(7).cycle() {
            let text = format!("rate {} {nsecs}\n", nsecs % 3);
            ProcFile::Clock
                .write(pid, text)
                .context("changing the rate")?;
        }
        Ok(())
    })?;
    let calls = setting.by_kernel(300, 100);
    let reader = Task::spawn(|| {
        Vdso::get()?;
        tracked.namespace.enter()?;
        sys::call_by_timer(2_000, read_in_handler).context("setting a timer")?;
        while CALLS.load(Ordering::SeqCst) < calls {
            let latest = LATEST.load(Ordering::SeqCst);
            let now = Way::Vdso.read(Clock::Monotonic)? as i64;
            check!(
                now >= latest,
                "MONOTONIC is {now}, was {latest} in a signal handler"
            );
            LATEST.fetch_max(now, Ordering::SeqCst);
        }
        check_eq!(
            BACKWARD.load(Ordering::SeqCst),
            0,
            "times that MONOTONIC went back in a handler"
        );
        Ok(())
    })?;
    reader.join()?;
    changer.stop()?;
    resident.stop()
}
