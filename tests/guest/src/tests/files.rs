// SPDX-License-Identifier: GPL-2.0

//! What the two files say when they are read.

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::proc_file::{offsets_text, read_offsets, ProcFile, State};
use crate::rate::Rate;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::task::resident;
use crate::tracked::{timed, Tracked};

tests![
    offsets_of_host_and_plain: mainline,
    offsets_of_own_clock,
    clock_of_host_and_plain,
    clock_of_pending,
    clock_of_running,
    clock_of_children,
    rate_goes_round,
    realtime_goes_round,
];

const SEC: Ns = 1_000_000_000;

fn offsets_of_host_and_plain(_: &Setting) -> Outcome {
    let none = offsets_text(0, 0);
    check_eq!(
        none,
        "monotonic           0         0\nboottime            0         0\n",
        "the text"
    );
    check_eq!(read_offsets("self")?, none, "of the host");
    let pending = Pending::new()?;
    check_eq!(read_offsets("self")?, none, "of a plain namespace");
    pending.write("monotonic 5 7\nboottime -1 999999999\n")?;
    let set = offsets_text(5 * SEC + 7, -1);
    check_eq!(read_offsets("self")?, set, "of one with offsets");
    let namespace = pending.detach()?;
    namespace.inside(|| {
        check_eq!(read_offsets("self")?, set, "of one that was entered");
        Ok(())
    })
}

fn offsets_of_own_clock(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("realtime 1000 5\nrate 2 0\n")?;
    check_eq!(read_offsets("self")?, offsets_text(0, 0), "without offsets");
    pending.write("rate 2 0\nboottime 9 0\nmonotonic 100 3\n")?;
    let text = offsets_text(100 * SEC + 3, 9 * SEC);
    check_eq!(read_offsets("self")?, text, "of a pending one");

    let lines = Lines::new()
        .monotonic(100 * SEC + 3)
        .boottime(9 * SEC)
        .realtime(1000 * SEC + 5)
        .rate(2, 0);
    let mut tracked = Tracked::start(pending.detach()?, &lines)?;
    let check = |tracked: &Tracked, when| {
        tracked.namespace.inside(|| {
            check_eq!(read_offsets("self")?, text, "{when}");
            Ok(())
        })
    };
    check(&tracked, "of a running one")?;
    tracked.change(ProcFile::Offsets, &Lines::new().rate(9, 1))?;
    check(&tracked, "after a change of the rate")?;
    tracked.change(ProcFile::Offsets, &Lines::new().realtime(-5))?;
    check(&tracked, "after a step")?;
    let task = resident(&tracked.namespace)?;
    check_eq!(read_offsets(task.pid())?, text, "from outside");
    task.stop()
}

fn clock_of_host_and_plain(_: &Setting) -> Outcome {
    check_eq!(State::read("self")?, None, "of the host");
    let pending = Pending::new()?;
    pending.write("monotonic 1 0\n")?;
    check_eq!(State::read("self")?, None, "of a pending plain namespace");
    pending.detach()?.inside(|| {
        check_eq!(State::read("self")?, None, "of a plain namespace");
        Ok(())
    })
}

fn clock_of_pending(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("rate 1 500000000\nrealtime -7 1\nmonotonic 5 0\nboottime 6 0\n")?;
    let tai = sys::discipline().context("adjtimex")?.tai;
    // Their offsets hold as of the first entry, so that no time changes them now.
    for _ in 0..2 {
        let (state, at, _) = timed(|| State::read("self")?.context("timens_clock is empty"))?;
        let near = Span::new(-at.width(), at.width());
        check!(!state.running, "it runs");
        check_eq!(state.realtime, -7 * SEC + 1, "realtime");
        check_eq!(state.monotonic, 5 * SEC, "monotonic");
        check_eq!(state.boottime, 6 * SEC, "boottime");
        check!(
            near.shifted(5 * SEC).contains(state.raw),
            "raw is {}",
            state.raw
        );
        check_eq!(state.rate, (1, 500_000_000), "rate");
        check_eq!(
            state.rate_fixed,
            Rate::new(1, 500_000_000).units(),
            "rate_fixed"
        );
        check_eq!(state.tai, tai.into(), "tai");
        check_eq!(
            (state.steps, state.rate_changes),
            (0, 0),
            "steps and rate_changes"
        );
        host::pass(SEC / 20)?;
    }
    Ok(())
}

