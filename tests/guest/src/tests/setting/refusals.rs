// SPDX-License-Identifier: GPL-2.0

//! What is refused, and how: the very same as on the host.
//!
//! None of these calls changes anything if it is treated as mainline does, so that they can be made
//! on the host as well, which is the oracle. It is patched, too: what the kernel without patches
//! makes of them is for `--print-refusals`, and for scripts/test to compare.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use rustix::fs::{memfd_create, MemfdFlags};
use rustix::io::Errno;
use rustix::thread::{capabilities, set_capabilities, CapabilitySet};

use crate::bystanders::Bystanders;
use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::lines::Lines;
use crate::means::{CLOCK_SETTIME, SETTIMEOFDAY, STIME};
use crate::namespace::Namespace;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::tests::unprivileged::become_nobody;
use crate::timers::entry::{syscall, Arg, Entry};
use crate::timers::place::Place;
use crate::timex::{modes, Adjuster, Timex};
use crate::tracked::Tracked;

tests![as_root, without_capability, as_nobody,];

const SEC: Ns = 1_000_000_000;
/// An address where there never is anything.
const WILD: usize = 8;
/// The first second that cannot be set.
const LATE: i64 = i64::MAX / 1_000_000_000 - 30 * 365 * 86_400;

/// A call that is to be refused, or at least to change nothing.
struct Case {
    name: String,
    call: Box<dyn Fn() -> Result<usize, Errno>>,
}

