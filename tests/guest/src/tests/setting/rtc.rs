// SPDX-License-Identifier: GPL-2.0

//! The RTC, which is the host's and is never written for a namespace.
//!
//! The host writes it when its clock is synchronised: at once, and then every 11 minutes.

use crate::bystanders::Bystanders;
use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::means::Means;
use crate::rtc;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::timex::{self, modes, Timex};
use crate::trace::Trace;
use crate::tracked::Tracked;

tests![never_written];

const SEC: Ns = 1_000_000_000;
const EVENTS: [&str; 2] = ["workqueue/workqueue_execute_start", "rtc/rtc_set_time"];
/// What writes it, by whichever driver.
const WRITER: &str = "sync_hw_clock";
/// Longer than the host waits for the right moment in a second.
const ENOUGH: Ns = 4 * SEC;

/// How far the RTC is ahead of the host's REALTIME, seconds.
fn ahead() -> Outcome<i64> {
    Ok(rtc::read()? - (Clock::Realtime.now()? / SEC) as i64)
}

/// Says that the clock of this process' namespace is synchronised.
fn synchronise() -> Outcome {
    let request = Timex::of(modes::STATUS | modes::MAXERROR | modes::ESTERROR);
    let (state, answer) = timex::adjust(&request)?;
    check_eq!(state, libc::TIME_OK, "the state, synchronised: {answer:?}");
    Ok(())
}

fn never_written(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let bystanders = Bystanders::new()?;
    let before = ahead()?;
    let trace = Trace::new(&EVENTS)?;
    for means in Means::all()? {
        tracked.namespace.inside(|| {
            means.set(1_000_000_000 * SEC)?.context(means)?;
            synchronise()
        })?;
    }
    host::pass(ENOUGH)?;
    check!(!trace.has(WRITER)?, "the RTC was synchronised");
    check!(!trace.has("rtc_set_time")?, "the RTC was written");
    let after = ahead()?;
    check!(
        (before - after).abs() <= 1,
        "the RTC was {before} s ahead of the host, is {after} s"
    );
    bystanders.verify().during("outside")?;
    seen_on_host(&trace).during("on the host")
}

/// It is there to be seen: when the host's clock is synchronised.
fn seen_on_host(trace: &Trace) -> Outcome {
    let (_, before) = timex::read()?;
    synchronise()?;
    let seen = host::pass(ENOUGH).and_then(|()| trace.has(WRITER));
    timex::adjust(&Timex::of(modes::STATUS).status(before.status))?;
    check!(
        seen?,
        "the trace does not show that the RTC is synchronised"
    );
    Ok(())
}
