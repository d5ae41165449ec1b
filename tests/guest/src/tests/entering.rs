// SPDX-License-Identifier: GPL-2.0

//! Processes that move between namespaces with setns().

use std::thread;

use rustix::io::Errno;

use crate::clock::{Clock, Way};
use crate::failure::{check, check_eq, During, Outcome};
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::Ns;
use crate::task::resident;
use crate::tests::plain;
use crate::tracked::Tracked;

tests![
    by_process_and_back,
    vdso_follows,
    between_own_clocks,
    threads_cannot,
];

const SEC: Ns = 1_000_000_000;
const FAR: Ns = 1_000_000 * SEC;

fn far() -> Outcome<Tracked> {
    Tracked::new(
        &Lines::new()
            .rate(2, 0)
            .realtime(FAR)
            .monotonic(FAR)
            .boottime(FAR),
    )
}

fn by_process_and_back(_: &Setting) -> Outcome {
    let tracked = far()?;
    let task = resident(&tracked.namespace)?;
    let same = Tracked {
        namespace: Namespace::of(task.pid())?,
        expected: tracked.expected.clone(),
    };
    for _ in 0..10 {
        same.verify().during("in the namespace of a process")?;
        plain::verify_host().during("back on the host")?;
    }
    task.stop()
}

/// Only the page of data behind the vDSO changes: it must be another one at once.
fn vdso_follows(_: &Setting) -> Outcome {
    let tracked = far()?;
    for _ in 0..100 {
        for clock in Clock::ALL {
            let before = clock.now()?;
            Way::Vdso.read(clock)?;
            let inside = tracked.namespace.inside(|| Way::Vdso.read(clock))?;
            let outside = Way::Vdso.read(clock)?;
            let host = Span::new(before, clock.now()?);
            check!(
                inside >= host.lo + FAR,
                "{clock} inside is {inside}, on the host {host}"
            );
            check!(
                host.contains(outside),
                "{clock} on the host is {outside}, not in {host}"
            );
        }
    }
    Ok(())
}

fn between_own_clocks(_: &Setting) -> Outcome {
    let one = far()?;
    let other = Tracked::new(&Lines::new().rate(0, 0).realtime(-FAR))?;
    for _ in 0..5 {
        one.namespace.inside(|| {
            other.namespace.inside(|| Ok(()))?;
            let ahead = Way::Vdso.read(Clock::Realtime)?;
            let behind = other.namespace.inside(|| Way::Vdso.read(Clock::Realtime))?;
            check!(
                behind + FAR < ahead,
                "one reads {ahead}, the other {behind}"
            );
            Ok(())
        })?;
        one.verify()?;
        other.verify()?;
    }
    Ok(())
}

fn threads_cannot(_: &Setting) -> Outcome {
    let tracked = far()?;
    let result = thread::scope(|scope| {
        let thread = scope.spawn(|| tracked.namespace.try_enter());
        thread.join()
    });
    check_eq!(result.ok(), Some(Err(Errno::USERS)), "setns of a thread");
    tracked.verify()
}
