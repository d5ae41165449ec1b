// SPDX-License-Identifier: GPL-2.0

//! The host's clock is set and adjusted while there are own-clock namespaces.

use crate::clock::Clock;
use crate::failure::{check_eq, Context, During, Outcome};
use crate::host::{self, pass};
use crate::lines::Lines;
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::sys::{self, Ns};
use crate::tracked::Tracked;

tests![steps, runs_at_another_frequency,];

const SEC: Ns = 1_000_000_000;

/// Sets the host's REALTIME ahead by `ns`.
fn step(ns: Ns) -> Outcome {
    let now = Clock::Realtime.now()?;
    sys::clock_settime(libc::CLOCK_REALTIME, now + ns).context("clock_settime")
}

fn steps(_: &Setting) -> Outcome {
    const STEP: Ns = 5000 * SEC;
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0).realtime(100 * SEC))?;
    let pending = {
        let pending = crate::namespace::Pending::new()?;
        pending.write("realtime 100 0\n")?;
        pending.detach()?
    };
    step(STEP)?;
    let result = while_stepped(&mut tracked, pending);
    step(-STEP)?;
    let late = result?;
    tracked.verify().during("the host was set back")?;
    late.verify().during("the other one, the host was set back")
}

fn while_stepped(tracked: &mut Tracked, pending: crate::namespace::Namespace) -> Outcome<Tracked> {
    tracked.verify().during("the host was set")?;
    tracked.change(ProcFile::Clock, &Lines::new().realtime(100 * SEC))?;
    tracked.verify().during("set relative to the host")?;
    let late = Tracked::start(pending, &Lines::new().realtime(100 * SEC))?;
    late.verify().during("started relative to the host")?;
    check_eq!(late.state()?.0.realtime, 100 * SEC, "offset of REALTIME");
    Ok(late)
}

/// The reference is the host's disciplined clock: the namespace runs faster with it.
fn runs_at_another_frequency(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    // 400 ppm.
    sys::set_frequency(400 << 16).context("setting the frequency")?;
    let result = pass(SEC / 2).and_then(|()| verify_disciplined(&tracked));
    sys::set_frequency(0).context("setting the frequency back")?;
    result
}

fn verify_disciplined(tracked: &Tracked) -> Outcome {
    tracked.verify()?;
    tracked
        .verify_rate(Clock::Raw, 100_000)
        .during("RAW follows the reference")?;
    // The host's own RAW does not.
    let drift = host::ahead(Clock::Raw)?;
    pass(SEC / 2)?;
    let later = host::ahead(Clock::Raw)?;
    crate::failure::check!(
        later.hi < drift.lo,
        "the host's RAW was {drift} ahead, is {later}"
    );
    Ok(())
}
