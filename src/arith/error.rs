// SPDX-License-Identifier: GPL-2.0

//! Why a clock cannot be made or changed as asked.

/// Why a clock cannot be made or changed as asked. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A number that is not one of its kind, such as 10^9 nanoseconds besides the seconds.
    Malformed,
    /// A clock or rate would be negative or beyond what can be represented.
    OutOfRange,
    /// A change would take effect before the current segment does.
    BeforeAnchor,
}
