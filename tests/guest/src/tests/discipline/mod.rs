// SPDX-License-Identifier: GPL-2.0

//! The discipline of a namespace's clock: `adjtimex()`, as the host has it.

mod differential;
mod echo;
mod fuzz;
mod leap;
mod slewing;

use crate::runner::Test;

/// The tests of it.
pub(crate) const TESTS: [&[Test]; 5] = [
    echo::TESTS,
    differential::TESTS,
    leap::TESTS,
    fuzz::TESTS,
    slewing::TESTS,
];
