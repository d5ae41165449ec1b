// SPDX-License-Identifier: GPL-2.0

//! The system calls that the standard library has no word for. This program has one thread, which
//! is why it may call them at all.

use rustix::io::Errno;
use rustix::thread::{move_into_link_name_space, unshare_unsafe, LinkNameSpaceType, UnshareFlags};
use std::os::fd::AsFd;

/// A namespace that this process can make for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewNamespace {
    /// A user namespace, in which it has every capability.
    User,
    /// A time namespace, for what it executes next.
    Time,
}

/// Makes a new namespace.
#[expect(unsafe_code, reason = "rustix has no safe form of unshare")]
pub(crate) fn unshare(namespace: NewNamespace) -> Result<(), Errno> {
    let flags = match namespace {
        NewNamespace::User => UnshareFlags::NEWUSER,
        NewNamespace::Time => UnshareFlags::NEWTIME,
    };
    // SAFETY: only the flag FILES, which is not among them, can do harm: it makes file descriptors
    // that other threads use refer to something else.
    unsafe { unshare_unsafe(flags) }
}

/// Enters the time namespace that `link`, a namespace file, refers to. EINVAL: it is of another
/// kind.
pub(crate) fn enter_time_namespace(link: impl AsFd) -> Result<(), Errno> {
    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Time))
}
