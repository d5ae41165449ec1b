// SPDX-License-Identifier: GPL-2.0

//! The forms in which a time stamp comes to user space.

use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::failure::{check_eq, Context, Outcome};
use crate::sys::Ns;
use crate::timers::entry::Entry;
use crate::timers::place::Place;

use super::socket::{self, Control};

/// What is at a place.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Whether it is a `timeval`, not a `timespec`.
    micro: bool,
    /// Whether it has 64-bit words for everybody.
    new: bool,
}

impl Layout {
    const TIMEVAL: Self = Self {
        micro: true,
        new: false,
    };
    const TIMESPEC: Self = Self {
        micro: false,
        new: false,
    };

    const fn widened(self) -> Self {
        Self { new: true, ..self }
    }

    /// The ns that a time is a multiple of.
    fn unit(self) -> Ns {
        if self.micro {
            1000
        } else {
            1
        }
    }

    fn entry(self, entry: Entry) -> Entry {
        if self.new {
            Entry::Native
        } else {
            entry
        }
    }

    fn size(self, entry: Entry) -> usize {
        self.entry(entry).time_size()
    }

    fn read(self, entry: Entry, place: &Place, offset: usize) -> Ns {
        let entry = self.entry(entry);
        if self.micro {
            entry.read_timeval(place, offset)
        } else {
            entry.read_timespec(place, offset)
        }
    }
}

/// A socket option that makes stamps come with messages, in a control message of that type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) name: &'static str,
    option: i32,
    /// SOF_TIMESTAMPING_* of the stamps that are wanted.
    flags: Option<u32>,
    layout: Layout,
}

const RECEIVED: Option<u32> =
    Some(libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE);

const fn form(name: &'static str, option: i32, flags: Option<u32>, layout: Layout) -> Form {
    Form {
        name,
        option,
        flags,
        layout,
    }
}

impl Form {
    /// SO_TIMESTAMPING for received packets.
    pub(super) const TIMESTAMPING: Self = form("SO_TIMESTAMPING", 37, RECEIVED, Layout::TIMESPEC);

    /// SO_TIMESTAMPNS.
    pub(super) const TIMESTAMPNS: Self = form("SO_TIMESTAMPNS", 35, None, Layout::TIMESPEC);

    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        form("SO_TIMESTAMP", 29, None, Layout::TIMEVAL),
        form("SO_TIMESTAMP_NEW", 63, None, Layout::TIMEVAL.widened()),
        Self::TIMESTAMPNS,
        form("SO_TIMESTAMPNS_NEW", 64, None, Layout::TIMESPEC.widened()),
        Self::TIMESTAMPING,
        form(
            "SO_TIMESTAMPING_NEW",
            65,
            RECEIVED,
            Layout::TIMESPEC.widened(),
        ),
    ];

    /// Both layouts of SO_TIMESTAMPING, for other stamps than those of received packets.
    pub(super) fn of_events(flags: u32) -> impl Iterator<Item = Self> {
        let forms = Self::ALL.into_iter().filter(Self::is_timestamping);
        forms.map(move |form| form.of(flags))
    }

    /// The same for other stamps.
    pub(super) fn of(self, flags: u32) -> Self {
        Self {
            flags: Some(flags),
            ..self
        }
    }

    /// Whether it gives stamps that there are, and does not make any.
    pub(super) fn is_timestamping(&self) -> bool {
        self.flags.is_some()
    }

    /// The ns that a stamp is a multiple of.
    pub(super) fn unit(&self) -> Ns {
        self.layout.unit()
    }

    /// Asks for it.
    pub(super) fn enable(&self, socket: impl AsFd) -> Outcome {
        socket::set(
            socket,
            self.option,
            self.flags.map_or(1, |flags| flags as i32),
        )
    }

    /// The stamp among the control messages of a message, if there is one.
    pub(super) fn look(&self, control: &Control) -> Outcome<Option<Ns>> {
        let Some((place, offset, length)) = control.find(libc::SOL_SOCKET, self.option)? else {
            return Ok(None);
        };
        let size = self.layout.size(control.entry());
        let read = |i| self.layout.read(control.entry(), place, offset + i * size);
        let count = if self.is_timestamping() { 3 } else { 1 };
        check_eq!(length, count * size, "bytes of {}", self.name);
        for hardware in 1..count {
            check_eq!(
                read(hardware),
                0,
                "stamp {hardware}, which is not of software"
            );
        }
        Ok(Some(read(0)))
    }

    /// The stamp that has to be among the control messages of a message.
    pub(super) fn find(&self, control: &Control) -> Outcome<Ns> {
        self.look(control)?
            .context(format_args!("there is no {}", self.name))
    }
}

/// The ioctls that give the stamp of the last packet that was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) name: &'static str,
    request: usize,
    layout: Layout,
}

const fn last(name: &'static str, request: usize, layout: Layout) -> Last {
    Last {
        name,
        request,
        layout,
    }
}

impl Last {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [
        last("SIOCGSTAMP", 0x8906, Layout::TIMEVAL),
        last("SIOCGSTAMPNS", 0x8907, Layout::TIMESPEC),
        last("SIOCGSTAMP_NEW", 0x8010_8906, Layout::TIMEVAL.widened()),
        last("SIOCGSTAMPNS_NEW", 0x8010_8907, Layout::TIMESPEC.widened()),
    ];

    /// The ns that a stamp is a multiple of.
    pub(super) fn unit(&self) -> Ns {
        self.layout.unit()
    }

    /// The stamp of what `socket` has received last.
    pub(super) fn read(&self, entry: Entry, socket: impl AsFd) -> Result<Ns, Errno> {
        let read = |place: &Place| self.layout.read(entry, place, 0);
        socket::last_stamp(entry, socket, self.request, read)
    }
}
