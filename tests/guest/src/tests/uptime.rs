// SPDX-License-Identifier: GPL-2.0

//! What else tells time: uptime, boot time, times(), and what does not follow the clock.

use std::fs;

use rustix::process::getpid;
use rustix::system::sysinfo;

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::task::resident;
use crate::tracked::Tracked;

tests![
    uptime,
    sysinfo_uptime,
    btime,
    btime_before_1970,
    times,
    start_time_stays,
];

const SEC: Ns = 1_000_000_000;

/// Runs `check` in a namespace, some time after its start and after each of some changes.
fn at_several_rates(check: fn() -> Outcome) -> Outcome {
    let lines = Lines::new()
        .rate(20, 0)
        .boottime(86_400 * SEC)
        .realtime(-4000 * SEC);
    let mut tracked = Tracked::new(&lines)?;
    for (rate, offset) in [(20, -4000), (0, 0), (255, 100_000)] {
        tracked.change(
            ProcFile::Clock,
            &Lines::new().rate(rate, 0).realtime(offset * SEC),
        )?;
        host::pass(SEC / 10)?;
        tracked
            .namespace
            .inside(check)
            .during(format_args!("at rate {rate}"))?;
    }
    Ok(())
}

fn uptime(_: &Setting) -> Outcome {
    const CENTISECOND: Ns = SEC / 100;
    at_several_rates(|| {
        let before = Clock::Boottime.now()? / CENTISECOND;
        let text = fs::read_to_string("/proc/uptime").context("/proc/uptime")?;
        let after = Clock::Boottime.now()? / CENTISECOND;
        let uptime = text.split(' ').next().map(|word| word.replace('.', ""));
        let uptime: Ns = uptime.and_then(|word| word.parse().ok()).context(&text)?;
        check!(
            (before..=after).contains(&uptime),
            "uptime is {uptime}, not in {before}..={after}"
        );
        Ok(())
    })
}

fn sysinfo_uptime(_: &Setting) -> Outcome {
    at_several_rates(|| {
        // It counts a begun second.
        let before = Clock::Boottime.now()? / SEC;
        let uptime = Ns::from(sysinfo().uptime);
        let after = Clock::Boottime.now()? / SEC + 1;
        check!(
            (before..=after).contains(&uptime),
            "uptime is {uptime}, not in {before}..={after}"
        );
        Ok(())
    })
}

fn read_btime() -> Outcome<Ns> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let btime = text.lines().find_map(|line| line.strip_prefix("btime "));
    btime
        .and_then(|word| word.parse().ok())
        .context("no btime in /proc/stat")
}

fn btime(_: &Setting) -> Outcome {
    at_several_rates(|| {
        let before = Clock::Realtime.now()?;
        let boottime = Clock::Boottime.now()?;
        let after = Clock::Realtime.now()?;
        let (least, most) = (
            (before - boottime).div_euclid(SEC),
            (after - boottime).div_euclid(SEC),
        );
        let btime = read_btime()?;
        check!(
            (least..=most).contains(&btime),
            "btime is {btime}, not in {least}..={most}"
        );
        host::pass(0)?;
        check_eq!(read_btime()?, btime, "btime a moment later");
        Ok(())
    })
}

/// A clock may be set to before its namespace has begun.
fn btime_before_1970(_: &Setting) -> Outcome {
    let now = Clock::Realtime.now()?;
    let tracked = Tracked::new(&Lines::new().boottime(86_400 * SEC).realtime(SEC - now))?;
    tracked.namespace.inside(|| {
        check_eq!(read_btime()?, 0, "btime");
        Ok(())
    })
}

/// The ticks of times() are those of the coarse clock.
fn times(_: &Setting) -> Outcome {
    at_several_rates(|| {
        let tick = SEC / Ns::from(sys::ticks_per_second());
        let before = Clock::MonotonicCoarse.now()? / tick;
        let times = Ns::from(sys::times().context("times")?);
        let after = Clock::MonotonicCoarse.now()? / tick;
        check!(
            (before..=after).contains(&times),
            "times() is {times}, not in {before}..={after}"
        );
        Ok(())
    })
}

/// Field 22 of /proc/PID/stat: clock ticks since the boot.
fn start_time(process: impl std::fmt::Display) -> Outcome<i64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).context("/proc/PID/stat")?;
    let fields = text.rsplit_once(") ").map(|(_, fields)| fields);
    let field = fields.and_then(|fields| fields.split(' ').nth(22 - 3)?.parse().ok());
    field.context(format_args!("no start time in {text:?}"))
}

fn start_time_stays(_: &Setting) -> Outcome {
    const AHEAD: i64 = 7000;
    let lines = Lines::new()
        .rate(20, 0)
        .boottime(Ns::from(AHEAD) * SEC)
        .realtime(-4000 * SEC);
    let mut tracked = Tracked::new(&lines)?;
    let task = resident(&tracked.namespace)?;
    let own = getpid().as_raw_nonzero();
    for (secs, offset) in [(20, -4000), (0, 5), (100, 0)] {
        tracked.change(
            ProcFile::Clock,
            &Lines::new().rate(secs, 0).realtime(offset * SEC),
        )?;
        for pid in [task.pid().as_raw_nonzero(), own] {
            let outside = start_time(pid)?;
            let inside = tracked.namespace.inside(|| start_time(pid))?;
            check_eq!(
                inside - outside,
                AHEAD * sys::ticks_per_second(),
                "offset of a start time"
            );
        }
        host::pass(SEC / 10)?;
    }
    task.stop()
}
