// SPDX-License-Identifier: GPL-2.0

//! Where there is no own clock, the host's is set, as in mainline; and own clocks stay.

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host::{ahead, pass};
use crate::lines::Lines;
use crate::means::{Means, Moved};
use crate::namespace::{Namespace, Pending};
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::timex::{self, modes, Timex};
use crate::tracked::Tracked;

tests![
    plain_sets_host: mainline,
    plain_disciplines_host: mainline,
    own_clock_stays,
];

const SEC: Ns = 1_000_000_000;
const STEP: Ns = 100_000 * SEC;

fn plain() -> Outcome<Namespace> {
    let pending = Pending::new()?;
    pending.write("monotonic 5 0\n")?;
    pending.detach()
}

/// Sets the host's REALTIME back to where it would be, whatever `body` has done to it.
fn restored<T>(body: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let before = ahead(Clock::Realtime)?;
    let result = body();
    let now = Clock::Monotonic.now()? + before.lo;
    sys::clock_settime(libc::CLOCK_REALTIME, now).context("setting the host's clock back")?;
    result
}

/// By all means from `namespace`, the host's REALTIME is moved ahead by `STEP` each time.
fn set_host_from(namespace: &Namespace) -> Outcome {
    for means in Means::all()? {
        let before = ahead(Clock::Realtime)?;
        let moved = namespace.inside(|| {
            let time = Clock::Realtime.now()? + STEP;
            means.set(time)?.context(means)
        })?;
        let after = ahead(Clock::Realtime)?;
        let step = after.lo - before.lo;
        // Whole seconds, and the time that it took.
        check!(
            (STEP - 2 * SEC..STEP + 2 * SEC).contains(&step),
            "{means} has moved the host's REALTIME by {step}: {moved:?}"
        );
        if let Moved::By(ns) = moved {
            let width = before.width() + after.width();
            check!(
                (step - ns).abs() <= width,
                "moved by {step} instead of {ns}"
            );
        }
    }
    Ok(())
}

fn plain_sets_host(_: &Setting) -> Outcome {
    let plain = plain()?;
    restored(|| set_host_from(&plain))
}

fn plain_disciplines_host(_: &Setting) -> Outcome {
    let plain = plain()?;
    let (_, before) = timex::read()?;
    let request = Timex::of(modes::FREQUENCY).freq(77 << 16);
    let inside = plain.inside(|| timex::adjust(&request));
    let outside = timex::read();
    timex::adjust(&Timex::of(modes::FREQUENCY).freq(before.freq))?;
    check_eq!(inside?.1.freq, 77 << 16, "the frequency in the plain one");
    check_eq!(outside?.1.freq, 77 << 16, "the frequency of the host");
    Ok(())
}

fn own_clock_stays(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0).realtime(50 * SEC))?;
    let read = || tracked.namespace.inside(timex::read);
    let (state, before) = read()?;
    let plain = plain()?;
    restored(|| {
        set_host_from(&plain)?;
        tracked.verify().during("the host was set")
    })?;
    tracked.verify().during("the host was set back")?;

    let requests = [
        (modes::STATUS, libc::STA_PLL | libc::STA_INS),
        (modes::TAI, 0),
        (modes::OFFSET | modes::NANO, 0),
        (modes::SINGLESHOT, 0),
        (modes::TIMECONST | modes::MICRO, 0),
    ];
    let (_, of_host) = timex::read()?;
    for (mode, status) in requests {
        timex::adjust(&Timex::of(mode).status(status).constant(9))?;
    }
    let after = read();
    // Without a leap second, and as it was.
    for status in [libc::STA_PLL, 0, of_host.status] {
        timex::adjust(&Timex::of(modes::STATUS).status(status))?;
    }
    let tai = Timex::of(modes::TAI).constant(of_host.tai.into());
    timex::adjust(&tai)?;
    let constant = (of_host.constant - 4).max(0);
    timex::adjust(&Timex::of(modes::TIMECONST).constant(constant))?;
    let (state_after, after) = after?;
    check_eq!(state_after, state, "the state");
    let timeless = |timex: Timex| Timex {
        sec: 0,
        subsec: 0,
        maxerror: 0,
        ..timex
    };
    check_eq!(timeless(after), timeless(before), "the discipline");
    pass(SEC / 100)?;
    tracked.verify().during("the host was disciplined")
}
