// SPDX-License-Identifier: GPL-2.0

//! What it costs when many clocks slew at once, in time of a processor that does an instruction in a
//! nanosecond: `scripts/vm --warp --cpus 1`.

use std::fs;

use rustix::process::{setrlimit, Resource, Rlimit};

use crate::failure::{check, Context, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::timers::entry::Entry;
use crate::timers::scenario::Parts;
use crate::timex::{modes, Adjuster, Timex};

tests![many_clocks, fast_clocks];

const SEC: Ns = 1_000_000_000;
const CLOCKS: u64 = 1000;
/// For how long it is counted, and how long before that all else comes to rest.
const WHILE: Ns = 100 * SEC;
const REST: Ns = 20 * SEC;
/// The most that it may take, in millionths of the processor.
const LIMIT: Ns = 5_000;
/// The most that clocks at the highest rate may take: an eighth, and what it takes to wait.
const FAST_LIMIT: Ns = 130_000;
/// That rate.
const FAST: Parts = (255, 0);

/// For how long the processor was not idle, ns, while `WHILE` passes.
fn busy() -> Outcome<Ns> {
    let idle = || {
        let text = fs::read_to_string("/proc/uptime").context("/proc/uptime")?;
        let idle = text.split_whitespace().nth(1).and_then(|idle| {
            let (secs, hundredths) = idle.split_once('.')?;
            let hundredths = hundredths.parse::<Ns>().ok()?;
            Some(secs.parse::<Ns>().ok()? * SEC + hundredths * SEC / 100)
        });
        idle.context(format_args!("/proc/uptime: {text:?}"))
    };
    host::pass(REST)?;
    let (start, before) = (host::reference()?, idle()?);
    host::pass(WHILE)?;
    let (end, after) = (host::reference()?, idle()?);
    Ok((end - start) - (after - before))
}

/// Clocks at a rate that have been told to slew by a request, with the statuses that it needs.
fn clocks(adjuster: &Adjuster, rate: Parts, request: &Timex) -> Outcome<Vec<Namespace>> {
    let new = |_| {
        let pending = Pending::new()?;
        pending.write(Lines::new().rate(rate.0, rate.1))?;
        let namespace = pending.detach()?;
        namespace.inside(|| adjuster.adjust(request))?;
        Ok(namespace)
    };
    (0..CLOCKS).map(new).collect()
}

/// What tells clocks to slew, where so many can be held and counted.
fn prepare(setting: &Setting) -> Outcome<Adjuster> {
    if !setting.exact {
        return Err(Trouble::Skip("time does not pass by instructions".into()));
    }
    let limit = Rlimit {
        current: Some(2 * CLOCKS),
        maximum: Some(2 * CLOCKS),
    };
    setrlimit(Resource::Nofile, limit).context("setrlimit")?;
    Adjuster::adjtimex(Entry::Native)
}

/// What all clocks that slew take more than `idle` ns while `WHILE` passes, in millionths of the
/// processor.
fn share(kind: &str, idle: Ns) -> Outcome<Ns> {
    let taken = busy()? - idle;
    let millionths = taken * 1_000_000 / WHILE;
    let a_second = taken / (WHILE / SEC);
    println!(
        "    {CLOCKS} clocks, {kind}: {a_second} instructions a second, {millionths} millionths of \
         a CPU"
    );
    Ok(millionths)
}

/// More than an eighth of the processor is not to be had by such work, which is charged to nobody:
/// without that limit, it would be half of it.
fn fast_clocks(setting: &Setting) -> Outcome {
    let adjuster = prepare(setting)?;
    let idle = busy()?;
    let request = Timex::of(modes::SINGLESHOT).offset(1_000_000_000_000);
    let clocks = clocks(&adjuster, FAST, &request)?;
    let millionths = share("adjtime() at rate 255", idle)?;
    check!(millionths > LIMIT, "they do not slew");
    check!(
        millionths <= FAST_LIMIT,
        "{millionths} millionths of a CPU, {FAST_LIMIT} at most"
    );
    drop(clocks);
    // Nothing goes on behind them.
    let millionths = share("no more", idle)?;
    check!(millionths < LIMIT, "{millionths} millionths of a CPU");
    Ok(())
}

fn many_clocks(setting: &Setting) -> Outcome {
    let adjuster = prepare(setting)?;
    let pll = Timex::of(modes::OFFSET | modes::STATUS | modes::TIMECONST | modes::NANO);
    let pll = pll.status(libc::STA_PLL);
    let kinds = [
        (
            "adjtime() of 10 s",
            Timex::of(modes::SINGLESHOT).offset(10_000_000),
        ),
        (
            "an offset of 0.1 s, constant 10",
            pll.offset(100_000_000).constant(10),
        ),
        (
            "an offset of 0.5 s, constant 6",
            pll.offset(500_000_000).constant(6),
        ),
        (
            "an offset of 0.5 s, constant 2",
            pll.offset(500_000_000).constant(2),
        ),
    ];
    let idle = {
        let _clocks = clocks(&adjuster, (1, 0), &Timex::of(0))?;
        busy()?
    };
    let mut beyond = Vec::new();
    for (kind, request) in kinds {
        let clocks = clocks(&adjuster, (1, 0), &request)?;
        let millionths = share(kind, idle)?;
        for namespace in [clocks.first(), clocks.last()].into_iter().flatten() {
            let answer = namespace.inside(|| adjuster.adjust(&Timex::of(modes::SINGLESHOT_READ)));
            let adjust = answer?.1.offset;
            let offset = namespace.inside(|| adjuster.read())?.1.offset;
            check!(adjust != 0 || offset != 0, "{kind}: it slews no longer");
        }
        if millionths >= LIMIT {
            beyond.push(format!("{kind}: {millionths} millionths of a CPU"));
        }
    }
    check!(beyond.is_empty(), "{}", beyond.join("; "));
    Ok(())
}
