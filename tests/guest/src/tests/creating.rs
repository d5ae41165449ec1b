// SPDX-License-Identifier: GPL-2.0

//! Namespaces that get a clock before anybody enters them.

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host::{self, Bases};
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::proc_file::{ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::task::{Gate, Task};
use crate::tracked::{timed, Tracked};

tests![
    rate_line,
    realtime_line,
    four_lines,
    order_of_lines,
    lines_in_several_writes,
    through_timens_clock,
    rates,
    fifty_ppm,
    offsets_hold_as_of_first_entry,
    entered_by_fork,
    tai_as_host,
    tai_as_host_at_first_entry,
];

const SEC: Ns = 1_000_000_000;
const YEAR: Ns = 365 * 86_400 * SEC;

/// Lets enough time pass that a wrong rate shows, and checks all clocks.
fn verify_after(tracked: &Tracked, ns: Ns) -> Outcome {
    tracked.verify().during("after the first entry")?;
    host::pass(ns)?;
    tracked.verify().during("a while later")
}

fn rate_line(_: &Setting) -> Outcome {
    verify_after(&Tracked::new(&Lines::new().rate(2, 0))?, SEC / 10)
}

fn realtime_line(_: &Setting) -> Outcome {
    for offset in [4 * YEAR + 123_456_789, -30 * YEAR - 1, 0] {
        let tracked = Tracked::new(&Lines::new().realtime(offset))?;
        verify_after(&tracked, SEC / 10).during(format_args!("offset {offset}"))?;
    }
    Ok(())
}

fn all_lines() -> Lines {
    Lines::new()
        .monotonic(1000 * SEC + 1)
        .boottime(YEAR + 999_999_999)
        .realtime(-3 * SEC + 5)
        .rate(1, 500_000_000)
}

fn four_lines(_: &Setting) -> Outcome {
    verify_after(&Tracked::new(&all_lines())?, SEC / 10)
}

fn order_of_lines(_: &Setting) -> Outcome {
    let text = all_lines().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    // Each in each place, with and without a newline at the end.
    for turn in 0..lines.len() {
        lines.rotate_left(1);
        let end = if turn % 2 == 0 { "\n" } else { "" };
        let pending = Pending::new()?;
        pending.write(lines.join("\n") + end)?;
        let tracked = Tracked::start(pending.detach()?, &all_lines())?;
        tracked.verify().during(format_args!("{lines:?}"))?;
    }
    Ok(())
}

fn lines_in_several_writes(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("monotonic 1000 1\n")?;
    pending.write("rate 200 0\n")?;
    pending.write("boottime 1 1\n")?;
    pending.write("realtime -3 5\nrate 1 500000000\n")?;
    pending.write(Lines::new().boottime(YEAR + 999_999_999))?;
    let tracked = Tracked::start(pending.detach()?, &all_lines())?;
    verify_after(&tracked, SEC / 10)
}

fn through_timens_clock(_: &Setting) -> Outcome {
    let lines = Lines::new().realtime(77 * SEC).rate(3, 0);
    let pending = Pending::new()?;
    check_eq!(
        State::read("self")?,
        None,
        "timens_clock of a plain namespace"
    );
    let written = ProcFile::Clock
        .write("self", lines.to_string())
        .context("writing timens_clock")?;
    check_eq!(written, lines.to_string().len(), "bytes taken");
    let state = State::read("self")?.context("timens_clock is empty")?;
    check!(!state.running, "the namespace runs before it was entered");
    check_eq!(state.rate, (3, 0), "rate");
    verify_after(&Tracked::start(pending.detach()?, &lines)?, SEC / 10)
}

fn rates(_: &Setting) -> Outcome {
    for (secs, nsecs) in [
        (0, 0),
        (0, 1),
        (0, 500_000_000),
        (1, 0),
        (1, 999_999_999),
        (2, 0),
        (10, 7),
        (255, 0),
    ] {
        let tracked = Tracked::new(&Lines::new().rate(secs, nsecs))?;
        verify_after(&tracked, SEC / 5).during(format_args!("rate {secs} {nsecs}"))?;
        let (state, _) = tracked.state()?;
        check_eq!(
            state.rate_fixed,
            tracked.expected.rate().units(),
            "rate_fixed at {secs} {nsecs}"
        );
        check_eq!(state.rate, (secs, nsecs), "rate");
    }
    Ok(())
}

fn fifty_ppm(setting: &Setting) -> Outcome {
    for nsecs in [50_000, 999_950_000] {
        let secs = u64::from(nsecs < 500_000_000);
        let tracked = Tracked::new(&Lines::new().rate(secs, nsecs))?;
        host::pass(SEC)?;
        // Some ns are known of what is 50 us by now: here the kernel has read both clocks at once.
        let (state, at) = tracked.state()?;
        let expected = tracked.expected.offset(Clock::Monotonic, at);
        check!(
            expected.contains(state.monotonic),
            "at {secs} {nsecs}, MONOTONIC is {} ahead, should be in {expected}",
            state.monotonic
        );
        // It would take minutes for as much to be known of readings.
        if !setting.debug {
            for clock in [Clock::Monotonic, Clock::Realtime] {
                tracked.verify_rate(clock, 25_000)?;
            }
        }
    }
    Ok(())
}

fn offsets_hold_as_of_first_entry(_: &Setting) -> Outcome {
    let lines = all_lines().rate(20, 0);
    let pending = Pending::new()?;
    pending.write(lines)?;
    let namespace = pending.detach()?;
    host::pass(SEC / 2)?;
    Tracked::start(namespace, &lines)?.verify()
}

fn entered_by_fork(_: &Setting) -> Outcome {
    let lines = all_lines();
    let pending = Pending::new()?;
    pending.write(lines)?;
    let entered = Gate::new()?;
    let (task, at, bases) = timed(|| {
        let mut task = Task::spawn(|| {
            entered.open()?;
            Gate::new()?.wait()
        })?;
        entered.wait_for(&mut task)?;
        Ok(task)
    })?;
    let tracked = Tracked {
        namespace: pending.detach()?,
        expected: crate::expectation::Expectation::start(&bases, at, &lines),
    };
    let result = verify_after(&tracked, SEC / 10);
    task.stop()?;
    result
}

fn tai_as_host(_: &Setting) -> Outcome {
    const AHEAD: i32 = 37;
    let before = sys::discipline().context("adjtimex")?.tai;
    sys::set_tai(AHEAD).context("setting TAI")?;
    let result = check_tai(AHEAD);
    sys::set_tai(before).context("setting TAI back")?;
    result?.verify().during("the host's TAI has changed")
}

fn tai_as_host_at_first_entry(_: &Setting) -> Outcome {
    const AHEAD: i32 = 38;
    let lines = Lines::new().rate(2, 0);
    let pending = Pending::new()?;
    pending.write(lines)?;
    let namespace = pending.detach()?;
    let before = sys::discipline().context("adjtimex")?.tai;
    sys::set_tai(AHEAD).context("setting TAI")?;
    let tracked = Tracked::start(namespace, &lines);
    sys::set_tai(before).context("setting TAI back")?;
    let tracked = tracked?;
    check_eq!(tracked.state()?.0.tai, AHEAD.into(), "tai");
    Ok(())
}

fn check_tai(ahead: i32) -> Outcome<Tracked> {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    check_eq!(
        Bases::measure()?.tai_ahead,
        Ns::from(ahead) * SEC,
        "TAI of the host"
    );
    check_eq!(tracked.state()?.0.tai, ahead.into(), "tai");
    tracked.verify()?;
    Ok(tracked)
}
