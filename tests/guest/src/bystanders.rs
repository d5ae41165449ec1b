// SPDX-License-Identifier: GPL-2.0

//! Who must not notice that the clock of a namespace is set: the host, and other namespaces.

use crate::clock::Clock;
use crate::failure::{check, check_eq, During, Outcome};
use crate::host::{self, ahead, Bases};
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::span::Span;
use crate::sys::Ns;
use crate::tests::plain;
use crate::timex::{self, Timex};
use crate::tracked::{timed, Tracked};

const SEC: Ns = 1_000_000_000;

/// The rate of the other own-clock namespace
const RATE: u64 = 3;

/// The clocks of the host that are ahead of its MONOTONIC by a constant as long as nobody sets them.
const CLOCKS: [Clock; 4] = [Clock::Realtime, Clock::Tai, Clock::Boottime, Clock::Raw];

/// The state of a discipline without what changes by itself: the time, and the maximum error.
pub(crate) fn timeless((state, timex): (i32, Timex)) -> (i32, Timex) {
    let timex = Timex {
        sec: 0,
        subsec: 0,
        maxerror: 0,
        ..timex
    };
    (state, timex)
}

/// Checks a discipline that nobody has touched, `passed` ns of its clock after it was `before`.
fn untouched(before: (i32, Timex), after: (i32, Timex), passed: Ns) -> Outcome {
    // What the maximum error grows by each second, us
    const GROWTH: Ns = 500;
    check_eq!(timeless(after), timeless(before), "its state");
    let grown = Ns::from(after.1.maxerror) - Ns::from(before.1.maxerror);
    check!(
        (0..=GROWTH * (passed / SEC + 1)).contains(&grown),
        "its maximum error has grown by {grown} us in {passed} ns"
    );
    Ok(())
}

/// The host, an own-clock namespace and a plain one, as they were.
pub(crate) struct Bystanders {
    begun: Ns,
    ahead: [Span; CLOCKS.len()],
    discipline: (i32, Timex),
    other: Tracked,
    of_other: (i32, Timex),
    plain: Namespace,
}

impl Bystanders {
    /// Makes the namespaces, and reads how all is. The process is on the host.
    pub(crate) fn new() -> Outcome<Self> {
        let begun = host::reference()?;
        let other = Tracked::new(&Lines::new().rate(RATE, 0).realtime(500 * SEC))?;
        let plain = Pending::new()?;
        plain.write("monotonic 33 0\n")?;
        let plain = plain.detach()?;
        let mut spans = [Span::new(0, 0); CLOCKS.len()];
        for (span, clock) in spans.iter_mut().zip(CLOCKS) {
            *span = ahead(clock)?;
        }
        Ok(Self {
            begun,
            ahead: spans,
            discipline: timex::read()?,
            of_other: other.namespace.inside(timex::read)?,
            other,
            plain,
        })
    }

    /// Checks that it still is that way. The process is on the host.
    pub(crate) fn verify(&self) -> Outcome {
        for (before, clock) in self.ahead.into_iter().zip(CLOCKS) {
            let after = ahead(clock)?;
            check!(
                before.lo <= after.hi && after.lo <= before.hi,
                "the host's {clock} was {before} ahead of its MONOTONIC, is {after}"
            );
        }
        let (discipline, of_other) = (timex::read()?, self.other.namespace.inside(timex::read)?);
        let passed = host::reference()? - self.begun;
        untouched(self.discipline, discipline, passed).during("the host's discipline")?;
        untouched(self.of_other, of_other, passed * Ns::from(RATE))
            .during("another namespace's discipline")?;
        self.other.verify().during("another own-clock namespace")?;
        plain::verify(&self.plain, 33 * SEC, 0).during("a plain namespace")?;
        plain::verify_host()
    }
}

/// What `body` comes to, in a namespace; and when that was.
pub(crate) fn timed_inside<T>(
    tracked: &Tracked,
    body: impl FnOnce() -> Outcome<T>,
) -> Outcome<(T, Span)> {
    let (value, at, _): (T, Span, Bases) = timed(|| tracked.namespace.inside(body))?;
    Ok((value, at))
}
