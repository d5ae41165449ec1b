// SPDX-License-Identifier: GPL-2.0

//! The data pages, as the kernel would write them.

use crate::{
    image::Timezone,
    layout::{Field, Layout},
};

/// A time of the host's page: seconds and shifted ns, or just ns for a coarse clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct BaseTime {
    /// Seconds.
    pub sec: u64,
    /// Nanoseconds, times 2^shift for a fine clock.
    pub nsec: u64,
}

/// How the host's page makes ns of the counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// The counter's value at the base times.
    pub cycle_last: u64,
    /// ns times 2^shift in one cycle.
    pub mult: u32,
    /// See `mult`.
    pub shift: u32,
}

/// `struct vdso_timens_line`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The anchor value, a 64.56 fixed-point number of ns.
    pub anchor: u128,
    /// The 8.56 fixed-point rate.
    pub rate: u64,
    /// Its reciprocal.
    pub reciprocal: u64,
}

/// `struct vdso_timens_segment`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The reference time of the anchor.
    pub reference: u64,
    /// MONOTONIC.
    pub mono: Line,
    /// MONOTONIC_RAW.
    pub raw: Line,
    /// What is added, by clock id.
    pub offset: Vec<i64>,
}

/// A data page being written.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    layout: &'a Layout,
    bytes: Vec<u8>,
}

impl<'a> Page<'a> {
    /// A host's page: both of its clocks read the counter the same way.
    pub fn host(layout: &'a Layout, counter: Counter) -> Self {
        let mut page = Self::empty(layout);
        for index in [layout.cs_hres_coarse, layout.cs_raw] {
            let clock = page.clock(index);
            page.put(clock.then(layout.clock_mode), layout.mode_tsc as u64);
            page.put(clock.then(layout.cycle_last), counter.cycle_last);
            page.put(clock.then(layout.max_cycles), u64::MAX);
            page.put(clock.then(layout.mask), u64::MAX);
            page.put(clock.then(layout.mult), counter.mult.into());
            page.put(clock.then(layout.shift), counter.shift.into());
        }
        page
    }

    /// A namespace's page, which sends its readers to the next one.
    pub fn namespace(layout: &'a Layout) -> Self {
        let mut page = Self::empty(layout);
        for index in [layout.cs_hres_coarse, layout.cs_raw] {
            let clock = page.clock(index);
            page.put(clock.then(layout.seq), 1);
            page.put(clock.then(layout.clock_mode), layout.mode_timens as u64);
        }
        page
    }

    fn empty(layout: &'a Layout) -> Self {
        Self {
            layout,
            bytes: vec![0; layout.page_size],
        }
    }

    /// The bytes of the whole page.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sets a base time of clock source `source`.
    pub fn set_base(&mut self, source: usize, clock_id: usize, time: BaseTime) {
        let base = self.clock_array(source, self.layout.basetime, clock_id);
        self.put(base.then(self.layout.base_sec), time.sec);
        self.put(base.then(self.layout.base_nsec), time.nsec);
    }

    /// Sets an offset of a plain namespace.
    pub fn set_offset(&mut self, source: usize, clock_id: usize, time: BaseTime) {
        let offset = self.clock_array(source, self.layout.offset, clock_id);
        self.put(offset.then(self.layout.offset_sec), time.sec);
        self.put(offset.then(self.layout.offset_nsec), time.nsec);
    }

    /// Makes clock source `source` unusable, so that who reads it has to ask the kernel.
    pub fn disable(&mut self, source: usize) {
        let clock = self.clock(source);
        self.put(
            clock.then(self.layout.clock_mode),
            self.layout.mode_none as u64,
        );
    }

    /// Sets how long the host has slept, ns.
    pub fn set_sleep(&mut self, sleep: u64) {
        self.put(self.layout.host_sleep, sleep);
    }

    /// Sets the timezone.
    pub fn set_timezone(&mut self, zone: Timezone) {
        self.put(self.layout.tz_minuteswest, (zone.minuteswest as u32).into());
        self.put(self.layout.tz_dsttime, (zone.dsttime as u32).into());
    }

    /// Gives the namespace a clock of its own.
    pub fn set_own_clock(&mut self, previous: &Segment, current: &Segment) {
        let own = self.layout.timens_clock;
        self.put(own.then(self.layout.own_seq), 2);
        for (index, segment) in [previous, current].into_iter().enumerate() {
            self.set_segment(own.then(self.layout.segment.at(index)), segment);
        }
    }

    fn set_segment(&mut self, at: Field, segment: &Segment) {
        let layout = self.layout;
        self.put(at.then(layout.segment_ref), segment.reference);
        self.set_line(at.then(layout.segment_mono), segment.mono);
        self.set_line(at.then(layout.segment_raw), segment.raw);
        for (index, offset) in segment.offset.iter().enumerate() {
            let field = at.then(layout.segment_offset.at(index));
            self.put(field, *offset as u64);
        }
    }

    fn set_line(&mut self, at: Field, line: Line) {
        let layout = self.layout;
        self.put(at.then(layout.line_lo), line.anchor as u64);
        self.put(at.then(layout.line_hi), (line.anchor >> 64) as u64);
        self.put(at.then(layout.line_rate), line.rate);
        self.put(at.then(layout.line_reciprocal), line.reciprocal);
    }

    fn clock(&self, source: usize) -> Field {
        self.layout.clock_data.at(source)
    }

    /// Element `clock_id` of an array in a clock.
    fn clock_array(&self, source: usize, array: Field, clock_id: usize) -> Field {
        assert!(clock_id < self.layout.bases, "the pages have no such clock");
        self.clock(source).then(array.at(clock_id))
    }

    /// Writes a member.
    ///
    /// # Panics
    ///
    /// It is too small for the value.
    fn put(&mut self, field: Field, value: u64) {
        let bytes = value.to_le_bytes();
        let (low, high) = bytes.split_at(field.size);
        assert!(high.iter().all(|&byte| byte == 0), "{value} is too large");
        self.bytes[field.offset..][..field.size].copy_from_slice(low);
    }
}
