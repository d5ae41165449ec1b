// SPDX-License-Identifier: GPL-2.0

//! The NTP discipline: compared with the kernel's own, and properties of its clock.

mod course;
mod differential;
mod inputs;
#[cfg(kernel_tree)]
mod kernel;
mod leap;
mod properties;
mod steered;
