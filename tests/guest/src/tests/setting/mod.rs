// SPDX-License-Identifier: GPL-2.0

//! Setting the clock from inside an own-clock namespace.

mod cancelling;
mod elsewhere;
mod moves;
mod permission;
pub(crate) mod refusals;
mod rtc;
mod timezone;
mod waking;

use crate::runner::Test;

/// The tests of setting it.
pub(crate) const TESTS: [&[Test]; 8] = [
    moves::TESTS,
    refusals::TESTS,
    permission::TESTS,
    timezone::TESTS,
    cancelling::TESTS,
    waking::TESTS,
    rtc::TESTS,
    elsewhere::TESTS,
];
