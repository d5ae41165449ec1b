// SPDX-License-Identifier: GPL-2.0

//! Where readers find a clock: a part of its namespace's vDSO data page.
//!
//! There is one copy of a clock's timeline for all readers, and it is on that page: user space
//! reads it there through the vDSO, the kernel through [`Published::read`]. Both see the same
//! sequence counter and calculate the same way.
//!
//! A sequence of 0 tells the vDSO that the namespace has no clock. It is 2 after the first
//! [`Published::publish`], and odd while words are written.
//!
//! # Why a change is anchored ahead
//!
//! A writer makes the sequence odd, and only then samples the reference and puts the
//! anchor [`LEAD`] after it. A reader that still gets by with the old segment has loaded the even
//! sequence twice, before and after its own sample of the reference. So its sample is older than
//! the writer's, but for how far a CPU may execute out of order: a counter that is read after the
//! second load, or a store that waits in its buffer. That is far less than `LEAD`, and so
//! its reference belongs to the old segment in the new version, too.

use crate::{
    arith::{
        line::Line,
        offsets::Offsets,
        segment::{
            Clock,
            Segment, //
        },
        time::{
            NsTime,
            RefTime, //
        },
        timeline::Timeline, //
    },
    host, //
};
use core::{
    mem::{
        offset_of,
        size_of, //
    },
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::{
            smp_mb,
            Full,
            Read,
            Write, //
        },
    }, //
};

/// How far ahead of the reference a change takes effect, ns.
///
/// Longer than a CPU may take to make a store visible or to complete a load out of order, shorter
/// than anybody notices.
pub(crate) const LEAD: u64 = 10_000;

/// `struct vdso_timens_line`.
#[repr(C)]
struct LineWords {
    lo: Atomic<u64>,
    hi: Atomic<u64>,
    rate: Atomic<u64>,
    reciprocal: Atomic<u64>,
}

impl LineWords {
    #[inline]
    fn load(&self) -> Line {
        Line::from_words(
            self.lo.load(Relaxed),
            self.hi.load(Relaxed),
            self.rate.load(Relaxed),
            self.reciprocal.load(Relaxed),
        )
    }

    fn store(&self, line: &Line) {
        let (lo, hi) = line.anchor().words();
        self.lo.store(lo, Relaxed);
        self.hi.store(hi, Relaxed);
        self.rate.store(line.rate().as_units(), Relaxed);
        self.reciprocal.store(line.reciprocal().word(), Relaxed);
    }
}

/// `struct vdso_timens_segment`.
#[repr(C)]
struct SegmentWords {
    anchor: Atomic<u64>,
    mono: LineWords,
    raw: LineWords,
    offset: [Atomic<i64>; OFFSETS],
}

/// How many clock ids have an offset.
const OFFSETS: usize = bindings::CLOCK_TAI as usize + 1;

impl SegmentWords {
    /// The segment as far as `clock` needs it.
    #[inline(always)]
    fn load_for(&self, clock: Clock) -> Segment {
        let line = match clock {
            Clock::Raw => &self.raw,
            Clock::Monotonic | Clock::Boottime | Clock::Realtime | Clock::Tai => &self.mono,
        }
        .load();
        let offset = match clock {
            Clock::Monotonic | Clock::Raw => 0,
            Clock::Boottime => self.offset(bindings::CLOCK_BOOTTIME),
            Clock::Realtime => self.offset(bindings::CLOCK_REALTIME),
            Clock::Tai => self.offset(bindings::CLOCK_TAI),
        };
        Segment::new(
            RefTime::from_published(self.anchor.load(Relaxed)),
            line,
            line,
            Offsets::from_published(offset, offset, offset),
        )
    }

    fn store(&self, segment: &Segment) {
        self.anchor.store(segment.anchor().as_ns(), Relaxed);
        self.mono.store(segment.mono());
        self.raw.store(segment.raw());
        for (clock, words) in (0u32..).zip(&self.offset) {
            let offset = match clock {
                bindings::CLOCK_REALTIME | bindings::CLOCK_REALTIME_COARSE => {
                    segment.offsets().realtime()
                }
                bindings::CLOCK_BOOTTIME => segment.offsets().boottime(),
                bindings::CLOCK_TAI => segment.offsets().tai(),
                _ => 0,
            };
            words.store(offset, Relaxed);
        }
    }

    #[inline]
    fn offset(&self, clock: u32) -> i64 {
        // CAST: Clock ids are small.
        self.offset
            .get(clock as usize)
            .map_or(0, |offset| offset.load(Relaxed))
    }
}

/// `struct vdso_timens_clock`.
#[repr(C)]
struct Page {
    seq: Atomic<u32>,
    unused: u32,
    segment: [SegmentWords; 2],
}