/// All calls, in memory that they keep.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: String, call: impl Fn() -> Result<usize, Errno> + 'static) {
        let call = Box::new(call);
        self.0.push(Case { name, call });
    }

    /// Two words, as a time looks by that entry.
    fn pair(entry: Entry, first: i64, second: i64) -> Outcome<Place> {
        let word = entry.time_size() / 2;
        let words = [first.to_ne_bytes(), second.to_ne_bytes()];
        Place::of(&[&words[0][..word], &words[1][..word]].concat())
    }

    fn clock_settime(&mut self) -> Outcome {
        let monotonic = (Clock::Monotonic.now()? / SEC) as i64;
        let bad = [
            (0, -1),
            (0, 1_000_000_000),
            (2_000_000_000, 1_000_000_000),
            (2_000_000_000, -1),
            (2_000_000_000, i64::from(i32::MAX)),
            (0, i64::MIN),
            (-1, 0),
            (-1, 999_999_999),
            (i64::MIN, 0),
            (0, 0),
            (0, 999_999_999),
            (monotonic - 1, 0),
            (LATE, 0),
            (LATE, 999_999_999),
            (i64::MAX, 0),
            (i64::MAX, 999_999_999),
        ];
        for &entry in Entry::ALL {
            for (sec, nsec) in bad {
                // What 32 bits leave of it may be a good time.
                if entry.has_narrow_time() && i64::from(sec as i32) != sec {
                    continue;
                }
                let time = Self::pair(entry, sec, nsec)?;
                self.add(
                    format!("clock_settime/{entry} to {sec} {nsec}"),
                    move || syscall!(entry, CLOCK_SETTIME, libc::CLOCK_REALTIME, &time),
                );
            }
            let fine = Self::pair(entry, 2_000_000_000, 0)?;
            // CPU clocks of this process and of its threads, a file's, and none.
            for clock in (1..=24).chain([-1, -2, -3, -6, -5, 99, i32::MIN, i32::MAX]) {
                self.add(format!("clock_settime({clock})/{entry}"), move || {
                    syscall!(entry, CLOCK_SETTIME, clock, &fine)
                });
                self.add(
                    format!("clock_settime({clock})/{entry} to NULL"),
                    move || syscall!(entry, CLOCK_SETTIME, clock, Arg::NULL),
                );
            }
            for pointer in [0, WILD] {
                self.add(format!("clock_settime/{entry} to *{pointer}"), move || {
                    syscall!(entry, CLOCK_SETTIME, libc::CLOCK_REALTIME, pointer)
                });
            }
        }
        Ok(())
    }

    fn settimeofday(&mut self) -> Outcome {
        let monotonic = (Clock::Monotonic.now()? / SEC) as i64;
        let times = [
            (0, -1),
            (2_000_000_000, -1),
            (2_000_000_000, 1_000_000),
            (-1, 0),
            (0, 0),
            (monotonic - 1, 0),
            (LATE, 0),
            (i64::MAX, 999_999),
        ];
        for &entry in Entry::OLD {
            let utc = Place::of(&[0; 8])?;
            let mut zones = vec![("no zone", Arg::NULL), ("UTC", Arg::from(&utc))];
            let mut late = Vec::new();
            for minutes in [-901, 901, i32::MIN, i32::MAX] {
                let zone = [minutes.to_ne_bytes(), 0_i32.to_ne_bytes()].concat();
                late.push(Place::of(&zone)?);
            }
            zones.extend(late.iter().map(|zone| ("a bad zone", Arg::from(zone))));
            zones.push(("a wild zone", Arg::from(WILD)));
            for &(name, zone) in &zones {
                for (sec, usec) in times {
                    if entry.has_narrow_time() && i64::from(sec as i32) != sec {
                        continue;
                    }
                    let time = Self::pair(entry, sec, usec)?;
                    self.add(
                        format!("settimeofday/{entry} to {sec} {usec} and {name}"),
                        move || syscall!(entry, SETTIMEOFDAY, &time, zone),
                    );
                }
                self.add(format!("settimeofday/{entry} to {name}"), move || {
                    syscall!(entry, SETTIMEOFDAY, Arg::NULL, zone)
                });
                self.add(
                    format!("settimeofday/{entry} to a wild time and {name}"),
                    move || syscall!(entry, SETTIMEOFDAY, WILD, zone),
                );
            }
            // A good time with a bad zone is not set.
            let fine = Self::pair(entry, 2_000_000_000, 0)?;
            for zone in late.iter().map(Arg::from).chain([Arg::from(WILD)]) {
                self.add(
                    format!("settimeofday/{entry} to a good time and {zone:?}"),
                    move || syscall!(entry, SETTIMEOFDAY, &fine, zone),
                );
            }
        }
        Ok(())
    }

    /// It does not say when it fails to set what is no time.
    fn stime(&mut self) -> Outcome {
        for sec in [-1, 0, 1] {
            let time = Place::of(&i32::to_ne_bytes(sec))?;
            self.add(format!("stime to {sec}"), move || {
                syscall!(Entry::Time32, STIME, &time)
            });
        }
        for pointer in [0, WILD] {
            self.add(format!("stime to *{pointer}"), move || {
                syscall!(Entry::Time32, STIME, pointer)
            });
        }
        Ok(())
    }

    fn adjustments(&mut self) -> Outcome {
        let of = Timex::of;
        let tick = |tick| of(modes::TICK).tick(tick);
        let freq = |freq| of(modes::FREQUENCY).freq(freq);
        let step = |more, sec, subsec| of(modes::SETOFFSET | more).step(sec, subsec);
        let requests = [
            of(0),
            of(modes::SINGLESHOT_READ),
            of(0x8000),
            of(0xa000),
            of(0x8000 | modes::STATUS),
            tick(8_999),
            tick(11_001),
            tick(0),
            tick(-10_000),
            tick(i64::from(i32::MAX)),
            freq(i64::MAX),
            freq(i64::MIN),
            step(0, 0, -1),
            step(0, 0, 1_000_000),
            step(0, 0, i64::from(i32::MIN)),
            step(modes::NANO, 0, -1),
            step(modes::NANO, 0, 1_000_000_000),
            step(0, i64::from(i32::MIN), 0),
            step(0, i64::MIN, 0),
            step(0, i64::MAX, 999_999),
            step(0, LATE, 0),
            step(modes::TICK, 1, 0),
            step(modes::SINGLESHOT_READ, 0, -1),
            step(modes::SINGLESHOT, 0, 1_000_000),
            step(modes::FREQUENCY, 1, 0).freq(i64::MIN),
            step(modes::STATUS, i64::from(i32::MIN), 0).status(libc::STA_PLL),
        ];
        for adjuster in Adjuster::all()? {
            for request in requests {
                let words = [request.freq, request.sec, request.tick, request.subsec];
                if adjuster.is_narrow() && words.iter().any(|&word| i64::from(word as i32) != word)
                {
                    continue;
                }
                self.add(format!("{adjuster} of {request:?}"), move || {
                    adjuster.call(&request).0
                });
            }
        }
        self.of_other_clocks()
    }

    fn of_other_clocks(&mut self) -> Outcome {
        for &entry in Entry::ALL {
            for clock in (0..=24).chain([-1, -2, -3, -6, -5, 99, i32::MIN, i32::MAX]) {
                let adjuster = Adjuster::clock_adjtime(entry, clock)?;
                for pointer in [0, WILD] {
                    self.add(format!("{adjuster} of *{pointer}"), move || {
                        adjuster.call_at(Arg::from(pointer))
                    });
                }
                if clock == libc::CLOCK_REALTIME {
                    continue;
                }
                for request in [Timex::of(0), Timex::of(modes::SETOFFSET).step(1, 0)] {
                    self.add(format!("{adjuster} of {request:?}"), move || {
                        adjuster.call(&request).0
                    });
                }
            }
        }
        for &entry in Entry::OLD {
            let adjuster = Adjuster::adjtimex(entry)?;
            for pointer in [0, WILD] {
                self.add(format!("{adjuster} of *{pointer}"), move || {
                    adjuster.call_at(Arg::from(pointer))
                });
            }
        }
        Ok(())
    }

    fn new() -> Outcome<Self> {
        let mut cases = Self::default();
        cases.clock_settime()?;
        cases.settimeofday()?;
        cases.stime()?;
        cases.adjustments()?;
        Ok(cases)
    }

    /// What all of them return, an errno negative, in a process in `namespace` that is made so.
    fn outcomes(
        &self,
        namespace: Option<&Namespace>,
        prepare: fn() -> Outcome,
    ) -> Outcome<Vec<i64>> {
        let mut file: File = memfd_create("outcomes", MemfdFlags::CLOEXEC)
            .context("memfd")?
            .into();
        Task::spawn(|| {
            if let Some(namespace) = namespace {
                namespace.enter()?;
            }
            prepare()?;
            for case in &self.0 {
                let outcome = match (case.call)() {
                    Ok(value) => value as i64,
                    Err(errno) => -i64::from(errno.raw_os_error()),
                };
                writeln!(&file, "{outcome}").context("memfd")?;
            }
            Ok(())
        })?
        .join()?;
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).context("memfd")?;
        file.read_to_string(&mut text).context("memfd")?;
        let outcomes: Option<_> = text.lines().map(|line| line.parse().ok()).collect();
        outcomes.context("what a call returned is no number")
    }
}

