// SPDX-License-Identifier: GPL-2.0

//! How a test ends before its end.

use std::fmt::{self, Display};
use std::io;

use rustix::io::Errno;

/// Why a test did not pass.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What it found is wrong.
    Fail(String),
    /// It cannot run here.
    Skip(String),
}

/// What a test, or a part of one, comes to.
pub(crate) type Outcome<T = ()> = Result<T, Trouble>;

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(why) | Self::Skip(why) => f.write_str(why),
        }
    }
}

/// For what is expected to succeed: its error with what was tried.
pub(crate) trait Context<T> {
    /// Makes an error a failure of `what`.
    fn context(self, what: impl Display) -> Outcome<T>;
}

impl<T> Context<T> for Result<T, Errno> {
    fn context(self, what: impl Display) -> Outcome<T> {
        self.map_err(|errno| Trouble::Fail(format!("{what}: {errno}")))
    }
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| Trouble::Fail(format!("{what}: {error}")))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl Display) -> Outcome<T> {
        self.ok_or_else(|| Trouble::Fail(what.to_string()))
    }
}

/// Adds to what a test says where in the test it was.
pub(crate) trait During<T> {
    /// Says that a failure happened during `what`.
    fn during(self, what: impl Display) -> Outcome<T>;
}

impl<T> During<T> for Outcome<T> {
    fn during(self, what: impl Display) -> Outcome<T> {
        self.map_err(|trouble| match trouble {
            Trouble::Fail(why) => Trouble::Fail(format!("{what}: {why}")),
            skip @ Trouble::Skip(_) => skip,
        })
    }
}

/// Ends the test as failed.
macro_rules! fail {
    ($($why:tt)+) => {
        return Err($crate::failure::Trouble::Fail(format!($($why)+)))
    };
}

/// Ends the test as failed unless a condition holds.
macro_rules! check {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            $crate::failure::fail!($($why)+);
        }
    };
}

/// Ends the test as failed unless two values are equal.
macro_rules! check_eq {
    ($is:expr, $should:expr, $($what:tt)+) => {
        match (&$is, &$should) {
            (is, should) => $crate::failure::check!(
                is == should,
                "{}: is {:?}, should be {:?}",
                format_args!($($what)+),
                is,
                should
            ),
        }
    };
}

pub(crate) use {check, check_eq, fail};
