// SPDX-License-Identifier: GPL-2.0

//! The vDSO image that the kernel's build made, in an ordinary process.
//!
//! A process gets its vDSO from the running kernel, with data pages that only the kernel writes.
//! Here the image comes from a file and the pages from the test: what the code returns can be
//! compared for any clock at any time, without booting the kernel and without waiting for a
//! time, and how long it takes can be measured on the bare processor.
//!
//! - [`layout`]: where things are in the pages, from the compiler.
//! - [`page`]: the pages.
//! - [`elf`]: the image file, its instructions as the kernel leaves them after booting.
//! - [`image`]: the image in memory, to be called. All `unsafe` is there.
//! - [`vector`]: what the host's test vectors say.

pub mod elf;
#[expect(unsafe_code, reason = "maps code and calls it")]
pub mod image;
pub mod layout;
pub mod page;
pub mod vector;

/// What goes wrong outside of the vDSO, for a person to read.
pub type Error = Box<dyn std::error::Error>;
