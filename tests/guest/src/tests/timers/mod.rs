// SPDX-License-Identifier: GPL-2.0

//! Timers in namespace time: never early, prompt after a change.

mod armed;
mod attack;
mod exactness;
mod idle;
mod interrupted;
mod lifetime;
mod long;
mod periodic;
mod remaining;
mod table;
mod torture;

use crate::runner::Test;

/// The tests of timers.
pub(crate) const TESTS: [&[Test]; 11] = [
    table::TESTS,
    long::TESTS,
    remaining::TESTS,
    interrupted::TESTS,
    periodic::TESTS,
    exactness::TESTS,
    armed::TESTS,
    lifetime::TESTS,
    idle::TESTS,
    torture::TESTS,
    attack::TESTS,
];
