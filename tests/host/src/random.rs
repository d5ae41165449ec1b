// SPDX-License-Identifier: GPL-2.0

//! Random numbers that are the same on every machine and with every version of every library.

/// A counter whose values are mixed well (a Weyl sequence through a multiplying hash).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence number `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number of 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 32)
    }

    /// A number in `0..=max`.
    pub fn up_to(&mut self, max: u64) -> u64 {
        let product = u128::from(self.bits()) * (u128::from(max) + 1);
        (product >> 64) as u64
    }

    /// A number in `0..=max` whose order of magnitude is random, rather than its value.
    pub fn of_any_size(&mut self, max: u64) -> u64 {
        let shift = self.up_to(63) as u32;
        self.up_to(max) >> shift
    }
}
