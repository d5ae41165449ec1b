// SPDX-License-Identifier: GPL-2.0

//! `adjtimex()` as the kernel proper has it: `struct __kernel_timex`.

use crate::arith::ntp::timex::Timex;
use kernel::bindings;

/// What a call asks for.
pub(crate) fn from_c(txc: &bindings::__kernel_timex) -> Timex {
    Timex {
        modes: txc.modes,
        offset: txc.offset,
        freq: txc.freq,
        maxerror: txc.maxerror,
        esterror: txc.esterror,
        status: txc.status,
        constant: txc.constant,
        precision: txc.precision,
        tolerance: txc.tolerance,
        sec: txc.time.tv_sec,
        subsec: txc.time.tv_usec,
        tick: txc.tick,
        tai: txc.tai,
    }
}

/// Writes the answer. A namespace has no pulse-per-second signal, as a kernel that has none.
pub(crate) fn to_c(answer: &Timex, txc: &mut bindings::__kernel_timex) {
    txc.offset = answer.offset;
    txc.freq = answer.freq;
    txc.maxerror = answer.maxerror;
    txc.esterror = answer.esterror;
    txc.status = answer.status;
    txc.constant = answer.constant;
    txc.precision = answer.precision;
    txc.tolerance = answer.tolerance;
    txc.time.tv_sec = answer.sec;
    txc.time.tv_usec = answer.subsec;
    txc.tick = answer.tick;
    txc.ppsfreq = 0;
    txc.jitter = 0;
    txc.shift = 0;
    txc.stabil = 0;
    txc.jitcnt = 0;
    txc.calcnt = 0;
    txc.errcnt = 0;
    txc.stbcnt = 0;
    txc.tai = answer.tai;
}
