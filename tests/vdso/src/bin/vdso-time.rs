// SPDX-License-Identifier: GPL-2.0

//! Usage: vdso-time IMAGE LAYOUT
//!
//! How long the vDSO takes on this processor in a plain time namespace and in one that has a clock
//! of its own. Prints for each clock id: the two times of a call in ns, and the ratio of an
//! own-clock namespace to a plain one, from the fastest rounds and in the middle of all rounds.
//!
//! The two take turns, each round on pages that have just been written, as a kernel does at every
//! tick, and at a different part of the host's second: whatever else the machine does meets both
//! alike, and so does what is slower at some times than at others.

use std::{
    env, fs,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use timens_vdso_tests::{
    elf::Elf,
    image::{counter, Image},
    layout::Layout,
    page::{BaseTime, Counter, Line, Page, Segment},
    vector::{CLOCKS, MONOTONIC_COARSE, NSEC_PER_SEC, REALTIME_COARSE, TAI},
    Error,
};

const ROUNDS: usize = 2000;

/// Calls in one round: short enough that many rounds are not interrupted.
const CALLS: u32 = 1000;

const SHIFT: u32 = 24;

/// What all of the host's clocks are at the start of each round, seconds.
const HOST: u64 = 1_700_000_000;

/// The plain namespace's offset: seconds, and ns as arbitrary as those of an own clock.
const OFFSET: u64 = 1000;
const OFFSET_NSEC: u64 = NSEC_PER_SEC / 2;

/// What the own clocks are at their anchor, seconds.
const OWN: u64 = 1_900_000_000;

/// Seconds from the anchor to the start of each round.
const SINCE_ANCHOR: u64 = 10_000;

/// 1 + 50 ppm in 8.56 fixed point.
const RATE: u64 = (1 << 56) + (1 << 56) / 20_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vdso-time: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [image, layout] = arguments.as_slice() else {
        return Err("usage: vdso-time IMAGE LAYOUT".into());
    };
    let layout = Layout::parse(&fs::read(layout)?)?;
    let elf = Elf::parse(&fs::read(image)?, &layout)?;
    let mult = multiplier();
    let mut plain = Namespace::new(Image::map(&elf, &layout)?, &layout, mult, false)?;
    let mut own = Namespace::new(Image::map(&elf, &layout)?, &layout, mult, true)?;

    for clock_id in CLOCKS {
        let mut rounds = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let nsec = round as u64 * (NSEC_PER_SEC / ROUNDS as u64);
            rounds.push((plain.time(clock_id, nsec), own.time(clock_id, nsec)));
        }
        let (plain_min, own_min) = rounds.iter().fold(
            (f64::INFINITY, f64::INFINITY),
            |(plain_min, own_min), &(plain, own)| (plain_min.min(plain), own_min.min(own)),
        );
        let mut ratios: Vec<_> = rounds.iter().map(|(plain, own)| own / plain).collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "{clock_id} {plain_min:.2} {own_min:.2} {:.3} {:.3}",
            own_min / plain_min,
            ratios[ROUNDS / 2],
        );
    }
    Ok(())
}

/// ns times 2^SHIFT in one cycle of this processor's counter.
fn multiplier() -> u32 {
    let (start, start_cycle) = (Instant::now(), counter());
    sleep(Duration::from_millis(50));
    let (ns, cycles) = (start.elapsed().as_nanos(), counter() - start_cycle);
    ((ns << SHIFT) / u128::from(cycles)) as u32
}

struct Namespace<'a> {
    image: Image,
    layout: &'a Layout,
    mult: u32,
}

impl<'a> Namespace<'a> {
    /// Fails if the clocks do not read what they should.
    fn new(image: Image, layout: &'a Layout, mult: u32, own: bool) -> Result<Self, Error> {
        let mut namespace = Self {
            image,
            layout,
            mult,
        };
        let page = if own {
            own_page(layout)
        } else {
            plain_page(layout)
        };
        namespace.image.set_page(layout.time_page, page.bytes());
        let first = if own {
            OWN + SINCE_ANCHOR + SINCE_ANCHOR / 20_000
        } else {
            HOST + OFFSET
        };
        for clock_id in CLOCKS {
            namespace.restart(0);
            let (status, time) = namespace.image.clock_gettime(clock_id as i32);
            if status != 0 || !(first..first + 2).contains(&(time.sec as u64)) {
                return Err(format!(
                    "clock {clock_id} reads {} s (status {status}) instead of {first}",
                    time.sec
                )
                .into());
            }
        }
        Ok(namespace)
    }

    /// Lets the host's clocks start again now, so many ns after the full second.
    fn restart(&mut self, nsec: u64) {
        let mut host = Page::host(
            self.layout,
            Counter {
                cycle_last: counter(),
                mult: self.mult,
                shift: SHIFT,
            },
        );
        for source in [self.layout.cs_hres_coarse, self.layout.cs_raw] {
            for clock_id in CLOCKS {
                let coarse = [REALTIME_COARSE, MONOTONIC_COARSE].contains(&clock_id);
                let nsec = if coarse { nsec } else { nsec << SHIFT };
                host.set_base(source, clock_id, BaseTime { sec: HOST, nsec });
            }
        }
        self.image.set_page(self.layout.timens_page, host.bytes());
    }

    /// ns of one call.
    fn time(&mut self, clock_id: usize, nsec: u64) -> f64 {
        self.restart(nsec);
        let clock_id = clock_id as i32;
        self.image.repeat_clock_gettime(clock_id, CALLS / 10);
        let start = Instant::now();
        self.image.repeat_clock_gettime(clock_id, CALLS);
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    }
}

fn plain_page(layout: &Layout) -> Page<'_> {
    let mut page = Page::namespace(layout);
    for source in [layout.cs_hres_coarse, layout.cs_raw] {
        for clock_id in CLOCKS {
            page.set_offset(
                source,
                clock_id,
                BaseTime {
                    sec: OFFSET,
                    nsec: OFFSET_NSEC,
                },
            );
        }
    }
    page
}

fn own_page(layout: &Layout) -> Page<'_> {
    let line = Line {
        anchor: u128::from(OWN * NSEC_PER_SEC) << 56,
        rate: RATE,
        reciprocal: 0,
    };
    let segment = Segment {
        reference: (HOST - SINCE_ANCHOR) * NSEC_PER_SEC,
        mono: line,
        raw: line,
        offset: vec![0; TAI + 1],
    };
    let mut page = Page::namespace(layout);
    page.set_own_clock(&segment, &segment);
    page
}