fn check_state(tracked: &Tracked) -> Outcome {
    let (state, at) = tracked.state()?;
    let offsets = [
        (Clock::Realtime, state.realtime),
        (Clock::Monotonic, state.monotonic),
        (Clock::Boottime, state.boottime),
        (Clock::Raw, state.raw),
    ];
    for (clock, offset) in offsets {
        let expected = tracked.expected.offset(clock, at);
        check!(
            expected.contains(offset),
            "offset of {clock} is {offset}, should be in {expected}"
        );
    }
    check!(state.running, "it does not run");
    check_eq!(
        state.rate_fixed,
        tracked.expected.rate().units(),
        "rate_fixed"
    );
    check_eq!(state.tai * SEC, tracked.expected.tai_ahead(), "tai");
    Ok(())
}

fn clock_of_running(_: &Setting) -> Outcome {
    let lines = Lines::new()
        .monotonic(100 * SEC)
        .boottime(-1)
        .realtime(7 * SEC)
        .rate(3, 0);
    let mut tracked = Tracked::new(&lines)?;
    check_state(&tracked).during("at first")?;
    host::pass(SEC / 10)?;
    check_state(&tracked).during("a while later")?;
    tracked.change(ProcFile::Clock, &Lines::new().rate(0, 250_000_000))?;
    host::pass(SEC / 10)?;
    check_state(&tracked).during("at another rate")?;
    tracked.change(ProcFile::Clock, &Lines::new().realtime(-1000 * SEC))?;
    check_state(&tracked).during("after a step")?;
    check_eq!(tracked.state()?.0.steps, 1, "steps");
    check_eq!(tracked.state()?.0.rate_changes, 1, "rate_changes");

    // Exact where no time passes between the clocks.
    let (state, _) = Tracked::new(&Lines::new().realtime(-5).monotonic(9))?.state()?;
    check_eq!(
        (state.realtime, state.monotonic),
        (-5, 9),
        "offsets at rate 1"
    );
    check_eq!(
        (state.boottime, state.frac),
        (0, 0),
        "boottime and frac at rate 1"
    );
    Ok(())
}

fn clock_of_children(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    tracked.namespace.inside(|| {
        let rate = || Ok(State::read("self")?.context("timens_clock is empty")?.rate);
        let pending = Pending::new()?;
        pending.write("rate 5 0\n")?;
        check_eq!(rate()?, (5, 0), "rate of the children");
        pending.detach()?;
        check_eq!(
            rate()?,
            (2, 0),
            "rate once children are where the process is"
        );
        Ok(())
    })
}

fn rate_goes_round(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    for (secs, nsecs) in [
        (0, 1),
        (0, 333_333_333),
        (0, 999_999_999),
        (1, 50_000),
        (254, 999_999_999),
        (255, 0),
    ] {
        tracked.change(ProcFile::Clock, &Lines::new().rate(secs, nsecs))?;
        let (first, _) = tracked.state()?;
        check_eq!(first.rate, (secs, nsecs), "rate");
        let (secs, nsecs) = first.rate;
        tracked.change(ProcFile::Clock, &Lines::new().rate(secs, nsecs))?;
        check_eq!(
            tracked.state()?.0.rate_fixed,
            first.rate_fixed,
            "rate_fixed of {secs} {nsecs}"
        );
    }
    Ok(())
}

fn realtime_goes_round(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().realtime(-86_400 * SEC - 123))?;
    let (first, _) = tracked.state()?;
    tracked.change(ProcFile::Clock, &Lines::new().realtime(first.realtime))?;
    check_eq!(tracked.state()?.0.realtime, first.realtime, "realtime");
    tracked.verify()
}
