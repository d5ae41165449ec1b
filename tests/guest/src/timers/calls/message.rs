// SPDX-License-Identifier: GPL-2.0

//! recvmmsg(), which looks at its timeout after each message.

use std::os::fd::AsRawFd;

use crate::failure::{check, Context, Outcome};
use crate::timers::call::{Call, Precision, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[Call::new("recvmmsg", Timeout::MONOTONIC, recvmmsg)
    .precision(Precision::Paced)
    .disturbed()];

const RECVMMSG: Number = Number::timed(libc::SYS_recvmmsg, 337, 417);
/// As many as one call takes.
const MESSAGES: usize = 1024;

fn recvmmsg(site: Site) -> Outcome<Wait> {
    let entry = site.entry;
    let pace = site.pace.context("it has to be paced")?;
    // With no room for what is received.
    let headers = Place::zeroed(MESSAGES * if entry.is_narrow() { 32 } else { 64 })?;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let fd = pace.as_raw_fd();
        let received = syscall!(entry, RECVMMSG, fd, &headers, MESSAGES, 0, &time);
        let enough = received.context("recvmmsg")?;
        check!(
            (1..MESSAGES).contains(&enough),
            "{enough} messages came before the timeout"
        );
        Ok(())
    }))
}
