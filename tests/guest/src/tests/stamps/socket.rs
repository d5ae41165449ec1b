// SPDX-License-Identifier: GPL-2.0

//! The parts of the socket interface that deal in time stamps.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;

use rustix::io::Errno;

use crate::failure::{check, Context, Outcome};
use crate::sys::Ns;
use crate::timers::entry::{syscall, Entry, Number};
use crate::timers::place::Place;

const SETSOCKOPT: Number = Number::plain(libc::SYS_setsockopt, 366);
const GETSOCKOPT: Number = Number::plain(libc::SYS_getsockopt, 365);
const RECVMSG: Number = Number::plain(libc::SYS_recvmsg, 372);
const IOCTL: Number = Number::plain(libc::SYS_ioctl, 54);

const DATA_SIZE: usize = 2048;
const CONTROL_SIZE: usize = 512;

/// Where the kernel puts what is received: the same for all calls of a process.
struct Room {
    data: Place,
    control: Place,
    request: Place,
}

impl Room {
    fn get() -> Outcome<&'static Self> {
        static ROOM: OnceLock<Option<Room>> = OnceLock::new();
        let room = || {
            Some(Self {
                data: Place::zeroed(DATA_SIZE).ok()?,
                control: Place::zeroed(CONTROL_SIZE).ok()?,
                request: Place::zeroed(128).ok()?,
            })
        };
        ROOM.get_or_init(room).as_ref().context("no place is left")
    }
}

/// How long a word is, bytes.
fn word(entry: Entry) -> usize {
    if entry.is_narrow() {
        4
    } else {
        8
    }
}

/// Puts words from `offset` of `place` on.
fn put(entry: Entry, place: &Place, offset: usize, words: &[usize]) {
    for (i, value) in words.iter().enumerate() {
        let bytes = &value.to_le_bytes()[..word(entry)];
        place.write(offset + i * bytes.len(), bytes);
    }
}

/// The word at `offset` of `place`.
fn get(entry: Entry, place: &Place, offset: usize) -> usize {
    if entry.is_narrow() {
        place.read_u32(offset) as usize
    } else {
        place.read_u64(offset) as usize
    }
}

/// Sets an option of the level SOL_SOCKET.
pub(super) fn set(socket: impl AsFd, option: i32, value: i32) -> Outcome {
    let room = Room::get()?;
    room.request.write(0, &value.to_ne_bytes());
    let socket = socket.as_fd().as_raw_fd();
    let level = libc::SOL_SOCKET;
    syscall!(
        Entry::Native,
        SETSOCKOPT,
        socket,
        level,
        option,
        &room.request,
        4
    )
    .map(drop)
    .context(format_args!("option {option}"))
}

/// The control messages that have come with what was received last.
pub(super) struct Control {
    entry: Entry,
    place: &'static Place,
    length: usize,
}

impl Control {
    /// How the program has it that has received this.
    pub(super) fn entry(&self) -> Entry {
        self.entry
    }

    /// Where the one is that has this level and type, and how long it is.
    pub(super) fn find(
        &self,
        level: i32,
        kind: i32,
    ) -> Outcome<Option<(&'static Place, usize, usize)>> {
        let word = word(self.entry);
        let header = word + 8;
        let mut at = 0;
        while at + header <= self.length {
            let length = get(self.entry, self.place, at);
            check!(
                length >= header && at + length <= self.length,
                "a control message of {length} bytes at {at} of {}",
                self.length
            );
            let number = |offset| self.place.read_u32(at + offset) as i32;
            if (number(word), number(word + 4)) == (level, kind) {
                return Ok(Some((self.place, at + header, length - header)));
            }
            at += length.next_multiple_of(word);
        }
        Ok(None)
    }
}

/// Receives a message, without waiting. `flags` are those of recvmsg().
pub(super) fn receive(entry: Entry, socket: impl AsFd, flags: i32) -> Outcome<Control> {
    let Room {
        data,
        control,
        request,
    } = Room::get()?;
    let header = 8 * word(entry);
    put(entry, request, header, &[data.address(), DATA_SIZE]);
    let parts = request.address() + header;
    let message = [0, 0, parts, 1, control.address(), CONTROL_SIZE, 0];
    put(entry, request, 0, &message);
    let socket = socket.as_fd().as_raw_fd();
    syscall!(entry, RECVMSG, socket, request, flags | libc::MSG_DONTWAIT).context("recvmsg")?;
    Ok(Control {
        entry,
        place: control,
        length: get(entry, request, 5 * word(entry)),
    })
}

/// As `receive()`, by TCP_ZEROCOPY_RECEIVE, for less than a page: that is copied.
pub(super) fn receive_zerocopy(entry: Entry, socket: impl AsFd) -> Outcome<Control> {
    const TCP_CMSG_TS: usize = 2;
    // Offsets in struct tcp_zerocopy_receive, and its size.
    const COPYBUF: usize = 24;
    const COPYBUF_LENGTH: usize = 32;
    const CONTROL: usize = 40;
    const CONTROL_LENGTH: usize = 48;
    const SIZE: usize = 64;

    let room = Room::get()?;
    let put = |offset, value| put(Entry::Native, &room.request, offset, &[value]);
    (0..SIZE).step_by(8).for_each(|offset| put(offset, 0));
    put(COPYBUF, room.data.address());
    // The flags are the upper half of this word.
    put(COPYBUF_LENGTH, DATA_SIZE | TCP_CMSG_TS << 32);
    put(CONTROL, room.control.address());
    put(CONTROL_LENGTH, CONTROL_SIZE);
    put(SIZE, SIZE);
    let size = room.request.address() + SIZE;
    let (socket, level) = (socket.as_fd().as_raw_fd(), libc::IPPROTO_TCP);
    let option = libc::TCP_ZEROCOPY_RECEIVE;
    syscall!(
        entry,
        GETSOCKOPT,
        socket,
        level,
        option,
        &room.request,
        size
    )
    .context("TCP_ZEROCOPY_RECEIVE")?;
    Ok(Control {
        entry,
        place: &room.control,
        length: CONTROL_SIZE - get(Entry::Native, &room.request, CONTROL_LENGTH),
    })
}

/// The stamp that an ioctl gives, as `read` finds it.
pub(super) fn last_stamp(
    entry: Entry,
    socket: impl AsFd,
    request: usize,
    read: impl FnOnce(&Place) -> Ns,
) -> Result<Ns, Errno> {
    let place = &Room::get().map_err(|_| Errno::NOMEM)?.request;
    syscall!(entry, IOCTL, socket.as_fd().as_raw_fd(), request, place)?;
    Ok(read(place))
}
