// SPDX-License-Identifier: GPL-2.0

//! Namespaces that are cloned from an own-clock one.

use crate::clock::{Clock, Way};
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::{offsets_text, read_offsets, ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::timers::entry::Entry;
use crate::timex::{modes, Adjuster, Timex};
use crate::trace::Trace;
use crate::tracked::Tracked;

tests![
    continues,
    goes_its_own_way,
    continues_as_of_the_clone,
    lines_override,
    of_one_not_entered,
    overridden_of_one_not_entered,
    chain,
    of_one_that_slews,
    traced_by_its_number,
];

const SEC: Ns = 1_000_000_000;

fn parent() -> Outcome<Tracked> {
    Tracked::new(
        &Lines::new()
            .rate(2, 1)
            .realtime(SEC)
            .monotonic(50 * SEC)
            .boottime(700 * SEC),
    )
}

/// The clone reads between two readings of its parent.
fn check_between(parent: &Tracked, clone: &Tracked) -> Outcome {
    // A coarse clock that has not ticked since the clone started reads what it started with.
    host::pass_until(Clock::MonotonicCoarse, clone.expected.changed().hi)?;
    let (parent, clone) = (&parent.namespace, &clone.namespace);
    for clock in Clock::ALL {
        for way in Way::ALL {
            let before = parent.inside(|| way.read(clock))?;
            let time = clone.inside(|| way.read(clock))?;
            let after = parent.inside(|| way.read(clock))?;
            check!(
                before <= time && time <= after,
                "{clock} by {way:?} of the clone is {time}, of its parent {before} and {after}"
            );
        }
    }
    Ok(())
}

fn continues(_: &Setting) -> Outcome {
    let parent = parent()?;
    let namespace = parent.pending_clone(&Lines::new())?;
    host::pass(SEC / 10)?;
    let clone = parent.start_clone(namespace, &Lines::new())?;
    check_between(&parent, &clone)?;
    host::pass(SEC / 10)?;
    check_between(&parent, &clone).during("later")?;
    check_eq!(clone.state()?.0.rate, (2, 1), "rate");
    clone.namespace.inside(|| {
        let text = offsets_text(50 * SEC, 700 * SEC);
        check_eq!(read_offsets("self")?, text, "timens_offsets of the clone");
        Ok(())
    })?;
    parent.verify()?;
    clone.verify()
}

fn goes_its_own_way(_: &Setting) -> Outcome {
    let mut parent = parent()?;
    let mut clone = parent.cloned(&Lines::new())?;
    clone.change(ProcFile::Clock, &Lines::new().rate(9, 0).realtime(-SEC))?;
    host::pass(SEC / 10)?;
    parent.verify().during("after a change of the clone")?;
    clone.verify().during("after its change")?;
    parent.change(ProcFile::Offsets, &Lines::new().rate(0, 5).realtime(0))?;
    host::pass(SEC / 10)?;
    parent.verify().during("after its change")?;
    clone.verify().during("after a change of the parent")
}

fn continues_as_of_the_clone(_: &Setting) -> Outcome {
    let mut parent = parent()?;
    let namespace = parent.pending_clone(&Lines::new())?;
    let as_cloned = Tracked {
        namespace: parent.namespace.try_clone()?,
        expected: parent.expected.clone(),
    };
    parent.change(
        ProcFile::Clock,
        &Lines::new().rate(100, 0).realtime(7 * SEC),
    )?;
    host::pass(SEC / 10)?;
    let clone = as_cloned.start_clone(namespace, &Lines::new())?;
    clone.verify()?;
    parent.verify()
}

fn lines_override(_: &Setting) -> Outcome {
    let parent = parent()?;
    host::pass(SEC / 10)?;
    let all = [
        Lines::new().monotonic(3 * SEC),
        Lines::new().boottime(4 * SEC),
        Lines::new().realtime(-5 * SEC),
        Lines::new().rate(0, 0),
        Lines::new().rate(1, 0).monotonic(-1),
        Lines::new().monotonic(1).boottime(2).realtime(3).rate(4, 0),
    ];
    for lines in all {
        let clone = parent.cloned(&lines)?;
        host::pass(SEC / 20)?;
        clone
            .verify()
            .during(format_args!("{:?}", lines.to_string()))?;
    }
    parent.verify()
}

fn of_one_not_entered(_: &Setting) -> Outcome {
    let lines = Lines::new().rate(3, 0).realtime(SEC).monotonic(2 * SEC);
    let pending = Pending::new()?;
    pending.write(lines)?;
    let parent = Namespace::for_children()?;
    // Again: that clones the one for children.
    let clone = Pending::new()?;
    check_eq!(
        State::read("self")?.context("timens_clock is empty")?.rate,
        (3, 0),
        "rate"
    );
    let clone = clone.detach()?;
    host::pass(SEC / 10)?;
    let clone = Tracked::start(clone, &lines)?;
    host::pass(SEC / 10)?;
    let parent = Tracked::start(parent, &lines)?;
    host::pass(SEC / 10)?;
    clone.verify().during("the clone")?;
    parent.verify().during("the parent")
}

fn overridden_of_one_not_entered(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("rate 3 0\nrealtime 1 0\n")?;
    let parent = Namespace::for_children()?;
    let clone = Pending::new()?;
    clone.write("boottime 8 0\n")?;
    clone.write("rate 4 0\n")?;
    let clone = clone.detach()?;
    let lines = Lines::new().rate(3, 0).realtime(SEC);
    let clone = Tracked::start(clone, &lines.boottime(8 * SEC).rate(4, 0))?;
    let parent = Tracked::start(parent, &lines)?;
    host::pass(SEC / 10)?;
    clone.verify().during("the clone")?;
    parent.verify().during("the parent")
}

fn chain(_: &Setting) -> Outcome {
    let mut chain = vec![parent()?];
    for link in 1..20 {
        let lines = match link % 4 {
            0 => Lines::new().realtime(link * SEC),
            1 => Lines::new().rate(link as u64, 0),
            2 => Lines::new(),
            _ => Lines::new().monotonic(link),
        };
        let last = chain.last().context("the chain is empty")?;
        let clone = last.cloned(&lines)?;
        chain.push(clone);
    }
    for (link, tracked) in chain.iter().enumerate() {
        tracked.verify().during(format_args!("link {link}"))?;
    }
    Ok(())
}

/// A second of the parent's is not as long as the one before it. The clone goes the same way, also
/// before anybody has entered it.
fn of_one_that_slews(_: &Setting) -> Outcome {
    let parent = Tracked::new(&Lines::new().rate(1, 0))?;
    let adjuster = Adjuster::adjtimex(Entry::Native)?;
    let offset = Timex::of(modes::OFFSET | modes::STATUS | modes::NANO | modes::TIMECONST)
        .offset(400_000_000)
        .status(libc::STA_PLL | libc::STA_FREQHOLD);
    let compare = || {
        parent.namespace.inside(|| adjuster.adjust(&offset))?;
        host::pass(SEC * 3 / 2)?;
        let namespace = parent.pending_clone(&Lines::new())?;
        host::pass(3 * SEC)?;
        let clone = parent.start_clone(namespace, &Lines::new())?;
        check_between(&parent, &clone)?;
        host::pass(2 * SEC)?;
        check_between(&parent, &clone).during("later")
    };
    // A machine that stands still may leave one of them without a worker when a second ends. It
    // goes on at the last rate, until a worker comes.
    compare().or_else(|_| compare()).or_else(|_| compare())
}

fn traced_by_its_number(_: &Setting) -> Outcome {
    let mut clone = parent()?.cloned(&Lines::new())?;
    let trace = Trace::new(&["timens_clock/timens_rate"])?;
    clone.change(ProcFile::Clock, &Lines::new().rate(3, 0))?;
    let number = clone.namespace.number()?;
    check!(
        trace.has(&format!("ns={number} "))?,
        "no event of namespace {number}"
    );
    Ok(())
}
