// SPDX-License-Identifier: GPL-2.0

//! The host's date, to which the kernel relates every namespace's.

use crate::error::Error;
use crate::procfs::{Procfs, Who};
use jiff::{SignedDuration, Timestamp};

/// How to tell the host's date from this program's own, while that stays in its time namespace.
///
/// The two differ only when the program itself runs in a namespace with a clock of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    /// How far this program's REALTIME is ahead of the host's.
    ahead: SignedDuration,
}

impl Host {
    /// Looks where this program is.
    pub(crate) fn look(procfs: &Procfs) -> Result<Host, Error> {
        let own = procfs.clock_if_known(Who::Caller)?;
        let ahead = own.map_or(SignedDuration::ZERO, |own| own.realtime.into());
        Ok(Host { ahead })
    }

    /// The host's CLOCK_REALTIME now.
    pub(crate) fn now(self) -> Timestamp {
        Timestamp::now()
            .saturating_sub(self.ahead)
            .expect("only a span with calendar units can fail")
    }
}

/// The host's CLOCK_REALTIME now, wherever this program is.
pub(crate) fn now(procfs: &Procfs) -> Result<Timestamp, Error> {
    Ok(Host::look(procfs)?.now())
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
