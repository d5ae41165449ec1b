// SPDX-License-Identifier: GPL-2.0

//! The system calls that the standard library has no word for. This program has one thread, which
//! is why it may call them at all.

pub(crate) mod interrupt;
pub(crate) mod stand_in;
pub(crate) mod timex;

use rustix::io::Errno;
use rustix::thread::{move_into_link_name_space, unshare_unsafe, LinkNameSpaceType, UnshareFlags};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

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

/// Enters the time namespace that `link`, a namespace file, refers to, if need be as the owner of
/// the user namespace that it belongs to. EINVAL: it is of another kind.
pub(crate) fn enter_time_namespace(link: impl AsFd) -> Result<(), Errno> {
    let enter = || move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Time));
    match enter() {
        // In its owner, an ordinary user who has made that has every capability.
        Err(Errno::PERM) if enter_owner_of(&link).is_ok() => enter(),
        result => result,
    }
}

/// Enters the user namespace that owns the one that `link` refers to.
fn enter_owner_of(link: impl AsFd) -> Result<(), Errno> {
    let owner = owner_of(link)?;
    move_into_link_name_space(owner.as_fd(), Some(LinkNameSpaceType::User))
}

/// The user namespace that owns the one that `link` refers to.
#[expect(unsafe_code, reason = "an ioctl")]
fn owner_of(link: impl AsFd) -> Result<OwnedFd, Errno> {
    /// `_IO(0xb7, 0x1)` of linux/nsfs.h.
    const NS_GET_USERNS: libc::Ioctl = 0xb701;
    // SAFETY: the request takes no argument.
    let owner = unsafe { libc::ioctl(link.as_fd().as_raw_fd(), NS_GET_USERNS) };
    match owner {
        -1 => Err(last_error()),
        // SAFETY: it is new, so that nothing else closes it.
        _ => Ok(unsafe { OwnedFd::from_raw_fd(owner) }),
    }
}

/// Why a function of the C library has failed.
fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
