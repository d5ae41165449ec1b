// SPDX-License-Identifier: GPL-2.0

//! A time that is known from two sides.
//!
//! Emulation may stop a test between any two instructions for as long as it likes, so that no test
//! knows when something happened: it knows what it read before and after that.

use std::fmt;

use crate::sys::Ns;

/// Anything from `lo` to `hi`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) lo: Ns,
    pub(crate) hi: Ns,
}

impl Span {
    /// From `lo` to `hi`.
    pub(crate) fn new(lo: Ns, hi: Ns) -> Self {
        Self { lo, hi }
    }

    /// How much is not known.
    pub(crate) fn width(self) -> Ns {
        self.hi - self.lo
    }

    /// Whether it may be `time`.
    pub(crate) fn contains(self, time: Ns) -> bool {
        (self.lo..=self.hi).contains(&time)
    }

    /// That later by `ns`.
    pub(crate) fn shifted(self, ns: Ns) -> Self {
        Self::new(self.lo + ns, self.hi + ns)
    }

    /// Anything that either may be.
    pub(crate) fn hull(self, other: Self) -> Self {
        Self::new(self.lo.min(other.lo), self.hi.max(other.hi))
    }

    /// That times `factor`, which may be negative.
    pub(crate) fn scaled(self, factor: Ns) -> Self {
        let (a, b) = (self.lo * factor, self.hi * factor);
        Self::new(a.min(b), a.max(b))
    }
}

impl std::ops::Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.lo + other.lo, self.hi + other.hi)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.lo, self.hi)
    }
}
