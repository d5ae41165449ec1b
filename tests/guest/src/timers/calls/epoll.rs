// SPDX-License-Identifier: GPL-2.0

//! epoll, with nothing in it that could happen.

use std::os::fd::AsRawFd;

use rustix::event::epoll;

use super::returned;
use crate::failure::{Context, Outcome};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::new_timespec;

pub(crate) const CALLS: &[Call] = &[
    Call::new("epoll_wait", Timeout::MONOTONIC, epoll_wait)
        .entries(Entry::OLD)
        .unit(1_000_000)
        .disturbed(),
    Call::new("epoll_pwait", Timeout::MONOTONIC, epoll_pwait)
        .entries(Entry::OLD)
        .unit(1_000_000)
        .disturbed(),
    Call::new("epoll_pwait2", Timeout::MONOTONIC, epoll_pwait2)
        .entries(Entry::NEW)
        .disturbed(),
];

const EPOLL_WAIT: Number = Number::plain(libc::SYS_epoll_wait, 256);
const EPOLL_PWAIT: Number = Number::plain(libc::SYS_epoll_pwait, 319);
const EPOLL_PWAIT2: Number = Number::plain(libc::SYS_epoll_pwait2, 441);

fn in_milliseconds(site: &Site, number: Number) -> Outcome<Wait> {
    let entry = site.entry;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?;
    let event = Place::zeroed(16)?;
    Ok(Box::new(move |ns| {
        let (fd, milliseconds) = (epoll.as_raw_fd(), (ns / 1_000_000) as i32);
        let waited = syscall!(entry, number, fd, &event, 1, milliseconds, Arg::NULL, 8);
        returned("epoll_wait", waited, 0)
    }))
}

fn epoll_wait(site: Site) -> Outcome<Wait> {
    in_milliseconds(&site, EPOLL_WAIT)
}

fn epoll_pwait(site: Site) -> Outcome<Wait> {
    in_milliseconds(&site, EPOLL_PWAIT)
}

fn epoll_pwait2(site: Site) -> Outcome<Wait> {
    let Site { entry, .. } = site;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?;
    let event = Place::zeroed(16)?;
    let time = Place::zeroed(16)?;
    Ok(Box::new(move |ns| {
        time.write(0, &new_timespec(ns));
        let fd = epoll.as_raw_fd();
        let waited = syscall!(entry, EPOLL_PWAIT2, fd, &event, 1, &time, Arg::NULL, 8);
        returned("epoll_pwait2", waited, 0)
    }))
}
