// SPDX-License-Identifier: GPL-2.0

//! Message queues that are empty or full.

use std::process;

use rustix::io::Errno;

use super::timed_out;
use crate::failure::{Context, Outcome};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[
    Call::new("mq_timedsend", Timeout::UNTIL_REALTIME, send),
    Call::new("mq_timedreceive", Timeout::UNTIL_REALTIME, receive),
];

const OPEN: Number = Number::plain(libc::SYS_mq_open, 277);
const UNLINK: Number = Number::plain(libc::SYS_mq_unlink, 278);
const SEND: Number = Number::timed(libc::SYS_mq_timedsend, 279, 418);
const RECEIVE: Number = Number::timed(libc::SYS_mq_timedreceive, 280, 419);

/// A queue with room for one message of 8 bytes. It goes with the process.
fn open() -> Outcome<usize> {
    let name = Place::of(format!("timens-{}\0", process::id()).as_bytes())?;
    // Flags, messages, bytes of one, messages now, and reserved.
    let attributes = Place::zeroed(64)?;
    attributes.write_u32(8, 1);
    attributes.write_u32(16, 8);
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let queue = syscall!(Entry::Native, OPEN, &name, flags, 0o600, &attributes);
    let queue = queue.context("mq_open")?;
    syscall!(Entry::Native, UNLINK, &name).context("mq_unlink")?;
    Ok(queue)
}

fn send(site: Site) -> Outcome<Wait> {
    let entry = site.entry;
    let queue = open()?;
    let message = Place::zeroed(8)?;
    let time = room(entry, 1)?;
    let length = 8_usize;
    let send = move |timeout: Arg| {
        entry.call(
            SEND,
            &[
                queue.into(),
                (&message).into(),
                length.into(),
                Arg::NULL,
                timeout,
            ],
        )
    };
    send(Arg::NULL).context("mq_timedsend to an empty queue")?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        timed_out("mq_timedsend", send((&time).into()), Errno::TIMEDOUT)
    }))
}

fn receive(site: Site) -> Outcome<Wait> {
    let entry = site.entry;
    let queue = open()?;
    let message = Place::zeroed(8)?;
    let time = room(entry, 1)?;
    let length = 8_usize;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let received = syscall!(entry, RECEIVE, queue, &message, length, Arg::NULL, &time);
        timed_out("mq_timedreceive", received, Errno::TIMEDOUT)
    }))
}
