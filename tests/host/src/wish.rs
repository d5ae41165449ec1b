// SPDX-License-Identifier: GPL-2.0

//! Changes as a test wishes for them.

use timens_arith::{
    error::Error,
    offsets::Ahead,
    rate::Rate,
    segment::Clock,
    time::{NsTime, RefTime},
    timeline::{Change, Timeline},
};

/// What is to change. What is [`None`] stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// How fast the clocks run from then on.
    pub rate: Option<Rate>,
    /// What REALTIME reads then.
    pub realtime: Option<NsTime>,
}

impl Wish {
    /// The clocks after this change at the reference time `at`; the host has slept for `sleep` ns.
    /// Fails if REALTIME cannot be set so.
    pub fn apply(&self, timeline: &Timeline, at: RefTime, sleep: u64) -> Result<Timeline, Error> {
        let mono = timeline.read(Clock::Monotonic, at, sleep);
        let tai = timeline.at(at).offsets().tai_seconds() as i32;
        let ahead = self
            .realtime
            .map(|realtime| Ahead::reading(realtime, mono, sleep, tai))
            .transpose()?;
        let change = Change {
            mono: self.rate,
            raw: self.rate,
            ahead,
        };
        let mut changed = *timeline;
        changed.change(at, sleep, &change)?;
        Ok(changed)
    }
}
