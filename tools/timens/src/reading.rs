// SPDX-License-Identifier: GPL-2.0

//! What a namespace's clock shows, for `timens list` and `timens show`.

use crate::clock::{Clock, State};
use crate::namespace::Kind;
use crate::offset::Offset;
use crate::rate::Rate;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

/// Which clock a namespace has, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    /// The machine's, in its first namespace.
    Host,
    /// The machine's, in another.
    Plain,
    /// Its own.
    Own,
    /// That could not be found out.
    Unknown,
}

/// What a namespace's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Reading {
    /// Which clock it is.
    pub(crate) clock: Name,
    /// Whether it has started, if it is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<State>,
    /// Its date.
    #[serde(serialize_with = "rfc3339")]
    pub(crate) date: Option<Timestamp>,
    /// Its date less the host's.
    pub(crate) offset: Option<Offset>,
    /// Its rate.
    pub(crate) rate: Option<Rate>,
    /// What it gains on the host in parts per million.
    pub(crate) gain_ppm: Option<f64>,
}

impl Reading {
    /// What a clock shows when it is `now` on the host.
    pub(crate) fn new(kind: &Kind, now: Timestamp) -> Reading {
        match kind {
            Kind::Host => Reading::of_host(Name::Host, now),
            Kind::Plain => Reading::of_host(Name::Plain, now),
            Kind::Own(clock) => Reading::of_own(clock, now),
            Kind::Unknown => Reading {
                clock: Name::Unknown,
                state: None,
                date: None,
                offset: None,
                rate: None,
                gain_ppm: None,
            },
        }
    }

    fn of_host(clock: Name, now: Timestamp) -> Reading {
        Reading {
            clock,
            state: None,
            date: Some(now),
            offset: Some(Offset::ZERO),
            rate: Some(Rate::ONE),
            gain_ppm: Some(0.0),
        }
    }

    fn of_own(clock: &Clock, now: Timestamp) -> Reading {
        Reading {
            clock: Name::Own,
            state: Some(clock.state),
            date: now.checked_add(SignedDuration::from(clock.realtime)).ok(),
            offset: Some(clock.realtime),
            rate: Some(clock.rate),
            gain_ppm: Some(clock.rate.gain_ppm()),
        }
    }

    /// Which clock it is, for people to read.
    pub(crate) fn words(&self) -> &'static str {
        match (self.clock, self.state) {
            (Name::Host, _) => "host",
            (Name::Plain, _) => "plain",
            (Name::Own, Some(State::Pending)) => "own, pending",
            (Name::Own, _) => "own",
            (Name::Unknown, _) => "unknown",
        }
    }
}

fn rfc3339<S: Serializer>(date: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match date {
        Some(date) => serializer.collect_str(date),
        None => serializer.serialize_none(),
    }
}
