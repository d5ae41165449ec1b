// SPDX-License-Identifier: GPL-2.0

//! What `/proc/PID/timens_clock` says of a clock.

use crate::{
    arith::{
        ntp::timex::Timex,
        segment::Clock, //
    },
    clock::Running,
    host::Host,
    timers::Stats, //
};
use kernel::{
    seq_file::SeqFile,
    seq_print,
    time::NSEC_PER_SEC, //
};

/// Writes the state of a clock that was brought up to `host`, one `key value...` line each.
///
/// Process context.
pub(crate) fn write(m: &SeqFile, name: &str, running: &Running, host: &Host, stats: &Stats) {
    let mut clocks = running.clocks;
    let segment = *clocks.timeline().at(host.reference);
    let offset = |clock, host_time| {
        segment
            .read(clock, host.reference, host.sleep)
            .offset_from_host(host_time)
    };
    let base = clocks.base();
    let (secs, nsecs) = base.to_parts();
    let mono = segment
        .mono()
        .fixed_at(host.reference.since(segment.anchor()));

    seq_print!(m, "state {name}\n");
    write_offset(m, "realtime", offset(Clock::Realtime, host.realtime));
    write_offset(
        m,
        "monotonic",
        offset(Clock::Monotonic, host.reference.as_ns()),
    );
    write_offset(m, "boottime", offset(Clock::Boottime, host.boottime()));
    write_offset(m, "raw", offset(Clock::Raw, host.raw));
    seq_print!(m, "tai {}\n", clocks.ntp().tai());
    seq_print!(m, "rate {secs} {nsecs}\n");
    seq_print!(m, "rate_fixed {}\n", base.as_units());
    seq_print!(m, "frac {}\n", mono.frac());
    seq_print!(m, "steps {}\n", running.steps);
    seq_print!(m, "rate_changes {}\n", running.rate_changes);

    // Two calls that only read. They cannot fail.
    let mut txc = Timex::default();
    let now = clocks.moment(host.reference, host.sleep);
    let state = clocks.adjtimex(&now, &mut txc);
    let mut adjtime = Timex::reading_adjtime();
    let _ = clocks.adjtimex(&now, &mut adjtime);
    // What is left of the phase, in ns, whatever unit the calls have.
    let offset = clocks.ntp().discipline().phase();
    seq_print!(m, "ntp_state {}\n", state.map_or(0, |state| state as u32));
    seq_print!(m, "ntp_status {}\n", txc.status);
    seq_print!(m, "ntp_freq {}\n", txc.freq);
    seq_print!(m, "ntp_tick {}\n", txc.tick);
    seq_print!(m, "ntp_constant {}\n", txc.constant);
    seq_print!(m, "ntp_maxerror {}\n", txc.maxerror);
    seq_print!(m, "ntp_esterror {}\n", txc.esterror);
    seq_print!(m, "ntp_offset {offset}\n");
    seq_print!(m, "ntp_adjust {}\n", adjtime.offset);
    seq_print!(m, "ntp_rate_fixed {}\n", segment.mono().rate().as_units());

    seq_print!(m, "early {}\n", stats.early);
    seq_print!(m, "rearm {}\n", stats.rearms);
    seq_print!(m, "rekey {}\n", stats.rekeys);
}

fn write_offset(m: &SeqFile, name: &str, offset: i64) {
    let secs = offset.div_euclid(NSEC_PER_SEC);
    let nsecs = offset.rem_euclid(NSEC_PER_SEC);
    seq_print!(m, "{name} {secs} {nsecs}\n");
}