/// Compares what becomes of all calls in a namespace with what the host makes of them, which is
/// `errno` as a rule.
fn compare(prepare: fn() -> Outcome, errno: Errno) -> Outcome {
    let cases = Cases::new()?;
    // MONOTONIC is about the host's, which some times of these cases are just before.
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let bystanders = Bystanders::new()?;
    let host = cases.outcomes(None, prepare)?;
    bystanders.verify().during("what the host refused")?;
    let inside = cases.outcomes(Some(&tracked.namespace), prepare)?;
    check_eq!(host.len(), cases.0.len(), "outcomes on the host");
    check_eq!(inside.len(), cases.0.len(), "outcomes in the namespace");
    let mut wrong = Vec::new();
    for ((case, host), inside) in cases.0.iter().zip(&host).zip(&inside) {
        if host != inside {
            wrong.push(format!("{}: {inside}, on the host {host}", case.name));
        }
    }
    check!(
        wrong.is_empty(),
        "{} of {} differ: {}",
        wrong.len(),
        cases.0.len(),
        wrong.join("; ")
    );
    let errno = -i64::from(errno.raw_os_error());
    let refused = host.iter().filter(|&&outcome| outcome == errno).count();
    check!(refused > 100, "only {refused} were refused by {errno}");
    tracked.verify().during("after all was refused")?;
    bystanders.verify().during("outside")
}

fn as_root(_: &Setting) -> Outcome {
    compare(|| Ok(()), Errno::INVAL)
}

/// Root of the namespace's owner in all but the one capability.
pub(crate) fn drop_sys_time() -> Outcome {
    let mut sets = capabilities(None).context("capget")?;
    for set in [&mut sets.effective, &mut sets.permitted] {
        set.remove(CapabilitySet::SYS_TIME);
    }
    set_capabilities(None, sets).context("capset")
}

/// Prints for each call and each user what the host returns, an errno negative.
pub(crate) fn print() -> Outcome {
    let cases = Cases::new()?;
    let print = |user: &str, prepare| {
        for (case, outcome) in cases.0.iter().zip(cases.outcomes(None, prepare)?) {
            println!("{outcome} for {user}: {}", case.name);
        }
        Ok(())
    };
    print("root", || Ok(()))?;
    print("root but for CAP_SYS_TIME", drop_sys_time)?;
    print("nobody", become_nobody)
}

fn without_capability(_: &Setting) -> Outcome {
    compare(drop_sys_time, Errno::PERM)
}

fn as_nobody(_: &Setting) -> Outcome {
    compare(become_nobody, Errno::PERM)
}
