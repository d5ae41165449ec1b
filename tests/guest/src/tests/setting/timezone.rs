// SPDX-License-Identifier: GPL-2.0

//! The kernel's time zone, which only settimeofday() and gettimeofday() know: one a namespace.

use crate::bystanders::{timed_inside, Bystanders};
use crate::failure::{check_eq, fail, Context, During, Outcome};
use crate::lines::Lines;
use crate::means::SETTIMEOFDAY;
use crate::namespace::Pending;
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::Task;
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::tracked::Tracked;
use crate::vdso::Vdso;

tests![
    own,
    with_a_time,
    inherited,
    of_host_not_inherited_later,
    plain_has_hosts,
];

const SEC: Ns = 1_000_000_000;
const GETTIMEOFDAY: Number = Number::plain(libc::SYS_gettimeofday, 78);

/// Minutes west, and daylight saving.
type Zone = (i32, i32);

/// Some that can be, the outermost among them.
const ZONES: [Zone; 6] = [(-60, 0), (300, 1), (-900, 0), (900, 7), (0, 0), (-1, -1)];

fn set(entry: Entry, zone: Zone) -> Outcome {
    let zone = Place::of(&[zone.0.to_ne_bytes(), zone.1.to_ne_bytes()].concat())?;
    syscall!(entry, SETTIMEOFDAY, Arg::NULL, &zone)
        .context("settimeofday")
        .map(drop)
}

/// The zone of this process' namespace, which all ways to ask for it have to agree on.
fn get() -> Outcome<Zone> {
    let by_vdso = Vdso::get()?.time_zone().context("gettimeofday by vDSO")?;
    for &entry in Entry::OLD {
        let place = Place::zeroed(8)?;
        syscall!(entry, GETTIMEOFDAY, Arg::NULL, &place).context("gettimeofday")?;
        let zone = (place.read_u32(0) as i32, place.read_u32(4) as i32);
        if zone != by_vdso {
            fail!("gettimeofday/{entry} gives {zone:?}, the vDSO {by_vdso:?}");
        }
    }
    Ok(by_vdso)
}

/// What the test has done to the host's is undone, whatever comes of it.
///
/// The host takes the first zone after boot, if it is not UTC, for a sign that its RTC has local
/// time, and sets REALTIME accordingly. So UTC comes first.
fn with_zone_of_host<T>(zone: Zone, body: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let before = get()?;
    set(Entry::Native, (0, 0))?;
    set(Entry::Native, zone)?;
    let result = body();
    set(Entry::Native, before)?;
    result
}

fn own(_: &Setting) -> Outcome {
    with_zone_of_host((77, 1), || {
        let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
        let bystanders = Bystanders::new()?;
        for zone in ZONES {
            for &entry in Entry::OLD {
                tracked.namespace.inside(|| set(entry, zone))?;
                check_eq!(
                    tracked.namespace.inside(get)?,
                    zone,
                    "the zone that was set"
                );
                check_eq!(get()?, (77, 1), "the host's");
            }
            // The first one, too: a namespace has no RTC whose time might be local.
            tracked.verify().during("clocks, after a zone was set")?;
        }
        bystanders.verify().during("outside")
    })
}

/// Both at once.
fn with_a_time(_: &Setting) -> Outcome {
    const TIME: Ns = 1_700_000_000 * SEC;
    let host = get()?;
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    for (&entry, zone) in Entry::OLD.iter().zip(ZONES) {
        let time = Place::of(&entry.timeval(TIME))?;
        let place = Place::of(&[zone.0.to_ne_bytes(), zone.1.to_ne_bytes()].concat())?;
        let call = || syscall!(entry, SETTIMEOFDAY, &time, &place).context("settimeofday");
        let (_, at) = timed_inside(&tracked, call)?;
        tracked.expected.set_realtime(at, TIME);
        tracked.verify()?;
        check_eq!(tracked.namespace.inside(get)?, zone, "the zone");
    }
    // When the time cannot be set, the zone is.
    let time = Place::of(&Entry::Native.timeval(0))?;
    let place = Place::of(&[5_i32.to_ne_bytes(), 6_i32.to_ne_bytes()].concat())?;
    let call = || Ok(syscall!(Entry::Native, SETTIMEOFDAY, &time, &place));
    let result = tracked.namespace.inside(call)?;
    check_eq!(
        result,
        Err(rustix::io::Errno::INVAL),
        "setting the time to 0"
    );
    check_eq!(tracked.namespace.inside(get)?, (5, 6), "the zone with that");
    tracked.verify()?;
    check_eq!(get()?, host, "the host's");
    Ok(())
}

/// A clone begins with its parent's, and goes its own way.
fn inherited(_: &Setting) -> Outcome {
    let parent = Tracked::new(&Lines::new().rate(1, 0))?;
    parent.namespace.inside(|| set(Entry::Native, (-120, 3)))?;
    let clone = parent.cloned(&Lines::new())?;
    check_eq!(clone.namespace.inside(get)?, (-120, 3), "a clone's zone");
    clone.namespace.inside(|| set(Entry::Native, (60, 0)))?;
    check_eq!(clone.namespace.inside(get)?, (60, 0), "a clone's, set");
    check_eq!(parent.namespace.inside(get)?, (-120, 3), "its parent's");
    parent.namespace.inside(|| set(Entry::Native, (1, 1)))?;
    check_eq!(clone.namespace.inside(get)?, (60, 0), "a clone's, at last");

    // A process that is executed has another vDSO.
    let fresh = || check_zone_in_child((1, 1));
    parent.namespace.inside(fresh)
}

fn check_zone_in_child(zone: Zone) -> Outcome {
    Task::spawn(move || {
        check_eq!(get()?, zone, "in a child");
        Ok(())
    })?
    .join()
}

/// A namespace starts with the host's zone, and keeps that.
fn of_host_not_inherited_later(_: &Setting) -> Outcome {
    with_zone_of_host((45, 2), || {
        let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
        check_eq!(tracked.namespace.inside(get)?, (45, 2), "a new one's zone");
        set(Entry::Native, (46, 2))?;
        let zone = tracked.namespace.inside(get)?;
        check_eq!(zone, (45, 2), "the namespace's, after the host's was set");
        tracked.verify()
    })
}

/// A plain namespace has none of its own.
fn plain_has_hosts(_: &Setting) -> Outcome {
    with_zone_of_host((15, 0), || {
        let plain = Pending::new()?;
        plain.write("monotonic 5 0\n")?;
        let plain = plain.detach()?;
        check_eq!(plain.inside(get)?, (15, 0), "a plain namespace's zone");
        plain.inside(|| set(Entry::Native, (16, 0)))?;
        check_eq!(get()?, (16, 0), "the host's, set in a plain namespace");
        Ok(())
    })
}
