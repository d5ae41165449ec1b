// SPDX-License-Identifier: GPL-2.0

//! How times look to the kernel.

use crate::failure::Outcome;
use crate::sys::Ns;
use crate::timers::entry::Entry;
use crate::timers::place::Place;

const SEC: Ns = 1_000_000_000;

impl Entry {
    /// Seconds and a part of one, in the entry's layout.
    fn pair(self, secs: Ns, part: Ns) -> Vec<u8> {
        if self.has_narrow_time() {
            [(secs as i32).to_ne_bytes(), (part as i32).to_ne_bytes()].concat()
        } else {
            [(secs as i64).to_ne_bytes(), (part as i64).to_ne_bytes()].concat()
        }
    }

    /// A `timespec`.
    pub(crate) fn timespec(self, ns: Ns) -> Vec<u8> {
        self.pair(ns.div_euclid(SEC), ns.rem_euclid(SEC))
    }

    /// A `timeval`.
    pub(crate) fn timeval(self, ns: Ns) -> Vec<u8> {
        self.pair(ns.div_euclid(SEC), ns.rem_euclid(SEC) / 1000)
    }

    /// A time of two words at `offset` of `place`: seconds and the part of one.
    fn read_pair(self, place: &Place, offset: usize) -> (Ns, Ns) {
        if self.has_narrow_time() {
            let word = |at| Ns::from(i32::from_ne_bytes(place.read(at)));
            (word(offset), word(offset + 4))
        } else {
            let word = |at| Ns::from(i64::from_ne_bytes(place.read(at)));
            (word(offset), word(offset + 8))
        }
    }

    /// The `timespec` at `offset` of `place`, in ns.
    pub(crate) fn read_timespec(self, place: &Place, offset: usize) -> Ns {
        let (secs, nsecs) = self.read_pair(place, offset);
        secs * SEC + nsecs
    }

    /// The `timeval` at `offset` of `place`, in ns.
    pub(crate) fn read_timeval(self, place: &Place, offset: usize) -> Ns {
        let (secs, usecs) = self.read_pair(place, offset);
        secs * SEC + usecs * 1000
    }

    /// The size of a time.
    pub(crate) fn time_size(self) -> usize {
        if self.has_narrow_time() {
            8
        } else {
            16
        }
    }
}

/// A place for times of 64-bit seconds, whichever the entry: of interfaces made after 2020.
pub(crate) fn new_timespec(ns: Ns) -> Vec<u8> {
    Entry::Native.timespec(ns)
}

/// Room for `count` times of an entry.
pub(crate) fn room(entry: Entry, count: usize) -> Outcome<Place> {
    Place::zeroed(entry.time_size() * count)
}
