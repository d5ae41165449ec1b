// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of a namespace's clock, without any kernel dependency.
//!
//! The same files are compiled into the kernel module and, with the `Cargo.toml`
//! beside them, into a host crate whose tests compare every result with
//! big-integer arithmetic.
//!
//! # Vocabulary
//!
//! - **reference**: the host's `CLOCK_MONOTONIC` in ns, [`time::RefTime`]. The only
//!   host clock that a namespace clock is computed from.
//! - **rate**: namespace seconds per reference second, [`rate::Rate`].
//! - **line**: a clock that runs at one rate from an anchor value on, [`line::Line`].
//!   A namespace has two: MONOTONIC and MONOTONIC_RAW.
//! - **offsets**: what REALTIME, TAI and BOOTTIME are ahead of MONOTONIC plus the
//!   host's sleep time, [`offsets::Offsets`].
//! - **segment**: both lines, the offsets and the reference time at which they take
//!   effect, the **anchor**, [`segment::Segment`].
//! - **timeline**: the previous and the current segment, [`timeline::Timeline`]: all
//!   that readers need, and what the vDSO page holds.
//! - **discipline**: what `adjtimex()` makes of the rate, [`ntp`].
//! - **steered**: all of it together, [`steered::Steered`].
//!
//! ```text
//!  namespace time                                      . '
//!        ^                          current:       . '
//!        |                          a new rate . '
//!        |                       _____________o
//!        |               ___----'             :
//!        |  .......o----'                     :
//!        |  clamped  previous                 :
//!        +---------|--------------------------|-----------------> reference
//!             previous.anchor            current.anchor
//! ```
//!
//! Reading needs one multiplication and no division. [`timeline::Timeline::to_ref`] is the
//! exact inverse, which is what timers need: the first reference time at which
//! a clock reads at least `t`. It divides through a reciprocal that is
//! computed when the segment is made ([`reciprocal`]).
//!
//! # Rules of these files
//!
//! They run in hard interrupt context and with `panic` being `BUG()`: no panic can be
//! reached, so arithmetic says what happens on overflow (`checked_`, `saturating_`, or
//! `wrapping_` where a comment tells why it cannot). 128-bit division does not link. A
//! time that would pass `KTIME_MAX` stays there: no clock ever wraps.

pub mod error;
pub mod line;
pub mod ntp;
pub mod offsets;
pub mod rate;
pub mod reciprocal;
pub mod segment;
pub mod steered;
pub mod time;
pub mod timeline;
