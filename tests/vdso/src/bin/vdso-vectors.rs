// SPDX-License-Identifier: GPL-2.0

//! Usage: vdso-vectors IMAGE LAYOUT
//!
//! Feeds the test vectors of standard input to the vDSO image, and some more around full seconds and
//! around the end of all times: it has to return what they say, to the nanosecond. The host's page
//! multiplies the counter by 0, so that the host's clocks read what the vector wants them to.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, BufRead},
    process::ExitCode,
};

use timens_vdso_tests::{
    elf::Elf,
    image::{Image, Timespec, Timeval, Timezone},
    layout::Layout,
    page::{BaseTime, Counter, Page},
    vector::{
        around_full_seconds, around_the_end, Vector, BOOTTIME, CLOCKS, MONOTONIC, MONOTONIC_COARSE,
        NSEC_PER_SEC, REALTIME, REALTIME_COARSE, TAI,
    },
    Error,
};

/// The largest one that the kernel gives a clock source.
const MAX_SHIFT: u64 = 32;

/// How many differences are shown.
const SHOWN: usize = 10;

/// The namespace's time zone, and the host's.
const ZONE: Timezone = Timezone {
    minuteswest: 90,
    dsttime: 3,
};
const HOST_ZONE: Timezone = Timezone {
    minuteswest: 60,
    dsttime: 1,
};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vdso-vectors: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Error> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [image, layout] = arguments.as_slice() else {
        return Err("usage: vdso-vectors IMAGE LAYOUT < VECTORS".into());
    };
    let layout = Layout::parse(&fs::read(layout)?)?;
    let elf = Elf::parse(&fs::read(image)?, &layout)?;
    let mut check = Check {
        image: Image::map(&elf, &layout)?,
        layout: &layout,
        readings: 0,
        different: 0,
    };

    let mut clocks = BTreeSet::new();
    let mut vectors = 0;
    for line in io::stdin().lock().lines() {
        let vector: Vector = line?
            .parse()
            .map_err(|error| format!("vector {}: {error}", vectors + 1))?;
        check.vector(vectors, &vector);
        clocks.insert(vector.clock_id);
        vectors += 1;
    }
    for vector in around_full_seconds().chain(around_the_end()) {
        check.vector(vectors, &vector);
        vectors += 1;
    }
    if !CLOCKS.iter().all(|clock| clocks.contains(clock)) {
        return Err("there are not vectors of all clocks".into());
    }
    println!(
        "{vectors} vectors, through the vDSO image: readings\n{} passed, {} failed",
        check.readings - check.different,
        check.different
    );
    Ok(if check.different == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Check<'a> {
    image: Image,
    layout: &'a Layout,
    readings: usize,
    different: usize,
}

impl Check<'_> {
    fn vector(&mut self, index: u64, vector: &Vector) {
        let (host, namespace) = pages(self.layout, index, vector);
        self.image
            .set_page(self.layout.time_page, namespace.bytes());
        self.image.set_page(self.layout.timens_page, host.bytes());

        let Ok(clock_id) = i32::try_from(vector.clock_id) else {
            unreachable!("a clock of the vDSO")
        };
        let sec = (vector.reading / NSEC_PER_SEC) as i64;
        let nsec = (vector.reading % NSEC_PER_SEC) as i64;
        let reading = self.image.clock_gettime(clock_id);
        self.compare(index, vector, reading, (0, Timespec { sec, nsec }));
        if vector.clock_id == REALTIME {
            let usec = nsec / 1000;
            let reading = self.image.gettimeofday();
            self.compare(index, vector, reading, (0, Timeval { sec, usec }, ZONE));
            let reading = self.image.timezone();
            self.compare(index, vector, reading, (0, ZONE));
        }
        if vector.clock_id == REALTIME_COARSE {
            let reading = self.image.time();
            self.compare(index, vector, reading, (sec, sec));
        }
    }

    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        index: u64,
        vector: &Vector,
        reading: T,
        expected: T,
    ) {
        self.readings += 1;
        if reading == expected {
            return;
        }
        self.different += 1;
        if self.different <= SHOWN {
            eprintln!(
                "vector {}, clock {} at {}: {reading:?} instead of {expected:?}",
                index + 1,
                vector.clock_id,
                vector.reference,
            );
        }
    }
}

/// The host's page and the namespace's. What the vector does not speak of is something that would
/// show in the reading if it were used.
fn pages<'a>(layout: &'a Layout, index: u64, vector: &Vector) -> (Page<'a>, Page<'a>) {
    let shift = index % (MAX_SHIFT + 1);
    let fraction = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << shift) - 1);
    let shifted = |ns: u64| BaseTime {
        sec: ns / NSEC_PER_SEC,
        nsec: ((ns % NSEC_PER_SEC) << shift) + fraction,
    };
    // A coarse clock is what the fine one was at the last tick, or at a change since then.
    let is_coarse = [REALTIME_COARSE, MONOTONIC_COARSE].contains(&vector.clock_id);
    let changed = vector.current.reference;
    let apart = index % 4_000_000;
    let (fine, coarse) = if !is_coarse {
        (vector.reference, vector.reference.saturating_sub(1 + apart))
    } else if vector.reference < changed {
        let before = (vector.reference + apart).min(changed - 1);
        (before, vector.reference)
    } else if vector.reference == changed {
        (changed + apart, changed.saturating_sub(apart))
    } else {
        (vector.reference + apart, vector.reference)
    };

    let mut host = Page::host(
        layout,
        Counter {
            cycle_last: 0,
            mult: 0,
            shift: shift as u32,
        },
    );
    let source = layout.cs_hres_coarse;
    let elsewhere = shifted(fine ^ (1 << 50));
    for clock_id in [REALTIME, REALTIME_COARSE, BOOTTIME, TAI] {
        host.set_base(source, clock_id, elsewhere);
    }
    host.set_base(source, MONOTONIC, shifted(fine));
    host.set_sleep(vector.sleep);
    host.set_base(
        source,
        MONOTONIC_COARSE,
        BaseTime {
            sec: coarse / NSEC_PER_SEC,
            nsec: coarse % NSEC_PER_SEC,
        },
    );
    host.disable(layout.cs_raw);
    // These do not need a counter.
    if is_coarse && coarse >= changed && index % 2 == 0 {
        host.disable(source);
    }
    host.set_timezone(HOST_ZONE);

    let mut namespace = Page::namespace(layout);
    for source in [layout.cs_hres_coarse, layout.cs_raw] {
        for clock_id in CLOCKS {
            namespace.set_offset(source, clock_id, BaseTime { sec: 1, nsec: 1 });
        }
    }
    namespace.set_timezone(ZONE);
    namespace.set_own_clock(&vector.previous, &vector.current);
    (host, namespace)
}
