// SPDX-License-Identifier: GPL-2.0

//! What the host-side tests of the clock arithmetic share: an oracle in big-integer
//! arithmetic, and test vectors for those who read a clock in another language.

pub mod oracle;
pub mod page;
pub mod random;
pub mod vectors;
pub mod wish;
