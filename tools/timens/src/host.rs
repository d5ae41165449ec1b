// SPDX-License-Identifier: GPL-2.0

//! The host's clocks, to which the kernel relates every namespace's.

use crate::clock::Clock;
use crate::error::Error;
use crate::procfs::{Procfs, Who};
use jiff::{SignedDuration, Timestamp};
use rustix::time::{clock_gettime, ClockId};

/// The host's CLOCK_REALTIME now, wherever this program is.
///
/// Where that is on a clock of its own it is a moment too early, and never too late: what relates to
/// it is never behind.
pub(crate) fn now(procfs: &Procfs) -> Result<Timestamp, Error> {
    // Before what it is ahead by, which grows on a fast clock.
    let now = Timestamp::now();
    let own = procfs.clock_if_known(Who::Caller)?;
    let ahead = own.map_or(SignedDuration::ZERO, |own| own.realtime.into());
    Ok(now
        .saturating_sub(ahead)
        .expect("only a span with calendar units can fail"))
}

/// What the host's clocks read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostClocks {
    /// CLOCK_REALTIME.
    pub(crate) realtime: SignedDuration,
    /// CLOCK_MONOTONIC.
    pub(crate) monotonic: SignedDuration,
    /// CLOCK_BOOTTIME.
    pub(crate) boottime: SignedDuration,
    /// CLOCK_MONOTONIC_RAW.
    pub(crate) raw: SignedDuration,
}

impl HostClocks {
    /// Reads them, one after the other: a moment too early, as [`now`] does.
    pub(crate) fn read(procfs: &Procfs) -> Result<HostClocks, Error> {
        let own = HostClocks {
            realtime: reading(ClockId::Realtime),
            monotonic: reading(ClockId::Monotonic),
            boottime: reading(ClockId::Boottime),
            raw: reading(ClockId::MonotonicRaw),
        };
        let offsets = own_offsets(procfs)?;
        Ok(HostClocks {
            realtime: own.realtime - offsets.realtime,
            monotonic: own.monotonic - offsets.monotonic,
            boottime: own.boottime - offsets.boottime,
            raw: own.raw - offsets.raw,
        })
    }
}

/// What a clock of this program's own namespace reads.
pub(crate) fn reading(id: ClockId) -> SignedDuration {
    let time = clock_gettime(id);
    // CAST: below 10^9.
    SignedDuration::new(time.tv_sec, time.tv_nsec as i32)
}

/// How far the clocks of this program's own namespace are ahead of the host's.
fn own_offsets(procfs: &Procfs) -> Result<HostClocks, Error> {
    if let Some(own) = procfs.clock_if_known(Who::Caller)? {
        return Ok(HostClocks {
            realtime: own.realtime.into(),
            monotonic: own.monotonic.into(),
            boottime: own.boottime.into(),
            raw: own.raw.into(),
        });
    }
    let constants = procfs.constants(Who::Caller)?;
    Ok(HostClocks {
        realtime: SignedDuration::ZERO,
        monotonic: constants.monotonic.into(),
        boottime: constants.boottime.into(),
        raw: constants.monotonic.into(),
    })
}

/// Looks at a clock, and at the host's no earlier than at that.
///
/// The offsets that the kernel tells hold at one moment, and so should the clocks that they are
/// added to: this is the closest of some attempts.
pub(crate) fn together(
    procfs: &Procfs,
    mut clock: impl FnMut() -> Result<Clock, Error>,
) -> Result<(Clock, HostClocks), Error> {
    const ATTEMPTS: usize = 16;
    let mut attempt = || {
        let before = clock_gettime(ClockId::Monotonic);
        let both = (clock()?, HostClocks::read(procfs)?);
        let width = clock_gettime(ClockId::Monotonic) - before;
        Ok::<_, Error>((width, both))
    };
    let mut best = attempt()?;
    for _ in 1..ATTEMPTS {
        let next = attempt()?;
        if next.0 < best.0 {
            best = next;
        }
    }
    Ok(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::OFFSETS;
    use crate::testing::{clock_text, FakeProc};

    #[test]
    fn outside_of_own_clocks_it_is_the_systems() {
        for clock in [None, Some("")] {
            let proc = FakeProc::new();
            if let Some(text) = clock {
                proc.write("self/timens_clock", text);
            }
            let before = Timestamp::now();
            let now = now(&proc.fs()).unwrap();
            assert!(before <= now && now <= Timestamp::now());
        }
    }

    #[test]
    fn inside_an_own_clock_it_is_the_systems_less_the_offset() {
        let proc = FakeProc::new();
        proc.write(
            "self/timens_clock",
            &clock_text("running", "1000000 0", "1 0"),
        );
        let earlier = |time: Timestamp| time - SignedDuration::from_secs(1_000_000);
        let before = earlier(Timestamp::now());
        let now = now(&proc.fs()).unwrap();
        assert!(before <= now && now <= earlier(Timestamp::now()));
    }

    /// What this test's own clock reads, and a moment later what the host's would.
    fn pair(proc: &FakeProc, id: ClockId, of: fn(HostClocks) -> SignedDuration) -> SignedDuration {
        let own = reading(id);
        of(HostClocks::read(&proc.fs()).unwrap()) - own
    }

    /// A bit more, and less than a minute more.
    fn is_about(difference: SignedDuration, secs: f64) {
        let more = difference.as_secs_f64() - secs;
        assert!((0.0..60.0).contains(&more), "{difference} {secs}");
    }

    #[test]
    fn the_hosts_clocks_are_the_own_less_the_own_offsets() {
        let proc = FakeProc::new();
        let offsets = "monotonic 5000 0\nboottime -7000 500000000\n";
        proc.write("self/timens_offsets", offsets);
        is_about(pair(&proc, ClockId::Realtime, |host| host.realtime), 0.0);
        is_about(
            pair(&proc, ClockId::Monotonic, |host| host.monotonic),
            -5000.0,
        );
        is_about(pair(&proc, ClockId::Boottime, |host| host.boottime), 6999.5);
        is_about(pair(&proc, ClockId::MonotonicRaw, |host| host.raw), -5000.0);

        let own = "state running\nrealtime 9000 0\nmonotonic 800 0\nboottime 700 0\n\
                   raw -600 0\nrate 1 0\n";
        proc.write("self/timens_clock", own);
        is_about(
            pair(&proc, ClockId::Realtime, |host| host.realtime),
            -9000.0,
        );
        is_about(
            pair(&proc, ClockId::Monotonic, |host| host.monotonic),
            -800.0,
        );
        is_about(pair(&proc, ClockId::Boottime, |host| host.boottime), -700.0);
        is_about(pair(&proc, ClockId::MonotonicRaw, |host| host.raw), 600.0);
    }

    #[test]
    fn a_clock_and_the_hosts_are_read_together() {
        let proc = FakeProc::new();
        proc.write("self/timens_offsets", OFFSETS);
        let clock = Clock::parse(&clock_text("running", "90 0", "1 0"))
            .unwrap()
            .unwrap();
        let mut asked = Vec::new();
        let (_, host) = together(&proc.fs(), || {
            asked.push(HostClocks::read(&proc.fs())?.monotonic);
            Ok(clock.clone())
        })
        .unwrap();
        assert!(asked.iter().any(|asked| *asked <= host.monotonic));
        assert!(asked[0] < host.monotonic);
    }
}
