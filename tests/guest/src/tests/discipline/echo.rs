// SPDX-License-Identifier: GPL-2.0

//! What is set is what is read back: clients take anything else for somebody's interference.

use crate::bystanders::{timeless, Bystanders};
use crate::clock::{ahead_of_raw, Clock};
use crate::failure::{check, check_eq, During, Outcome};
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::random::Random;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::Ns;
use crate::timex::{modes, Adjuster, Timex};
use crate::tracked::Tracked;

tests![
    begins_undisciplined,
    values,
    status,
    units,
    of_clones,
    slews,
    clients,
];

const SEC: Ns = 1_000_000_000;
const PPM: i64 = 1 << 16;

fn namespace() -> Outcome<Namespace> {
    Ok(Tracked::new(&Lines::new().rate(1, 0))?.namespace)
}

/// A new clock is not disciplined, whatever the host's is.
fn begins_undisciplined(_: &Setting) -> Outcome {
    for (secs, nsecs) in [(0, 0), (1, 0), (7, 5)] {
        let tracked = Tracked::new(&Lines::new().rate(secs, nsecs).realtime(SEC))?;
        let tai = (tracked.expected.tai_ahead() / SEC) as i32;
        tracked.namespace.inside(|| {
            for adjuster in Adjuster::all()? {
                let (state, answer) = adjuster.read()?;
                check_eq!(state, libc::TIME_ERROR, "the state of a new clock");
                let expected = Timex {
                    maxerror: 16_000_000,
                    esterror: 16_000_000,
                    status: libc::STA_UNSYNC,
                    constant: 2,
                    precision: 1,
                    tolerance: 500 * PPM,
                    tick: 10_000,
                    tai,
                    sec: answer.sec,
                    subsec: answer.subsec,
                    ..Timex::default()
                };
                check_eq!(answer, expected, "what {adjuster} says of a new clock");
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// A field, what sets it, and how it is read.
struct Field {
    name: &'static str,
    request: fn(i64) -> Timex,
    read: fn(&Timex) -> i64,
    /// The least and the most that it can be.
    limits: (i64, i64),
    /// Some values, beyond these limits too if they are enforced.
    values: &'static [i64],
}

const FIELDS: [Field; 6] = [
    Field {
        name: "freq",
        request: |value| Timex::of(modes::FREQUENCY).freq(value),
        read: |timex| timex.freq,
        limits: (-500 * PPM, 500 * PPM),
        values: &[
            0,
            1,
            -1,
            PPM,
            -PPM,
            500 * PPM,
            501 * PPM,
            -1000 * PPM,
            7,
            -1_234_567,
        ],
    },
    Field {
        name: "tick",
        request: |value| Timex::of(modes::TICK).tick(value),
        read: |timex| timex.tick,
        limits: (9_000, 11_000),
        values: &[9_000, 9_001, 9_999, 10_000, 10_001, 11_000],
    },
    Field {
        name: "maxerror",
        request: |value| Timex {
            maxerror: value,
            ..Timex::of(modes::MAXERROR)
        },
        read: |timex| timex.maxerror,
        limits: (0, 16_000_000),
        values: &[0, 1, 15_000_000, 16_000_000, 16_000_001, -1],
    },
    Field {
        name: "esterror",
        request: |value| Timex {
            esterror: value,
            ..Timex::of(modes::ESTERROR)
        },
        read: |timex| timex.esterror,
        limits: (0, 16_000_000),
        values: &[0, 1, 15_999_999, 16_000_000, 20_000_000, -5],
    },
    Field {
        name: "tai",
        request: |value| Timex::of(modes::TAI).constant(value),
        read: |timex| timex.tai.into(),
        limits: (0, 100_000),
        values: &[0, 37, 1, 100_000],
    },
    Field {
        name: "constant",
        request: |value| Timex::of(modes::TIMECONST | modes::NANO).constant(value),
        read: |timex| timex.constant,
        limits: (0, 10),
        values: &[0, 1, 6, 10, 11, -1],
    },
];

fn values(_: &Setting) -> Outcome {
    let namespace = namespace()?;
    let bystanders = Bystanders::new()?;
    let mut random = Random::new(3);
    namespace.inside(|| {
        let adjusters = Adjuster::all()?;
        for Field {
            name,
            request,
            read,
            limits: (least, most),
            values,
        } in &FIELDS
        {
            let some = (0..200).map(|_| least + random.below((most - least + 1) as usize) as i64);
            for (value, adjuster) in values
                .iter()
                .copied()
                .chain(some)
                .zip(adjusters.iter().cycle())
            {
                let expected = value.clamp(*least, *most);
                // A second may have ended, in which the maximum error grows.
                let growth = if *name == "maxerror" { 500 } else { 0 };
                let expected = expected..=(expected + growth).min(*most);
                let answer = adjuster.adjust(&request(value))?.1;
                check!(
                    expected.contains(&read(&answer)),
                    "{adjuster} has set {name} to {value} and says {answer:?}"
                );
                for reader in &adjusters {
                    let answer = reader.read()?.1;
                    check!(
                        expected.contains(&read(&answer)),
                        "{name} was set to {value}, {reader} says {answer:?}"
                    );
                }
            }
        }
        Ok(())
    })?;
    bystanders.verify()
}

/// The status is what was set, but for bits that nobody can set.
fn status(_: &Setting) -> Outcome {
    const READ_ONLY: i32 = 0xff00;
    let namespace = namespace()?;
    let bystanders = Bystanders::new()?;
    namespace.inside(|| {
        for adjuster in Adjuster::all()? {
            adjuster.adjust(&Timex::of(modes::MICRO | modes::MAXERROR))?;
            for status in (0..=0xff).chain([0x100, 0x2000, 0x4000, 0xffff, -1]) {
                // Not the bits of a leap second at once: they are for the second after this one.
                let request = Timex::of(modes::STATUS).status(status);
                let (state, answer) = adjuster.adjust(&request)?;
                let expected = status & !READ_ONLY;
                check_eq!(answer.status, expected, "status set to {status:#x}");
                // Without support for a pulse-per-second signal, nobody misses one.
                check_eq!(
                    state == libc::TIME_ERROR,
                    status & libc::STA_UNSYNC != 0,
                    "the state is {state}, status {status:#x}"
                );
            }
            adjuster.adjust(&Timex::of(modes::STATUS).status(libc::STA_PLL))?;
            adjuster.adjust(&Timex::of(modes::STATUS).status(0))?;
        }
        Ok(())
    })?;
    bystanders.verify()
}

/// Nanoseconds, or microseconds, as the last call has said; per namespace.
fn units(_: &Setting) -> Outcome {
    let namespace = namespace()?;
    let bystanders = Bystanders::new()?;
    namespace.inside(|| {
        for adjuster in Adjuster::all()? {
            for (mode, status, most) in [
                (modes::NANO, libc::STA_NANO, 999_999_999),
                (0, libc::STA_NANO, 999_999_999),
                (modes::MICRO, 0, 999_999),
                (0, 0, 999_999),
            ] {
                let before = Clock::Realtime.now()?;
                let answer = adjuster.adjust(&Timex::of(mode))?.1;
                let after = Clock::Realtime.now()?;
                check_eq!(answer.status & libc::STA_NANO, status, "STA_NANO");
                check!((0..=most).contains(&answer.subsec), "{answer:?}");
                let (time, unit) = answer.time();
                check!(
                    (before / unit * unit..=after).contains(&time),
                    "{adjuster} says {time} between {before} and {after}"
                );
            }
        }
        Ok(())
    })?;
    bystanders.verify()
}

/// A clone continues as its parent was disciplined, then goes its own way.
fn of_clones(_: &Setting) -> Outcome {
    let parent = Tracked::new(&Lines::new().rate(1, 0))?;
    let adjuster = Adjuster::adjtimex(crate::timers::entry::Entry::Native)?;
    let all = modes::FREQUENCY
        | modes::TICK
        | modes::STATUS
        | modes::TIMECONST
        | modes::NANO
        | modes::ESTERROR;
    let request = Timex::of(all)
        .freq(-77)
        .tick(10_010)
        .status(libc::STA_PLL | libc::STA_FREQHOLD)
        .constant(7);
    parent.namespace.inside(|| adjuster.adjust(&request))?;
    let clone = parent.cloned(&Lines::new())?;
    let read = |namespace: &Namespace| namespace.inside(|| adjuster.read());
    let of_parent = timeless(read(&parent.namespace)?);
    check_eq!(
        timeless(read(&clone.namespace)?),
        of_parent,
        "a clone's discipline"
    );
    clone
        .namespace
        .inside(|| adjuster.adjust(&Timex::of(modes::FREQUENCY | modes::TICK).tick(9_500)))?;
    check_eq!(
        timeless(read(&parent.namespace)?),
        of_parent,
        "its parent's"
    );
    let answer = read(&clone.namespace)?.1;
    check_eq!((answer.freq, answer.tick), (0, 9_500), "a clone's, set");
    Ok(())
}

/// Checks that MONOTONIC gains `ppm` millionths on RAW in the next half second, or that and `more`
/// ns. Other changes are only at ticks, of which there are some.
fn gains(ppm: Ns, more: Ns) -> Outcome {
    // To the end of a tick that was a while ago.
    const DOUBT: Ns = 8_000_000;
    let (start, before) = ahead_of_raw()?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    let (end, after) = ahead_of_raw()?;
    let gained = Span::new(after.lo - before.hi, after.hi - before.lo);
    let passed = end - start;
    let expected = passed * ppm / 1_000_000 + more;
    let doubt = DOUBT * ppm.abs() / 1_000_000 + 1000;
    check!(
        (gained.lo - doubt..=gained.hi + doubt).contains(&expected),
        "{gained} ns gained on RAW in {passed} ns, should be {expected}"
    );
    Ok(())
}

/// MONOTONIC and REALTIME run as they are told to.
fn slews(_: &Setting) -> Outcome {
    let namespace = namespace()?;
    let bystanders = Bystanders::new()?;
    namespace.inside(|| {
        let adjuster = Adjuster::adjtimex(crate::timers::entry::Entry::Native)?;
        gains(0, 0)?;
        for ppm in [500, -500, 10, 0] {
            adjuster.adjust(&Timex::of(modes::FREQUENCY).freq(ppm * PPM))?;
            gains(ppm.into(), 0).during(format_args!("{ppm} ppm"))?;
        }
        for tick in [11_000, 9_000, 10_001, 10_000] {
            adjuster.adjust(&Timex::of(modes::TICK).tick(tick))?;
            let ppm = Ns::from(tick - 10_000) * 100;
            gains(ppm, 0).during(format_args!("tick {tick}"))?;
        }
        let both = Timex::of(modes::FREQUENCY | modes::TICK);
        adjuster.adjust(&both.tick(10_100).freq(-100 * PPM))?;
        gains(9_900, 0).during("tick and frequency")?;
        adjuster.adjust(&both.tick(10_000))?;
        gains(0, 0)
    })?;
    bystanders.verify().during("outside, while it slews")
}

/// What the clients of adjtimex() do, and what they rely on.
fn clients(_: &Setting) -> Outcome {
    let namespace = namespace()?;
    namespace.inside(|| {
        let adjuster = Adjuster::adjtimex(crate::timers::entry::Entry::Native)?;
        let by_clock =
            Adjuster::clock_adjtime(crate::timers::entry::Entry::Native, libc::CLOCK_REALTIME)?;

        // chronyd starts, and sets a frequency with the tick, of which it uses what it reads back.
        let start = adjuster.read()?.1;
        check_eq!((start.tick, start.freq), (10_000, 0), "as chronyd finds it");
        adjuster.adjust(&Timex::of(modes::SINGLESHOT))?;
        let pll = libc::STA_PLL | libc::STA_UNSYNC;
        adjuster.adjust(&Timex::of(modes::OFFSET | modes::STATUS).status(pll))?;
        adjuster.adjust(&Timex::of(modes::STATUS).status(libc::STA_UNSYNC))?;
        let mut random = Random::new(9);
        for _ in 0..300 {
            let tick = 9_000 + random.below(2_001) as i64;
            let freq = random.below(100 << 16) as i64 - (50 << 16);
            let request = Timex::of(modes::TICK | modes::FREQUENCY)
                .tick(tick)
                .freq(freq);
            let answer = adjuster.adjust(&request)?.1;
            check_eq!(
                (answer.tick, answer.freq),
                (tick, freq),
                "chronyd's frequency"
            );
            let answer = adjuster.read()?.1;
            check_eq!(
                (answer.tick, answer.freq),
                (tick, freq),
                "chronyd's, read back"
            );
            check_eq!(answer.status & libc::STA_PLL, 0, "STA_PLL for chronyd");
        }
        let step = Timex::of(modes::SETOFFSET | modes::NANO).step(-2, 999_999_999);
        adjuster.adjust(&step)?;
        let errors = Timex::of(modes::STATUS | modes::ESTERROR | modes::MAXERROR);
        let (state, _) = adjuster.adjust(&errors)?;
        check_eq!(
            state,
            libc::TIME_OK,
            "the state that chronyd has synchronised"
        );

        // ntpd keeps its own constant, which is not changed for nanoseconds.
        adjuster.adjust(&Timex::of(modes::TICK | modes::FREQUENCY).tick(10_000))?;
        let all =
            modes::OFFSET | modes::MAXERROR | modes::ESTERROR | modes::STATUS | modes::TIMECONST;
        let request = Timex::of(all | modes::NANO)
            .status(libc::STA_PLL)
            .constant(6);
        let answer = adjuster.adjust(&request.offset(1_000_000))?.1;
        check_eq!(answer.constant, 6, "ntpd's constant");
        check_eq!(
            answer.status,
            libc::STA_PLL | libc::STA_NANO,
            "ntpd's status"
        );
        check!(
            (999_999..=1_000_000).contains(&answer.offset),
            "ntpd's offset: {answer:?}"
        );

        // systemd-timesyncd asks for a step in the same way as for a small offset.
        let request =
            Timex::of(modes::STATUS | modes::NANO | modes::SETOFFSET).status(libc::STA_PLL);
        let (state, answer) = by_clock.adjust(&request.step(3, 5))?;
        check_eq!(state, libc::TIME_OK, "timesyncd's state after a step");
        check_eq!(answer.offset, 0, "what is left to slew after a step");

        // busybox' ntpd does not know nanoseconds, nor does it ask for anything else.
        adjuster.adjust(&Timex::of(modes::MICRO))?;
        let request = Timex::of(modes::OFFSET | modes::STATUS | modes::TIMECONST);
        let request = request.status(libc::STA_PLL).constant(2).offset(-5_000);
        let answer = adjuster.adjust(&request)?.1;
        check_eq!(
            (answer.constant, answer.status),
            (6, libc::STA_PLL),
            "busybox'"
        );
        check!(
            (-5_000..=-4_999).contains(&answer.offset),
            "busybox': {answer:?}"
        );
        Ok(())
    })
}