const _: () = {
    use bindings::{
        vdso_timens_clock as Clock,
        vdso_timens_line as Line,
        vdso_timens_segment as Segment, //
    };

    assert!(size_of::<LineWords>() == size_of::<Line>());
    assert!(offset_of!(LineWords, lo) == offset_of!(Line, lo));
    assert!(offset_of!(LineWords, hi) == offset_of!(Line, hi));
    assert!(offset_of!(LineWords, rate) == offset_of!(Line, rate));
    assert!(offset_of!(LineWords, reciprocal) == offset_of!(Line, reciprocal));
    assert!(size_of::<SegmentWords>() == size_of::<Segment>());
    assert!(offset_of!(SegmentWords, anchor) == offset_of!(Segment, ref_));
    assert!(offset_of!(SegmentWords, mono) == offset_of!(Segment, mono));
    assert!(offset_of!(SegmentWords, raw) == offset_of!(Segment, raw));
    assert!(offset_of!(SegmentWords, offset) == offset_of!(Segment, offset));
    assert!(size_of::<Page>() == size_of::<Clock>());
    assert!(offset_of!(Page, seq) == offset_of!(Clock, seq));
    assert!(offset_of!(Page, unused) == offset_of!(Clock, unused));
    assert!(offset_of!(Page, segment) == offset_of!(Clock, segment));
};

/// The part of a page that readers read.
///
/// # Invariants
///
/// `page` points to a `struct vdso_timens_clock` that lives as long as this. Nobody writes to it
/// but through this.
pub(crate) struct Published {
    page: NonNull<Page>,
}

// SAFETY: What it points to is accessed by atomic operations only.
unsafe impl Send for Published {}
// SAFETY: As above.
unsafe impl Sync for Published {}

impl Published {
    /// The page of a clock that has not been published.
    ///
    /// # Safety
    ///
    /// `page` must stay valid for as long as the result is used, and nobody else may write to it.
    pub(crate) unsafe fn new(page: NonNull<bindings::vdso_timens_clock>) -> Self {
        // CAST: The layouts are the same, see above.
        // INVARIANT: By the safety requirements.
        Self { page: page.cast() }
    }

    #[inline]
    fn page(&self) -> &Page {
        // SAFETY: By the type invariants the pointer is valid.
        unsafe { self.page.as_ref() }
    }

    /// Publishes what `change` returns, given the reference: if that takes effect [`LEAD`] later,
    /// or is no other rate, equal references give equal MONOTONIC times to all readers. If it fails,
    /// nothing has changed.
    ///
    /// Readers wait meanwhile, so `change` only calculates. The caller holds the clock's lock: so
    /// there is one writer, and interrupts are off, as a reader in an interrupt would wait for
    /// the writer that it interrupted.
    pub(crate) fn publish<'t, E>(
        &self,
        change: impl FnOnce(RefTime) -> Result<&'t Timeline, E>,
    ) -> Result<(), E> {
        let Page { seq, segment, .. } = self.page();
        let even = seq.load(Relaxed);

        seq.store(even.wrapping_add(1), Relaxed);
        // The odd sequence is seen before the reference is sampled and anything is written.
        smp_mb(Full);

        let outcome = change(host::reference()).map(|timeline| {
            let [previous, current] = segment;
            previous.store(timeline.previous());
            current.store(timeline.current());
        });

        // What was written is seen before the even sequence. That is never 0. Where nothing was
        // written it is the old one, which still holds.
        smp_mb(Write);
        let published = match outcome {
            Ok(()) => even.wrapping_add(2).max(2),
            Err(_) => even,
        };
        seq.store(published, Relaxed);
        outcome
    }

    /// The time of `clock`, see [`Timeline::read`].
    ///
    /// Any context but NMI.
    #[inline(always)]
    pub(crate) fn read(&self, clock: Clock, at: RefTime, sleep: u64) -> NsTime {
        self.consistent(|[previous, current]| {
            let segment = if at.as_ns() >= current.anchor.load(Relaxed) {
                current
            } else {
                previous
            };
            segment.load_for(clock).read(clock, at, sleep)
        })
    }

    /// The first reference, not before `from`, at which `clock` reads `time`, see
    /// [`Timeline::to_ref_from`].
    ///
    /// Any context but NMI.
    #[inline(always)]
    pub(crate) fn to_ref(&self, clock: Clock, time: NsTime, sleep: u64, from: RefTime) -> RefTime {
        if time == NsTime::MAX {
            return RefTime::MAX;
        }
        self.consistent(|[previous, current]| {
            let current = current.load_for(clock);
            let at = current.to_ref(clock, time, sleep);
            // Nearly always the last change is over and done with. Nor does the segment before it
            // matter to a clock that did not step if it reads the time after the change.
            if from >= current.anchor() || (at > current.anchor() && !clock.steps()) {
                return at.max(from);
            }
            Timeline::from_published(previous.load_for(clock), current)
                .to_ref_from(clock, time, sleep, from)
        })
    }

    /// What `read` makes of one version of the segments.
    #[inline(always)]
    fn consistent<T>(&self, read: impl Fn(&[SegmentWords; 2]) -> T) -> T {
        let Page { seq, segment, .. } = self.page();
        loop {
            let begin = seq.load(Relaxed);
            if begin & 1 == 0 {
                smp_mb(Read);
                let value = read(segment);
                smp_mb(Read);
                if seq.load(Relaxed) == begin {
                    return value;
                }
            }
            core::hint::spin_loop();
        }
    }
}
