// SPDX-License-Identifier: GPL-2.0

//! Random writes from several tasks, to namespaces that were entered and others. The clock
//! has to go on, and on a kernel that checks itself, nothing may be reported.

use rustix::io::Errno;

use crate::clock::Clock;
use crate::failure::{check, Context, During, Outcome};
use crate::lines::Lines;
use crate::namespace::Pending;
use crate::proc_file::{ProcFile, State};
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{resident, Task};
use crate::tracked::Tracked;

tests![random_writes];

const WRITES: usize = 10_000;
const TASKS: usize = 4;
const FILES: [ProcFile; 2] = [ProcFile::Offsets, ProcFile::Clock];

/// A number in some notation.
fn number(random: &mut Random) -> String {
    const NUMBERS: [&str; 22] = [
        "0",
        "1",
        "2",
        "-1",
        "255",
        "256",
        "999999999",
        "1000000000",
        "4611686018",
        "4611686019",
        "9223372036",
        "9223372037",
        "-9223372037",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "99999999999999999999",
        "00000000000000000000001",
        "-0",
        "+1",
        "0x1",
        "",
    ];
    match random.below(3) {
        0 => random.below(1_000_000_000).to_string(),
        _ => random.pick(&NUMBERS).into(),
    }
}

/// A line that is often almost right.
fn line(random: &mut Random) -> String {
    const NAMES: [&str; 14] = [
        "rate",
        "rate",
        "rate",
        "realtime",
        "realtime",
        "realtime",
        "monotonic",
        "boottime",
        "1",
        "7",
        "tai",
        "raw",
        "rat",
        "realtimerealtime",
    ];
    const GAPS: [&str; 6] = [" ", " ", " ", "\t", "  ", ""];
    let mut line = String::from(random.pick(&NAMES));
    let words = if random.below(8) == 0 {
        random.below(5)
    } else {
        2
    };
    for _ in 0..words {
        line += random.pick(&GAPS);
        line += &match random.below(4) {
            0 => number(random),
            1 => random.below(3).to_string(),
            _ => random.below(1_000_000_000).to_string(),
        };
    }
    line + random.pick(&["\n", "\n", "\n", "", "\n\n", "\r\n", "\0"])
}

fn text(random: &mut Random) -> Vec<u8> {
    if random.below(4) == 0 {
        let length = random.pick(&[0, 1, 7, 64, 500, 4095, 4096, 5000]);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if random.below(2) == 0 {
            bytes.splice(..0, line(random).into_bytes());
        }
        return bytes;
    }
    let lines: Vec<String> = (0..random.below(5) + 1).map(|_| line(random)).collect();
    let mut bytes = lines.concat().into_bytes();
    if random.below(8) == 0 {
        let at = random.below(bytes.len());
        bytes[at] = random.next() as u8;
    }
    bytes
}

/// Writes something to a file of `process`.
fn write_once(random: &mut Random, process: impl std::fmt::Display) -> Outcome {
    let text = text(random);
    let shown = String::from_utf8_lossy(&text[..text.len().min(200)]);
    match random.pick(&FILES).write(process, &text) {
        Ok(taken) => check!(taken <= text.len(), "{taken} bytes of {shown:?} were taken"),
        Err(Errno::INVAL | Errno::RANGE | Errno::ACCESS) => {}
        Err(errno) => crate::failure::fail!("{shown:?}: {errno}"),
    }
    Ok(())
}

/// To new namespaces, each of which is entered after a while.
fn write_to_pending(random: &mut Random, writes: usize) -> Outcome {
    const EACH: usize = 25;
    for _ in 0..writes / EACH {
        let pending = Pending::new()?;
        for _ in 0..EACH {
            write_once(random, "self")?;
        }
        let state = State::read("self")?;
        pending.detach()?.inside(|| {
            let first = Clock::ALL.map(|clock| clock.now().unwrap_or(Ns::MAX));
            for (clock, first) in Clock::ALL.into_iter().zip(first) {
                check!(clock.now()? >= first, "{clock} goes back, with {state:?}");
            }
            let running = State::read("self")?;
            check!(
                running.map(|state| state.rate) == state.map(|state| state.rate),
                "the namespace had {state:?} and has {running:?}"
            );
            Ok(())
        })?;
    }
    Ok(())
}

fn random_writes(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let start = tracked.namespace.inside(|| Clock::Monotonic.now())?;
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        tasks.push(Task::spawn(|| {
            let mut random = Random::new(11 + task as u64);
            if task % 2 == 0 {
                return write_to_pending(&mut random, WRITES / TASKS);
            }
            (0..WRITES / TASKS).try_for_each(|_| write_once(&mut random, pid))
        })?);
    }
    for (number, task) in tasks.into_iter().enumerate() {
        task.join().during(format_args!("writer {number}"))?;
    }
    let end = tracked.namespace.inside(|| Clock::Monotonic.now())?;
    check!(start <= end, "MONOTONIC was {start}, is {end}");

    // Where REALTIME is now, nobody knows; where it goes from here, is known again.
    let state = State::read(pid)?.context("timens_clock is empty")?;
    check!(
        state.running && state.rate_changes > 0 && state.steps > 0,
        "nothing was taken: {state:?}"
    );
    tracked.change(
        ProcFile::Offsets,
        &Lines::new().rate(2, 0).realtime(5_000_000_000),
    )?;
    tracked.verify_rate(Clock::Monotonic, 1_000_000)?;
    tracked.verify_rate(Clock::Boottime, 1_000_000)?;
    resident.stop()
}
