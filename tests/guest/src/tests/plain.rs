// SPDX-License-Identifier: GPL-2.0

//! Namespaces without a clock, and the host, while there are own-clock namespaces.

use crate::clock::{Clock, Way};
use crate::failure::{check, During, Outcome};
use crate::host::{ahead, reference};
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::Ns;
use crate::tracked::Tracked;

tests![
    by_itself: mainline,
    beside_own_clocks,
];

const SEC: Ns = 1_000_000_000;

/// Checks a namespace that is the host's clocks plus constants.
pub(crate) fn verify(namespace: &Namespace, monotonic: Ns, boottime: Ns) -> Outcome {
    for clock in Clock::ALL {
        let offset = match clock {
            Clock::Monotonic | Clock::Raw | Clock::MonotonicCoarse => monotonic,
            Clock::Boottime => boottime,
            _ => 0,
        };
        for way in Way::ALL {
            let before = clock.now()?;
            let time = namespace.inside(|| way.read(clock))?;
            let expected = Span::new(before, clock.now()?).shifted(offset);
            check!(
                expected.contains(time),
                "{clock} by {way:?} is {time}, should be in {expected}"
            );
        }
    }
    Ok(())
}

/// Checks that on the host the vDSO and the system call agree.
pub(crate) fn verify_host() -> Outcome {
    for clock in Clock::ALL {
        let before = clock.now()?;
        let time = Way::Vdso.read(clock)?;
        let expected = Span::new(before, clock.now()?);
        check!(
            expected.contains(time),
            "{clock} of the host is {time}, should be in {expected}"
        );
    }
    Ok(())
}

fn plain() -> Outcome<Namespace> {
    let pending = Pending::new()?;
    pending.write("monotonic 5000 5\nboottime 864000 999999999\n")?;
    pending.detach()
}

fn verify_all(namespace: &Namespace) -> Outcome {
    for _ in 0..20 {
        verify(namespace, 5000 * SEC + 5, 864_001 * SEC - 1)?;
        verify_host()?;
    }
    Ok(())
}

fn by_itself(_: &Setting) -> Outcome {
    verify_all(&plain()?)
}

fn beside_own_clocks(_: &Setting) -> Outcome {
    let (realtime, boottime) = (ahead(Clock::Realtime)?, ahead(Clock::Boottime)?);
    let before = plain()?;
    let mut tracked = Tracked::new(&Lines::new().rate(3, 0).realtime(1000 * SEC))?;
    let after = plain()?;
    for rate in [0, 255] {
        verify_all(&before).during("made before")?;
        verify_all(&after).during("made after")?;
        tracked.change(
            crate::proc_file::ProcFile::Clock,
            &Lines::new().rate(rate, 0).realtime(0),
        )?;
        tracked.verify()?;
    }
    let start = reference()?;
    for (clock, base) in [(Clock::Realtime, realtime), (Clock::Boottime, boottime)] {
        let now = ahead(clock)?;
        check!(
            base.lo <= now.hi && now.lo <= base.hi,
            "the host's {clock} was {base} ahead, is {now}, at {start}"
        );
    }
    Ok(())
}
