// SPDX-License-Identifier: GPL-2.0

//! Changes of a clock that is in use.

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::module::Counter;
use crate::proc_file::ProcFile;
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{resident, Task};
use crate::tracked::{timed, Tracked};

tests![
    rate,
    realtime,
    both_at_once,
    from_outside,
    many_changes,
    changes_wait_for_their_turn,
    killed_while_waiting,
    coarse_is_not_ahead,
];

const SEC: Ns = 1_000_000_000;
const FILES: [ProcFile; 2] = [ProcFile::Offsets, ProcFile::Clock];

fn rate(_: &Setting) -> Outcome {
    for file in FILES {
        let mut tracked = Tracked::new(&Lines::new().rate(2, 0))?;
        for (secs, nsecs) in [
            (0, 500_000_000),
            (255, 0),
            (0, 0),
            (1, 50_000),
            (0, 0),
            (3, 1),
        ] {
            tracked.change(file, &Lines::new().rate(secs, nsecs))?;
            let place = format!("rate {secs} {nsecs} by {}", file.name());
            tracked.verify().during(&place)?;
            host::pass(SEC / 20)?;
            tracked.verify().during(&place)?;
        }
        check_eq!(tracked.state()?.0.rate_changes, 6, "rate_changes");
        check_eq!(tracked.state()?.0.steps, 0, "steps");
    }
    Ok(())
}

fn realtime(_: &Setting) -> Outcome {
    for file in FILES {
        let mut tracked = Tracked::new(&Lines::new().rate(2, 0).monotonic(7 * SEC))?;
        for offset in [1000 * SEC + 1, -1000 * SEC - 1, 0, 126_000_000 * SEC] {
            tracked.change(file, &Lines::new().realtime(offset))?;
            tracked
                .verify()
                .during(format_args!("realtime {offset} by {}", file.name()))?;
        }
        check_eq!(tracked.state()?.0.steps, 4, "steps");
        check_eq!(tracked.state()?.0.rate_changes, 0, "rate_changes");
    }
    Ok(())
}

fn both_at_once(_: &Setting) -> Outcome {
    let counts = || Ok([Counter::Steps.read()?, Counter::RateChanges.read()?]);
    let before = counts()?;
    let mut tracked = Tracked::new(&Lines::new().realtime(-5 * SEC))?;
    for file in FILES {
        tracked.change(file, &Lines::new().realtime(50 * SEC).rate(4, 0))?;
        tracked.verify()?;
        host::pass(SEC / 10)?;
        tracked.verify()?;
    }
    check_eq!(
        counts()?,
        before.map(|count| count + 2),
        "steps and rate_changes in debugfs"
    );
    Ok(())
}

fn from_outside(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let task = resident(&tracked.namespace)?;
    let pid = task.pid();
    for (file, offset) in FILES.into_iter().zip([SEC, -SEC]) {
        let lines = Lines::new().rate(7, 0).realtime(offset);
        let (written, at, bases) = timed(|| file.write(pid, lines.to_string()).context("writing"))?;
        check_eq!(written, lines.to_string().len(), "bytes taken");
        tracked.expected.change(&bases, at, &lines);
        tracked.verify()?;
    }
    task.stop()
}

fn many_changes(setting: &Setting) -> Outcome {
    let mut random = Random::new(3);
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    for _ in 0..setting.by_kernel(300, 60) {
        let mut lines =
            Lines::new().rate(random.pick(&[0, 1, 2]), random.below(1_000_000_000) as u32);
        if random.below(3) == 0 {
            lines = lines.realtime(random.below(1 << 30) as Ns * SEC);
        }
        tracked.change(random.pick(&FILES), &lines)?;
    }
    tracked.verify()
}

fn changes_wait_for_their_turn(_: &Setting) -> Outcome {
    const CHANGES: u32 = 50;
    const TURN: Ns = 1_000_000;
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let task = resident(&tracked.namespace)?;
    let file = ProcFile::Clock
        .open(task.pid())
        .context("opening timens_clock")?;
    let (first, last) = tracked.namespace.inside(|| {
        let first = Clock::Monotonic.now()?;
        for change in 0..CHANGES {
            // Not at rate 1, so that the namespace's time that passes is known, too.
            let text = format!("rate 2 {}\n", change % 2);
            let written = crate::proc_file::write(&file, &text);
            check_eq!(written, Ok(text.len()), "change {change}");
        }
        Ok((first, Clock::Monotonic.now()?))
    })?;
    let least = Ns::from(CHANGES - 1) * TURN * 2;
    check!(
        last - first >= least,
        "{CHANGES} changes took {} ns, at least {least}",
        last - first
    );
    task.stop()
}

fn killed_while_waiting(setting: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let mut random = Random::new(5);
    for _ in 0..setting.by_kernel(60, 20) {
        // Two, so that one holds up the other.
        let mut writers = Vec::new();
        for _ in 0..2 {
            writers.push(Task::spawn(|| loop {
                ProcFile::Clock
                    .write(pid, "rate 2 0\n")
                    .context("writing")?;
            })?);
        }
        host::pass(random.below(4_000_000) as Ns)?;
        for mut writer in writers {
            check!(
                writer.is_running()?,
                "a writer ended: {:?}",
                writer.outcome()
            );
            writer.kill();
        }
    }
    // A change that nobody kept account of is in nobody's formula: the coarse reference, too, has
    // to be later than all of them.
    host::pass_until(Clock::MonotonicCoarse, host::reference()?)?;
    tracked.verify().during("after writers were killed")?;
    for file in FILES {
        tracked.change(file, &Lines::new().rate(3, 0).realtime(SEC))?;
        tracked.verify().during("after a further change")?;
    }
    resident.stop()
}

fn coarse_is_not_ahead(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(255, 0))?;
    for rate in [1, 0, 200, 2] {
        tracked.change(ProcFile::Clock, &Lines::new().rate(rate, 0))?;
        tracked.namespace.inside(|| {
            let pairs = [
                (Clock::MonotonicCoarse, Clock::Monotonic),
                (Clock::RealtimeCoarse, Clock::Realtime),
            ];
            for _ in 0..500 {
                for (coarse, fine) in pairs {
                    let (earlier, later) = (coarse.now()?, fine.now()?);
                    check!(
                        earlier <= later,
                        "{coarse} {earlier} is ahead of {fine} {later}"
                    );
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
