// SPDX-License-Identifier: GPL-2.0

//! The host's clock source: one that the vDSO can read, or another.

use std::fs;

use crate::clock::{Clock, Way};
use crate::failure::{check, check_eq, Context, During, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::tests::plain;
use crate::tracked::Tracked;

tests![
    is_tsc: mainline,
    switched,
];

const SEC: Ns = 1_000_000_000;
const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
const AVAILABLE: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";

fn current() -> Outcome<String> {
    Ok(fs::read_to_string(CURRENT).context(CURRENT)?.trim().into())
}

fn switch_to(name: &str) -> Outcome {
    fs::write(CURRENT, name).context(format_args!("switching to {name}"))?;
    check_eq!(current()?, name, "the clock source");
    Ok(())
}

/// With any other the vDSO makes system calls, and comparing the two says nothing.
fn is_tsc(_: &Setting) -> Outcome {
    check_eq!(
        current()?,
        "tsc",
        "the clock source, which the other tests rely on"
    );
    Ok(())
}

/// Reads on and on, across switches.
fn read_on(tracked: &Tracked) -> Outcome {
    tracked.namespace.enter()?;
    let mut latest = [0; Clock::ALL.len()];
    loop {
        for (clock, latest) in Clock::ALL.into_iter().zip(&mut latest) {
            for way in Way::ALL {
                let now = way.read(clock)?;
                check!(*latest <= now, "{clock} was {latest}, is {now} by {way:?}");
                *latest = now;
            }
        }
    }
}

fn switch(others: &[&str]) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0).realtime(1000 * SEC))?;
    let reader_of = Tracked::new(&Lines::new().rate(3, 0).monotonic(5 * SEC))?;
    let reader = Task::spawn(|| read_on(&reader_of))?;
    for name in others {
        switch_to(name)?;
        for file in [ProcFile::Clock, ProcFile::Offsets] {
            tracked.verify().during(name)?;
            reader_of.verify().during(name)?;
            plain::verify_host().during(name)?;
            host::pass(SEC / 20)?;
            tracked.change(file, &Lines::new().rate(5, 0).realtime(7))?;
        }
        // Started there, read elsewhere.
        let late = Tracked::new(&Lines::new().rate(4, 0))?;
        switch_to("tsc")?;
        tracked.verify().during("back at tsc")?;
        late.verify().during("started by another clock source")?;
    }
    reader.stop()?;
    reader_of.verify()
}

fn switched(_: &Setting) -> Outcome {
    let available = fs::read_to_string(AVAILABLE).context(AVAILABLE)?;
    let others: Vec<&str> = available
        .split_whitespace()
        .filter(|name| *name != "tsc")
        .collect();
    if others.is_empty() {
        return Err(Trouble::Skip("there is no other clock source".into()));
    }
    let origin = current()?;
    let result = switch(&others);
    switch_to(&origin)?;
    result
}
