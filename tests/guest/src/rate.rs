// SPDX-License-Identifier: GPL-2.0

//! The rate of a clock as the kernel keeps it.

use crate::sys::Ns;

/// Bits behind the point.
pub(crate) const FRAC_BITS: u32 = 56;

/// Namespace time per reference time, in units of 2^-56.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(u64);

impl Rate {
    /// The host's.
    pub(crate) const ONE: Self = Self(1 << FRAC_BITS);

    /// The rate that a line `rate SECS NSECS` sets: to the nearest unit.
    pub(crate) fn new(secs: u64, nsecs: u32) -> Self {
        const BILLION: u128 = 1_000_000_000;
        let frac = ((u128::from(nsecs) << FRAC_BITS) + BILLION / 2) / BILLION;
        Self((secs << FRAC_BITS) + frac as u64)
    }

    /// In units of 2^-56.
    pub(crate) fn units(self) -> Ns {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_to_units() {
        assert_eq!(Rate::new(1, 0), Rate::ONE);
        assert_eq!(Rate::new(0, 1).units(), 72_057_594);
        assert_eq!(Rate::new(255, 0).units(), 255 << 56);
    }
}
