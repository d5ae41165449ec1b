// SPDX-License-Identifier: GPL-2.0

//! Sockets with a timeout for receiving or sending.

use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;

use super::timed_out;
use crate::failure::{fail, Context, Outcome};
use crate::timers::call::{Call, Precision, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::{new_timespec, room};

pub(crate) const CALLS: &[Call] = &[
    Call::new("recv-timeout", Timeout::MONOTONIC, receive)
        .unit(1000)
        .precision(Precision::Ticks)
        .disturbed(),
    Call::new("send-timeout", Timeout::MONOTONIC, send)
        .unit(1000)
        .precision(Precision::Ticks)
        .disturbed(),
];

const SETSOCKOPT: Number = Number::plain(libc::SYS_setsockopt, 366);
const RECVFROM: Number = Number::plain(libc::SYS_recvfrom, 371);
const SENDTO: Number = Number::plain(libc::SYS_sendto, 369);
/// The options of the name, by the width of their times.
const RECEIVE: [i32; 2] = [20, 66];
const SEND: [i32; 2] = [21, 67];

/// Sets the timeout when it is called, and then waits by `call`.
fn limited(
    entry: Entry,
    options: [i32; 2],
    socket: [UnixStream; 2],
    number: Number,
) -> Outcome<Wait> {
    let byte = Place::zeroed(1)?;
    let old = room(entry, 1)?;
    let new = Place::zeroed(16)?;
    Ok(Box::new(move |ns| {
        let fd = socket[0].as_raw_fd();
        let (option, time, size) = match entry {
            Entry::Time64 => {
                // Microseconds behind the seconds, here as well.
                new.write(0, &new_timespec(ns / 1_000_000_000 * 1_000_000_000));
                let microseconds = (ns % 1_000_000_000 / 1000) as u64;
                new.write(8, &microseconds.to_ne_bytes());
                (options[1], &new, 16)
            }
            _ => {
                old.write(0, &entry.timeval(ns));
                (options[0], &old, entry.time_size())
            }
        };
        syscall!(entry, SETSOCKOPT, fd, libc::SOL_SOCKET, option, time, size)
            .context("setsockopt")?;
        let waited = syscall!(entry, number, fd, &byte, 1, 0, Arg::NULL, Arg::NULL);
        timed_out("a socket", waited, Errno::AGAIN)
    }))
}

fn receive(site: Site) -> Outcome<Wait> {
    let pair = UnixStream::pair().context("socketpair")?;
    limited(site.entry, RECEIVE, pair.into(), RECVFROM)
}

fn send(site: Site) -> Outcome<Wait> {
    let (mut sender, receiver) = UnixStream::pair().context("socketpair")?;
    sender.set_nonblocking(true).context("O_NONBLOCK")?;
    for size in [4096, 1] {
        loop {
            match sender.write(&[0; 4096][..size]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => fail!("filling a socket: {error}"),
                Ok(_) => {}
            }
        }
    }
    sender.set_nonblocking(false).context("O_NONBLOCK")?;
    limited(site.entry, SEND, [sender, receiver], SENDTO)
}
