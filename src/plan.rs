// SPDX-License-Identifier: GPL-2.0

//! What a clock will be when its namespace is entered for the first time.

use crate::{
    arith::{
        error,
        rate::Rate,
        segment::Clock,
        steered::moment,
        time::{
            FixedNs,
            NsTime, //
        },
        timeline::{
            Start,
            Timeline, //
        }, //
    },
    host::Host,
    request::Request,
    Ntp,
    Steered, //
};
use kernel::prelude::*;

/// So many courses of what is continued are run through, at most: those of 18 hours, as a rule. Who
/// has a clone wait for longer can have it wait for ever, and nobody should have to calculate all
/// that when it is entered.
const COURSES_MAX: u32 = 1024;

/// What a pending clock continues, and what overrides that.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// The clocks that it continues, as they would go on by themselves.
    clocks: Steered,
    /// Whether these are a namespace's, whose discipline goes on as well.
    is_clone: bool,
    /// How often they may still need to be told how to go on.
    courses: u32,
    /// What overrides them, as of the first entry.
    overrides: Request,
}

impl Plan {
    /// Continue the host's clocks. Fails with `ERANGE` if they are near their end.
    pub(crate) fn follow(host: &Host) -> Result<Self> {
        let start = Start {
            at: host.reference,
            sleep: host.sleep,
            rate: Rate::ONE,
            mono: FixedNs::from(NsTime::from_ns(host.reference.as_ns())),
            raw: FixedNs::from(NsTime::from_ns(host.raw)),
            boottime: NsTime::from_ns(host.boottime()),
            realtime: NsTime::from_ns(host.realtime),
            tai_seconds: host.tai_seconds,
        };
        let timeline = Timeline::start(&start).map_err(|_| ERANGE)?;
        Ok(Self {
            clocks: Steered::new(timeline, Rate::ONE, None, host.reference, host.sleep),
            // What the host's discipline does is in the reference already.
            is_clone: false,
            courses: COURSES_MAX,
            // The host's REALTIME may be stepped before the first entry.
            overrides: Request {
                realtime: Some(0),
                ..Request::default()
            },
        })
    }

    /// Continue the clocks of a namespace.
    pub(crate) fn continue_from(clocks: &Steered) -> Self {
        Self {
            clocks: *clocks,
            is_clone: true,
            courses: COURSES_MAX,
            overrides: Request::default(),
        }
    }

    /// Adds to what overrides the clocks.
    pub(crate) fn add(&mut self, request: &Request) {
        let Request {
            monotonic,
            boottime,
            realtime,
            rate,
        } = *request;
        let overrides = &mut self.overrides;
        overrides.monotonic = monotonic.or(overrides.monotonic);
        overrides.boottime = boottime.or(overrides.boottime);
        overrides.realtime = realtime.or(overrides.realtime);
        overrides.rate = rate.or(overrides.rate);
    }

    /// Lets what is continued go on until now. Returns whether that was all: else call it again.
    pub(crate) fn advance(&mut self, host: &Host) -> bool {
        if self.clocks.run_to(host.reference, host.sleep) {
            return true;
        }
        self.courses = self.courses.saturating_sub(1);
        if self.courses == 0 {
            self.clocks.give_up(host.reference, host.sleep);
        }
        false
    }

    /// The clocks, if they start now, after [`Plan::advance`]. Fails if one of them is too near
    /// its end.
    pub(crate) fn begin(&self, host: &Host) -> Result<Steered, error::Error> {
        let at = host.reference;
        let Request {
            monotonic,
            boottime,
            realtime,
            rate,
        } = self.overrides;
        let old = self.clocks.timeline().at(at);
        let now = self.clocks.moment(at, host.sleep);
        let start = Start {
            at,
            sleep: host.sleep,
            rate: rate.unwrap_or(self.clocks.base()),
            mono: match monotonic {
                Some(offset) => FixedNs::from(ahead(at.as_ns(), offset)),
                None => now.mono,
            },
            raw: match monotonic {
                Some(offset) => FixedNs::from(ahead(host.raw, offset)),
                None => now.raw,
            },
            boottime: match boottime {
                Some(offset) => ahead(host.boottime(), offset),
                None => old.read(Clock::Boottime, at, host.sleep),
            },
            realtime: match realtime {
                Some(offset) => ahead(host.realtime, offset),
                None => old.read(Clock::Realtime, at, host.sleep),
            },
            tai_seconds: if self.is_clone {
                self.clocks.ntp().tai()
            } else {
                host.tai_seconds
            },
        };
        let timeline = Timeline::start(&start)?;
        let ntp = self.ntp().map(|mut ntp| {
            if monotonic.is_some() || realtime.is_some() {
                let offset = timeline.current().offsets().realtime();
                ntp.rebase(&moment(&timeline, at, host.sleep), offset);
            }
            if realtime.is_some() {
                ntp.clear();
            }
            ntp
        });
        Ok(Steered::new(timeline, start.rate, ntp, at, host.sleep))
    }

    /// The same, but with no more than a rate that overrides the clocks if they have come too near
    /// their end.
    pub(crate) fn begin_anyhow(&self, host: &Host) -> Steered {
        self.begin(host).unwrap_or_else(|_| {
            Steered::new(
                *self.clocks.timeline(),
                self.overrides.rate.unwrap_or(self.clocks.base()),
                self.ntp(),
                host.reference,
                host.sleep,
            )
        })
    }

    /// The discipline that goes on.
    fn ntp(&self) -> Option<Ntp> {
        self.is_clone.then(|| *self.clocks.ntp())
    }
}

/// The reading of a clock that is `offset` ns ahead of a host clock that reads `host` ns.
///
/// The offset was checked when it was written, and host clocks go on: it is out of range only if
/// the host's REALTIME was set far back since.
fn ahead(host: u64, offset: i64) -> NsTime {
    NsTime::ahead_of_host(host, offset).unwrap_or(NsTime::from_ns(0))
}
