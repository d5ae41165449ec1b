// SPDX-License-Identifier: GPL-2.0

//! 32-bit programs: see `ia32/clocks.c`, which this executes.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;

use rustix::fs::{memfd_create, MemfdFlags};

use crate::clock::Clock;
use crate::failure::{check, check_eq, fail, Context, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::tracked::{timed, Tracked};

tests![reads_the_same];

const SEC: Ns = 1_000_000_000;

static READER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ia32-clocks"));
const READING: usize = 24;

/// How the program read, in the order of its `enum way`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way32 {
    Clock(usize),
    Gettimeofday,
    Time,
    Times,
}

#[derive(Debug)]
struct Reading {
    way: Way32,
    clock: i32,
    seconds: Ns,
    time: Ns,
}

impl Reading {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            bytes
                .get(at..at + 4)?
                .try_into()
                .ok()
                .map(u32::from_le_bytes)
        };
        let long = |at: usize| {
            bytes
                .get(at..at + 8)?
                .try_into()
                .ok()
                .map(i64::from_le_bytes)
        };
        let seconds = Ns::from(long(8)?);
        Some(Self {
            way: match word(0)? {
                way @ 0..4 => Way32::Clock(way as usize),
                4 | 5 => Way32::Gettimeofday,
                6 | 7 => Way32::Time,
                _ => Way32::Times,
            },
            clock: word(4)? as i32,
            seconds,
            time: seconds * SEC + Ns::from(long(16)?),
        })
    }
}

fn execute() -> Outcome<Vec<Reading>> {
    if READER.is_empty() {
        return Err(Trouble::Skip(
            "no compiler for 32-bit programs when this was built".into(),
        ));
    }
    let mut file = File::from(memfd_create("ia32-clocks", MemfdFlags::CLOEXEC).context("memfd")?);
    file.write_all(READER).context("memfd")?;
    let output = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).output();
    let output = output.context("executing the 32-bit program")?;
    check!(
        output.status.success(),
        "the 32-bit program ended with {:?}",
        output.status
    );
    check_eq!(output.stdout.len() % READING, 0, "odd bytes");
    let readings = output.stdout.chunks(READING).map(Reading::from_bytes);
    readings
        .collect::<Option<_>>()
        .context("a reading is too short")
}

fn reads_the_same(_: &Setting) -> Outcome {
    let lines = Lines::new()
        .rate(2, 0)
        .realtime(86_400 * SEC)
        .monotonic(100 * SEC)
        .boottime(700 * SEC);
    let tracked = Tracked::new(&lines)?;
    host::pass_until(Clock::MonotonicCoarse, tracked.expected.changed().hi)?;
    let coarse = Clock::MonotonicCoarse.now()?;
    let (readings, at, _) = timed(|| tracked.namespace.inside(execute))?;
    check_eq!(readings.len(), 7 * 5 + 5, "readings");
    let coarse = Span::new(coarse, at.hi);

    for reading in &readings {
        let clock = Clock::ALL
            .into_iter()
            .find(|clock| clock.id() == reading.clock);
        let clock = clock.context(format_args!("it read clock {}", reading.clock))?;
        let expected = tracked
            .expected
            .read(clock, if clock.is_coarse() { coarse } else { at });
        let (time, expected) = match reading.way {
            Way32::Clock(_) => (reading.time, expected),
            Way32::Gettimeofday => (
                reading.time,
                Span::new(expected.lo / 1000 * 1000, expected.hi),
            ),
            Way32::Time => {
                let expected = tracked.expected.read(clock, coarse);
                (
                    reading.seconds,
                    Span::new(expected.lo / SEC, expected.hi / SEC),
                )
            }
            Way32::Times => {
                let tick = SEC / Ns::from(sys::ticks_per_second());
                let expected = tracked.expected.read(Clock::Monotonic, coarse);
                (
                    reading.seconds,
                    Span::new(expected.lo / tick, expected.hi / tick),
                )
            }
        };
        check!(
            expected.contains(time),
            "{reading:?}, should be in {expected}"
        );
    }

    // Each clock was read five times, and was not turned back meanwhile.
    for of_clock in readings.chunks(5).take(7) {
        for pair in of_clock.windows(2) {
            let [earlier, later] = pair else {
                fail!("not two readings")
            };
            check_eq!(earlier.clock, later.clock, "clock");
            check!(
                earlier.time <= later.time,
                "{earlier:?} was followed by {later:?}"
            );
        }
    }
    Ok(())
}
