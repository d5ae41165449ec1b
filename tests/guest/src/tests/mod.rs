// SPDX-License-Identifier: GPL-2.0

//! The tests, a file for each subject.

pub(crate) mod bad_input;
pub(crate) mod changing;
pub(crate) mod clocksource;
pub(crate) mod cloning;
pub(crate) mod concurrency;
pub(crate) mod creating;
pub(crate) mod discipline;
pub(crate) mod entering;
pub(crate) mod files;
pub(crate) mod fuzz;
pub(crate) mod host;
pub(crate) mod ia32;
pub(crate) mod mainline_lines;
pub(crate) mod many;
pub(crate) mod plain;
pub(crate) mod processes;
pub(crate) mod reload;
pub(crate) mod setting;
pub(crate) mod sleeping;
pub(crate) mod stamps;
pub(crate) mod suspend;
pub(crate) mod timers;
pub(crate) mod tool;
pub(crate) mod unprivileged;
pub(crate) mod uptime;

use crate::runner::Test;

/// All tests, in the order in which they run: those that the others rest on first.
pub(crate) fn all() -> impl Iterator<Item = &'static Test> {
    [
        clocksource::TESTS,
        plain::TESTS,
        mainline_lines::TESTS,
        creating::TESTS,
        files::TESTS,
        changing::TESTS,
        entering::TESTS,
        cloning::TESTS,
        processes::TESTS,
        ia32::TESTS,
        stamps::TESTS,
        uptime::TESTS,
        host::TESTS,
        sleeping::TESTS,
        bad_input::TESTS,
        unprivileged::TESTS,
        concurrency::TESTS,
        many::TESTS,
        fuzz::TESTS,
        tool::TESTS,
        reload::TESTS,
        suspend::TESTS,
    ]
    .into_iter()
    .chain(timers::TESTS)
    .chain(setting::TESTS)
    .chain(discipline::TESTS)
    .flatten()
}
