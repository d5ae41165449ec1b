// SPDX-License-Identifier: GPL-2.0

//! The host's clock is set and adjusted while there are own-clock namespaces.

use crate::clock::Clock;
use crate::failure::{check, Context, During, Outcome};
use crate::host::{ahead, pass};
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
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

/// A namespace that nobody has entered.
fn pending(lines: &Lines) -> Outcome<Namespace> {
    let pending = Pending::new()?;
    pending.write(lines)?;
    pending.detach()
}

fn steps(_: &Setting) -> Outcome {
    const STEP: Ns = 5000 * SEC;
    let late = [
        Lines::new().realtime(100 * SEC),
        Lines::new().rate(3, 0).monotonic(SEC),
    ];
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0).realtime(100 * SEC))?;
    let not_entered = late.iter().map(pending).collect::<Outcome<Vec<_>>>()?;
    step(STEP)?;
    let result = while_stepped(&mut tracked, late.iter().zip(not_entered));
    step(-STEP)?;
    let late = result?;
    tracked.verify().during("the host was set back")?;
    late.iter()
        .try_for_each(Tracked::verify)
        .during("those started late, the host was set back")
}

fn while_stepped<'a>(
    tracked: &mut Tracked,
    not_entered: impl Iterator<Item = (&'a Lines, Namespace)>,
) -> Outcome<Vec<Tracked>> {
    tracked.verify().during("the host was set")?;
    tracked.change(ProcFile::Clock, &Lines::new().realtime(100 * SEC))?;
    tracked.verify().during("set relative to the host")?;
    let mut late = Vec::new();
    for (lines, namespace) in not_entered {
        let tracked = Tracked::start(namespace, lines)?;
        tracked.verify().during("started relative to the host")?;
        late.push(tracked);
    }
    Ok(late)
}

/// The reference is the host's disciplined clock: the namespace runs faster with it.
fn runs_at_another_frequency(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let before = sys::discipline().context("adjtimex")?.frequency;
    // 400 ppm.
    sys::set_frequency(400 << 16).context("setting the frequency")?;
    let result = pass(SEC / 2).and_then(|()| verify_disciplined(&tracked));
    sys::set_frequency(before).context("setting the frequency back")?;
    result
}

fn verify_disciplined(tracked: &Tracked) -> Outcome {
    tracked.verify()?;
    tracked
        .verify_rate(Clock::Raw, 100_000)
        .during("RAW follows the reference")?;
    // The host's own RAW does not.
    let drift = ahead(Clock::Raw)?;
    pass(SEC / 2)?;
    let later = ahead(Clock::Raw)?;
    check!(
        later.hi < drift.lo,
        "the host's RAW was {drift} ahead, is {later}"
    );
    Ok(())
}
