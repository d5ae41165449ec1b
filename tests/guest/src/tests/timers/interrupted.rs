// SPDX-License-Identifier: GPL-2.0

//! What a call says is left when a signal ended it.

use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::process::{kill_process, Signal};

use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::task::Task;
use crate::timers::asleep::wait_until_asleep;
use crate::timers::board::{shared_numbers, unshare_numbers};
use crate::timers::call::{Site, Timeout};
use crate::timers::calls::{poll, sleep, Interruptible};
use crate::timers::entry::Entry;
use crate::timers::scenario::Parts;
use crate::tracked::Tracked;

tests![
    with_offsets: mainline,
    undisturbed,
    after_rate_change,
    after_step,
    restarted_elsewhere,
];

const SEC: Ns = 1_000_000_000;
const LENGTH: Ns = 1_000_000 * SEC;
/// As on the host, a sleep counts to its latest end, which is later by the slack of a task.
const SLACK: Ns = 50_000;
const RATES: [Parts; 3] = [(0, 500_000_000), (2, 0), (100, 0)];

/// Interrupts one call after a `change`, and checks what it says.
fn interrupt(
    namespace: &Namespace,
    call: &Interruptible,
    entry: Entry,
    timeout: Timeout,
    change: &dyn Fn() -> Outcome,
) -> Outcome {
    let clock = timeout.ends_by();
    let times = shared_numbers(3)?;
    let mut task = Task::spawn(|| {
        namespace.enter()?;
        sys::interrupt_by(libc::SIGUSR1).context("sigaction")?;
        let mut wait = (call.prepare)(Site {
            entry,
            timeout,
            other: 0,
            pace: None,
        })?;
        times[0].store(clock.now()? as i64, Ordering::SeqCst);
        let left = wait(LENGTH)?;
        times[1].store(clock.now()? as i64, Ordering::SeqCst);
        times[2].store(left as i64, Ordering::SeqCst);
        Ok(())
    })?;
    while times[0].load(Ordering::SeqCst) == 0 && task.is_running()? {
        host::pass(100_000)?;
    }
    wait_until_asleep(&mut task)?;
    check!(task.is_running()?, "it has ended: {:?}", task.outcome());
    let now = || namespace.inside(|| clock.now());
    let began = now()?;
    change()?;
    host::pass(SEC / 100)?;
    let sent = now()?;
    kill_process(task.pid(), Signal::USR1).context("kill")?;
    task.join()?;
    let [start, end, left] = [0, 1, 2].map(|i| Ns::from(times[i].load(Ordering::SeqCst)));
    unshare_numbers(times);
    check!(
        (start + LENGTH - end - 1000..=began + LENGTH - sent + SLACK + 1000).contains(&left),
        "{left} ns are left, should be {}..={}",
        start + LENGTH - end,
        began + LENGTH - sent + SLACK
    );
    Ok(())
}

fn interrupt_all(namespace: &Namespace, change: &dyn Fn() -> Outcome) -> Outcome {
    for call in sleep::INTERRUPTIBLE.iter().chain(poll::INTERRUPTIBLE) {
        for &timeout in call.timeouts {
            for &entry in call.entries {
                interrupt(namespace, call, entry, timeout, change)
                    .during(format_args!("{} {timeout} by {entry}", call.name))?;
            }
        }
    }
    Ok(())
}

/// Interrupts in namespaces of all rates, after one of `lines` was written, in turns.
fn in_namespaces(lines: &[Lines]) -> Outcome {
    for rate in RATES {
        let tracked = Tracked::new(&Lines::new().rate(rate.0, rate.1).monotonic(77 * SEC))?;
        let turn = std::cell::Cell::new(0);
        let change = || {
            if lines.is_empty() {
                return Ok(());
            }
            turn.set((turn.get() + 1) % lines.len());
            let text = lines[turn.get()].to_string();
            tracked
                .namespace
                .inside(|| ProcFile::Clock.write("self", text).context("a change"))
                .map(drop)
        };
        interrupt_all(&tracked.namespace, &change).during(format_args!("rate {rate:?}"))?;
    }
    Ok(())
}

fn undisturbed(_: &Setting) -> Outcome {
    in_namespaces(&[])
}

fn after_rate_change(_: &Setting) -> Outcome {
    let lines = Lines::new();
    in_namespaces(&[
        lines.rate(3, 0),
        lines.rate(0, 250_000_000),
        lines.rate(0, 0),
        lines.rate(50, 1),
    ])
}

fn after_step(_: &Setting) -> Outcome {
    let lines = Lines::new();
    in_namespaces(&[lines.realtime(1000 * SEC), lines.realtime(-1000 * SEC)])
}

fn with_offsets(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write(Lines::new().monotonic(1000 * SEC).boottime(77 * SEC))?;
    interrupt_all(&pending.detach()?, &|| Ok(()))
}

/// A sleep that is restarted in another namespace, where its end would be another time.
fn restarted_elsewhere(_: &Setting) -> Outcome {
    // In the shorter of the sleeps nothing is wrong with being there at once.
    let restart = |from: &Namespace, to: &Namespace, length| {
        let answer = shared_numbers(1)?;
        Task::spawn(|| {
            from.enter()?;
            let result = sys::restart_sleep_in(to.descriptor(), length);
            let errno = result.err().map_or(0, Errno::raw_os_error);
            answer[0].store(i64::from(errno), Ordering::SeqCst);
            Ok(())
        })?
        .join()?;
        let errno = answer[0].load(Ordering::SeqCst);
        unshare_numbers(answer);
        Ok::<_, crate::failure::Trouble>(errno)
    };
    let host = Namespace::current()?;
    let plain = {
        let pending = Pending::new()?;
        pending.write(Lines::new().monotonic(1000 * SEC))?;
        pending.detach()?
    };
    let own = Tracked::new(&Lines::new().rate(1, 0).monotonic(1_000_000 * SEC))?;
    let interrupted = i64::from(libc::EINTR);
    for other in [&host, &plain] {
        check_eq!(restart(other, &own.namespace, LENGTH)?, interrupted, "in");
        check_eq!(
            restart(&own.namespace, other, SEC / 20)?,
            interrupted,
            "out"
        );
    }
    check_eq!(restart(&host, &plain, SEC / 20)?, 0, "without an own clock");
    check_eq!(restart(&plain, &host, SEC / 20)?, 0, "without an own clock");
    Ok(())
}
