// SPDX-License-Identifier: GPL-2.0

//! Every call by which user space waits, and what a namespace's clock makes of its timeout.
//!
//! A [`call::Call`] is a system call that ends by a timeout. With an [`entry::Entry`], the way into
//! the kernel and the layout of times that comes with it, and a [`call::Timeout`] it is a
//! [`call::Row`] of the table. A [`trial::Trial`] has a process in a namespace wait by a row, makes
//! a [`scenario::Scenario`]'s changes of the clock from outside, and says by that clock how late the
//! wait ended.

pub(crate) mod asleep;
pub(crate) mod board;
pub(crate) mod call;
pub(crate) mod calls;
pub(crate) mod counters;
pub(crate) mod cpu;
pub(crate) mod entry;
pub(crate) mod group;
pub(crate) mod pace;
pub(crate) mod place;
pub(crate) mod scenario;
pub(crate) mod signal;
pub(crate) mod times;
pub(crate) mod tracing;
pub(crate) mod trial;
pub(crate) mod worker;
