// SPDX-License-Identifier: GPL-2.0

//! The NTP discipline of a namespace's clock: `adjtimex()` and what follows from it.
//!
//! A namespace's oscillator is its `CLOCK_MONOTONIC_RAW`. What `adjtimex()` asks for makes its
//! MONOTONIC run a little faster or slower than that, and its REALTIME insert or delete leap
//! seconds. The oracle is the host's own `kernel/time/ntp.c`: the same calls at
//! the same times give the same answers, and the same clock.
//!
//! # Layers
//!
//! - [`timex`]: what goes in and out of `adjtimex()`, and which of it is refused.
//! - [`discipline`]: the state, and what changes it: a call, the end of a second, a tick. It knows
//!   no time.
//! - [`ideal`]: the clock that follows from it, [`ideal::Ntp`]. The host does its work in
//!   interrupts, a tick at a time. This does it when somebody wants to know, for all ticks
//!   that have passed since, in few steps.
//! - [`course`]: what to publish, so that the real clock stays on the ideal one: a rate, and until
//!   when it holds.
//!
//! # Ticks
//!
//! The host notices the end of a second at the first tick after it, and drains what it slews tick
//! by tick. A tick of 4 ms at 500 ppm are 2 us: who wants to be as close as a
//! microsecond has to have ticks, too. So there are `HZ` ticks in a second of the
//! oscillator here, counted from when REALTIME was last set, as the host does. They
//! cost nothing: nobody is woken up by them, and runs of equal ones are done at once.
//!
//! A leap second does not wait for a tick. It is due at midnight.
//!
//! # Units
//!
//! What slews is counted in 2^-32 ns as the host has it, so that rounding is the same.
//! Clocks are [`FixedNs`](super::time::FixedNs), in 2^-56 ns.

pub mod course;
pub mod discipline;
mod drain;
pub mod ideal;
pub mod timex;

const NSEC_PER_SEC: i64 = 1_000_000_000;
const NSEC_PER_USEC: i64 = 1_000;

/// How many bits a number of ns is shifted where the discipline calculates.
const SCALE_SHIFT: u32 = 32;

/// A second, scaled.
const SECOND: i64 = NSEC_PER_SEC << SCALE_SHIFT;

/// A microsecond, scaled.
const MICROSECOND: i64 = NSEC_PER_USEC << SCALE_SHIFT;
