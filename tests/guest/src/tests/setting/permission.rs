// SPDX-License-Identifier: GPL-2.0

//! Who may set the clock of a namespace: who has CAP_SYS_TIME in the user namespace that owns it.

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::bystanders::Bystanders;
use crate::clock::Clock;
use crate::failure::{check_eq, fail, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::means::{Means, Moved};
use crate::namespace::{Namespace, Pending};
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::task::{Gate, Task};
use crate::tests::unprivileged::{become_nobody, unshare_user};
use crate::timers::entry::{syscall, Arg, Entry};
use crate::timers::place::Place;
use crate::timex::{modes, Adjuster, Timex};
use crate::tracked::Tracked;

use super::refusals::drop_sys_time;

tests![
    root_of_owner,
    privileged_from_outside,
    without_capability,
    nobody,
    root_of_inner_user_namespace,
    plain_of_user_namespace: mainline,
];

const SEC: Ns = 1_000_000_000;
const TIME: Ns = 2_000_000_000 * SEC;

/// Sets the clock of this process' namespace by all means, and adjusts it in all ways.
fn set_by_all_means() -> Outcome {
    for means in Means::all()? {
        let moved = means.set(TIME)?.context(means)?;
        let now = Clock::Realtime.now()?;
        // A step is computed from a moment before it.
        if matches!(moved, Moved::To(_)) && !(TIME..TIME + 1000 * SEC).contains(&now) {
            fail!("{means} has set REALTIME to {now}");
        }
        means.set(TIME / 2)?.context(means)?;
    }
    for adjuster in Adjuster::all()? {
        for request in requests() {
            adjuster.adjust(&request)?;
        }
        for request in readings() {
            adjuster.adjust(&request)?;
        }
    }
    let utc = Place::of(&[0; 8])?;
    let zone = syscall!(Entry::Native, crate::means::SETTIMEOFDAY, Arg::NULL, &utc);
    zone.context("settimeofday of a time zone").map(drop)
}

/// One for each mode.
fn requests() -> [Timex; 11] {
    [
        Timex::of(modes::OFFSET),
        Timex::of(modes::FREQUENCY),
        Timex::of(modes::MAXERROR),
        Timex::of(modes::ESTERROR),
        Timex::of(modes::STATUS).status(libc::STA_UNSYNC),
        Timex::of(modes::TIMECONST),
        Timex::of(modes::TAI).constant(37),
        Timex::of(modes::SETOFFSET),
        Timex::of(modes::MICRO),
        Timex::of(modes::TICK).tick(10_000),
        Timex::of(modes::SINGLESHOT),
    ]
}

fn readings() -> [Timex; 2] {
    [Timex::of(0), Timex::of(modes::SINGLESHOT_READ)]
}

/// Checks that none of that is permitted, and that reading is.
fn cannot_set() -> Outcome {
    for means in Means::all()? {
        check_eq!(means.set(TIME)?, Err(Errno::PERM), "{means}");
    }
    for adjuster in Adjuster::all()? {
        for request in requests() {
            let result = adjuster.call(&request).0;
            check_eq!(result, Err(Errno::PERM), "{adjuster} of {request:?}");
        }
        for request in readings() {
            adjuster.adjust(&request)?;
        }
    }
    let utc = Place::of(&[0; 8])?;
    let zone = syscall!(Entry::Native, crate::means::SETTIMEOFDAY, Arg::NULL, &utc);
    check_eq!(zone, Err(Errno::PERM), "settimeofday of a time zone");
    Ok(())
}

/// An ordinary user's namespace with that line, entered.
fn enter_own(lines: &Lines) -> Outcome {
    become_nobody()?;
    unshare_user()?;
    let pending = Pending::new()?;
    pending.write(lines)?;
    Namespace::for_children()?.enter()
}

/// As in `timens run --user`.
fn root_of_owner(_: &Setting) -> Outcome {
    let bystanders = Bystanders::new()?;
    Task::spawn(|| {
        enter_own(&Lines::new().rate(1, 0))?;
        set_by_all_means()
    })?
    .join()?;
    bystanders.verify().during("outside")
}

fn privileged_from_outside(_: &Setting) -> Outcome {
    let inside = Gate::new()?;
    let mut owner = Task::spawn(|| {
        enter_own(&Lines::new().rate(1, 0))?;
        inside.open()?;
        Gate::new()?.wait()
    })?;
    inside.wait_for(&mut owner)?;
    let bystanders = Bystanders::new()?;
    Namespace::of(owner.pid())?.inside(set_by_all_means)?;
    bystanders.verify().during("outside")?;
    owner.stop()
}

/// Nobody who is not permitted moves the clock of root's namespace.
fn refused(prepare: fn() -> Outcome) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    Task::spawn(|| {
        tracked.namespace.enter()?;
        prepare()?;
        cannot_set()
    })?
    .join()?;
    tracked.verify()
}

fn without_capability(_: &Setting) -> Outcome {
    refused(drop_sys_time)
}

fn nobody(_: &Setting) -> Outcome {
    refused(become_nobody)
}

/// All capabilities in a user namespace are none in the one that it was made in.
fn root_of_inner_user_namespace(_: &Setting) -> Outcome {
    refused(|| sys::unshare(UnshareFlags::NEWUSER).context("unshare"))?;
    refused(|| {
        become_nobody()?;
        unshare_user()
    })
}

/// A plain namespace has no clock that could be set but the host's.
fn plain_of_user_namespace(_: &Setting) -> Outcome {
    let before = host::ahead(Clock::Realtime)?;
    Task::spawn(|| {
        become_nobody()?;
        unshare_user()?;
        let pending = Pending::new()?;
        pending.write("monotonic 5 0\n")?;
        Namespace::for_children()?.enter()?;
        cannot_set()
    })?
    .join()?;
    let after = host::ahead(Clock::Realtime)?;
    crate::failure::check!(
        before.lo <= after.hi && after.lo <= before.hi,
        "the host's REALTIME was {before} ahead, is {after}"
    );
    Ok(())
}
