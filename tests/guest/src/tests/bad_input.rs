// SPDX-License-Identifier: GPL-2.0

//! Writes that have to be refused, each with its error, and leave everything as it was.

use std::fs::File;

use rustix::fs::{seek, SeekFrom};
use rustix::io::Errno;
use rustix::thread::{capabilities, set_capabilities, CapabilitySet};

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::proc_file::{read_offsets, write, ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{resident, Gate, Task};
use crate::tracked::Tracked;

tests![
    pending,
    pending_plain,
    running,
    frozen_lines,
    lines_for_timens_clock,
    limits,
    size_and_place,
    initial_namespace,
    plain_entered,
    dead_process,
    without_capability,
    capability_of_the_opener,
];

const SEC: Ns = 1_000_000_000;
const FILES: [ProcFile; 2] = [ProcFile::Offsets, ProcFile::Clock];

/// What is wrong whichever namespace it is written for.
const MALFORMED: [&str; 34] = [
    "rate",
    "rate 1",
    "rate x 0",
    "rate 1 x",
    "rate 1.5 0",
    "rate +1 0",
    "rate 0x1 0",
    "rate 1 0 0",
    "rate 1 0 words",
    "rate 1 -1",
    "rate 1 1000000000",
    "rate 1 18446744073709551615",
    "rate 1 99999999999999999999999",
    "realtime",
    "realtime 1",
    "realtime x 0",
    "realtime 1 -1",
    "realtime 1 1000000000",
    "realtime 1 0 0",
    "Rate 1 0\nrealtime 1 0\n",
    "tai 1 0\nrate 1 0\n",
    "0 1 0\nrate 1 0\n",
    "nonsense 1 0\nrealtime 1 0\n",
    "rate 1 0\nnonsense\n",
    "rate 1 0\n\nrealtime 1 0\n",
    "\nrate 1 0\n",
    "rate 1 0\n\n",
    "rate 1 0\nrate 1 0\n",
    "rate 2 0\nrealtime 1 0\nrate 1 0\n",
    "realtime 1 0\nrealtime 1 0\n",
    "monotonic 1 0\nmonotonic 1 0\nrate 1 0\n",
    "rate 1 0\nboottime 1 0\nboottime 1 0\n",
    "monotonic 1 0\n1 1 0\nrate 1 0\n",
    "monotonic 1 0\nboottime 1 0\nrealtime 1 0\nrate 1 0\nmonotonic 1 0\n",
];

const OUT_OF_RANGE: [&str; 12] = [
    "rate 255 1",
    "rate 256 0",
    "rate 9223372036854775807 0",
    "rate 99999999999999999999999 0",
    "rate -1 0",
    "rate -1 999999999",
    "realtime 9223372036 0",
    "realtime 9999999999999 0",
    "realtime -9223372037 0",
    // Before 1970, on a machine whose clock is set to this century.
    "realtime -4102444800 0",
    "realtime 4611686018 0",
    "rate 1 0\nrealtime 4611686018 0\n",
];

/// Out of range in a namespace for which MONOTONIC and BOOTTIME can still be set.
const OFFSET_OUT_OF_RANGE: [&str; 6] = [
    "monotonic 9223372036 0\nrate 1 0\n",
    "monotonic 4611686018 0\nrate 1 0\n",
    "monotonic -100000000 0\nrate 1 0\n",
    "boottime 4611686018 0\nrealtime 1 0\n",
    "boottime -100000000 0\nrealtime 1 0\n",
    "realtime 1 0\nmonotonic 99999999999 0\nrate 1 0\nboottime 1 0\n",
];

/// Writes what has to be refused, and checks that the namespace for children is as before.
fn refuse(file: ProcFile, text: &str, errno: Errno) -> Outcome {
    let opened = file.open("self").context("opening")?;
    refuse_by(&opened, "self", text, errno).during(file.name())
}

/// The same with a file of `process` that is open already.
fn refuse_by(
    file: &File,
    process: impl std::fmt::Display + Copy,
    text: &str,
    errno: Errno,
) -> Outcome {
    let shown = &text[..text.len().min(60)];
    let before = (read_offsets(process)?, State::read(process)?);
    check_eq!(write(file, text), Err(errno), "writing {shown:?}");
    let after = (read_offsets(process)?, State::read(process)?);
    let same = match (&before.1, &after.1) {
        (Some(before), Some(after)) => before.same_as(after),
        (before, after) => before == after,
    };
    check!(
        before.0 == after.0 && same,
        "{shown:?} has changed {before:?} to {after:?}"
    );
    Ok(())
}

fn refuse_all(file: ProcFile, texts: &[&str], errno: Errno) -> Outcome {
    texts.iter().try_for_each(|text| refuse(file, text, errno))
}

fn refuse_what_is_wrong() -> Outcome {
    for file in FILES {
        refuse_all(file, &MALFORMED, Errno::INVAL)?;
        refuse_all(file, &OUT_OF_RANGE, Errno::RANGE)?;
    }
    Ok(())
}

fn pending(_: &Setting) -> Outcome {
    let lines = Lines::new()
        .rate(2, 0)
        .realtime(1000 * SEC)
        .monotonic(5 * SEC);
    let pending = Pending::new()?;
    pending.write(lines)?;
    refuse_what_is_wrong()?;
    refuse_all(ProcFile::Offsets, &OFFSET_OUT_OF_RANGE, Errno::RANGE)?;
    refuse(ProcFile::Offsets, "monotonic 1\n", Errno::INVAL)?;
    refuse(ProcFile::Offsets, "monotonic -100000000 0\n", Errno::RANGE)?;
    Tracked::start(pending.detach()?, &lines)?.verify()
}

/// It stays plain.
fn pending_plain(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("monotonic 5 0\n")?;
    refuse_what_is_wrong()?;
    refuse_all(ProcFile::Offsets, &OFFSET_OUT_OF_RANGE, Errno::RANGE)?;
    check_eq!(State::read("self")?, None, "timens_clock");
    crate::tests::plain::verify(&pending.detach()?, 5 * SEC, 0)
}

fn running(_: &Setting) -> Outcome {
    for lines in [
        Lines::new().realtime(1000 * SEC),
        Lines::new().rate(3, 0),
        Lines::new().rate(0, 0),
    ] {
        let tracked = Tracked::new(&lines)?;
        tracked.namespace.inside(refuse_what_is_wrong)?;
        tracked.verify()?;
    }
    Ok(())
}

/// MONOTONIC and BOOTTIME cannot be set in a namespace that was entered.
fn frozen_lines(_: &Setting) -> Outcome {
    let texts = [
        "monotonic 1 0\n",
        "boottime 1 0\n",
        "monotonic 0 0\nboottime 0 0\n",
        "monotonic 0 0\nrate 2 0\n",
        "realtime 5 0\nboottime 1 0\n",
        "monotonic 1 0\nboottime 1 0\nrealtime 1 0\nrate 1 0\n",
    ];
    for lines in [
        Lines::new().rate(1, 0),
        Lines::new().rate(0, 0),
        Lines::new().rate(7, 0),
    ] {
        let tracked = Tracked::new(&lines)?;
        tracked
            .namespace
            .inside(|| refuse_all(ProcFile::Offsets, &texts, Errno::ACCESS))?;
        tracked.verify()?;
    }
    Ok(())
}

fn lines_for_timens_clock(_: &Setting) -> Outcome {
    let texts = [
        "monotonic 1 0\n",
        "boottime 1 0\n",
        "monotonic 1 0\nrate 1 0\n",
        "monotonic 1 0\nboottime 1 0\nrealtime 1 0\nrate 1 0\n",
        "nonsense",
        "steps 0",
        "state running",
        "tai 37",
        "\n",
    ];
    let refuse = || refuse_all(ProcFile::Clock, &texts, Errno::INVAL);
    let pending = Pending::new()?;
    refuse().during("plain")?;
    pending.write("rate 1 0\n")?;
    refuse().during("pending")?;
    pending.detach()?.inside(refuse).during("running")
}

/// The last that is in range, and what comes after that, with room for the time that a test takes.
fn limits(_: &Setting) -> Outcome {
    const LAST: Ns = (i64::MAX as Ns / SEC / 2 + 1) * SEC - 1;
    const ROOM: Ns = 1000 * SEC;
    /// Less than the part of a second by which that is after half of all ns.
    const NEAR: Ns = SEC / 4;
    let pending = Pending::new()?;
    let text = |name, ns: Ns| {
        format!(
            "{name} {} {}\nrate 0 0\n",
            ns.div_euclid(SEC),
            ns.rem_euclid(SEC)
        )
    };
    for (name, clock) in [
        ("monotonic", Clock::Monotonic),
        ("boottime", Clock::Boottime),
        ("realtime", Clock::Realtime),
    ] {
        let now = clock.now()?;
        refuse(ProcFile::Offsets, &text(name, LAST - now + 1), Errno::RANGE)?;
        refuse(ProcFile::Offsets, &text(name, -now - ROOM), Errno::RANGE)?;
        pending.write(text(name, LAST - now - ROOM))?;
        pending.write(text(name, -now + 1))?;
        // The clock goes on until the text is looked at: if for too long, that is no failure.
        for _ in 0..100 {
            let before = clock.now()?;
            match ProcFile::Offsets.write("self", text(name, LAST - before - NEAR)) {
                Err(Errno::RANGE) if clock.now()? - before >= NEAR => {}
                result => {
                    result.context(format_args!("{name} {NEAR} ns before the end"))?;
                    break;
                }
            }
        }
    }
    pending.write("rate 255 0\n")?;
    pending.write("rate 0 1\n")
}

fn size_and_place(_: &Setting) -> Outcome {
    let lines = Lines::new().rate(2, 0);
    let tracked = Tracked::new(&lines)?;
    tracked.namespace.inside(|| {
        let many = "rate 1 0\n".repeat(400);
        let padded = |size: usize| String::from("rate 1 0") + &" ".repeat(size - 8);
        for file in FILES {
            refuse(file, &many, Errno::INVAL)?;
            refuse(file, &padded(4096), Errno::INVAL)?;
            refuse(file, &padded(1 << 20), Errno::INVAL)?;
            refuse(file, &"rate 1 0\n".repeat(1 << 17), Errno::INVAL)?;
            let opened = file.open("self").context("opening")?;
            for place in [1, 20] {
                seek(&opened, SeekFrom::Start(place)).context("seeking")?;
                let written = write(&opened, "rate 1 0\n");
                check_eq!(written, Err(Errno::INVAL), "writing at {place}");
            }
        }
        Ok(())
    })?;
    tracked.verify()
}

/// Refused where there is no clock and can be none any more.
fn refuse_all_lines() -> Outcome {
    for text in ["rate 1 0\n", "realtime 0 0\n", "rate 2 0\nrealtime 5 0\n"] {
        for file in FILES {
            refuse(file, text, Errno::ACCESS)?;
        }
    }
    refuse(
        ProcFile::Offsets,
        "monotonic 0 0\nrate 1 0\n",
        Errno::ACCESS,
    )?;
    refuse_what_is_wrong()?;
    check_eq!(State::read("self")?, None, "timens_clock");
    Ok(())
}

fn initial_namespace(_: &Setting) -> Outcome {
    refuse_all_lines()
}

fn plain_entered(_: &Setting) -> Outcome {
    let pending = Pending::new()?;
    pending.write("monotonic 5 0\n")?;
    let namespace = pending.detach()?;
    namespace.inside(refuse_all_lines)?;
    crate::tests::plain::verify(&namespace, 5 * SEC, 0)
}

fn dead_process(_: &Setting) -> Outcome {
    for file in FILES {
        let ready = Gate::new()?;
        let mut task = Task::spawn(|| {
            let _pending = Pending::new()?;
            ready.open()?;
            Gate::new()?.wait()
        })?;
        ready.wait_for(&mut task)?;
        let opened = file.open(task.pid()).context("opening")?;
        check_eq!(write(&opened, "rate 2 0\n"), Ok(9), "of a live process");
        task.kill();
        check_eq!(
            write(&opened, "rate 2 0\n"),
            Err(Errno::SRCH),
            "of a dead process"
        );
        // Whose it would have been is asked last, as in mainline.
        check_eq!(
            write(&opened, "rate 2\n"),
            Err(Errno::INVAL),
            "a malformed line for a dead process"
        );
    }
    Ok(())
}

/// Takes CAP_SYS_TIME from this process, or gives it back.
fn set_capable(capable: bool) -> Outcome {
    let mut sets = capabilities(None).context("capget")?;
    sets.effective.set(CapabilitySet::SYS_TIME, capable);
    set_capabilities(None, sets).context("capset")
}

fn without_capability(_: &Setting) -> Outcome {
    let running = Tracked::new(&Lines::new().rate(2, 0))?;
    let resident = resident(&running.namespace)?;
    let pending = Pending::new()?;
    set_capable(false)?;
    for file in FILES {
        for text in ["rate 3 0\n", "realtime 5 0\n"] {
            refuse(file, text, Errno::PERM).during("pending")?;
            let opened = file.open(resident.pid()).context("opening")?;
            refuse_by(&opened, resident.pid(), text, Errno::PERM).during("running")?;
        }
    }
    refuse(ProcFile::Offsets, "monotonic 1 0\n", Errno::PERM)?;
    refuse(ProcFile::Offsets, "rate\n", Errno::INVAL)?;
    set_capable(true)?;
    pending.write("rate 3 0\n").during("with the capability")?;
    resident.stop()?;
    running.verify()
}

/// Whoever holds a file may write as who opened it, and no more.
fn capability_of_the_opener(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let resident = resident(&tracked.namespace)?;
    for file in FILES {
        let by_capable = file.open(resident.pid()).context("opening")?;
        set_capable(false)?;
        let by_other = file.open(resident.pid()).context("opening")?;
        check_eq!(
            write(&by_capable, "rate 1 0\n"),
            Ok(9),
            "a file that was opened before"
        );
        refuse_by(&by_other, resident.pid(), "rate 1 0\n", Errno::PERM)?;
        set_capable(true)?;
        refuse_by(&by_other, resident.pid(), "rate 1 0\n", Errno::PERM)?;
    }
    resident.stop()
}
