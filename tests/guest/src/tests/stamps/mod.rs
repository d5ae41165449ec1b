// SPDX-License-Identifier: GPL-2.0

//! Time stamps of packets: taken from the host's REALTIME, given in that of the time namespace of
//! the task that receives them.

mod form;
mod link;
mod socket;

use std::os::fd::AsRawFd;

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::clock::Clock;
use crate::failure::{check, check_eq, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::{Namespace, Pending};
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::timers::calls::uring::{request, Ring, SETUP_CQE32};
use crate::timers::entry::Entry;
use crate::tracked::Tracked;

use form::{Form, Last};
use link::{Kind, Link, Stamping};

tests![
    elsewhere_in_host_time: mainline,
    received,
    zerocopy,
    last_received,
    sent,
    sent_by_io_uring,
    of_whoever_receives,
    stepped_while_queued,
    adjusted_while_queued,
    host_set_while_queued,
];

const SEC: Ns = 1_000_000_000;
const YEAR: Ns = 365 * 86_400 * SEC;

/// How long packets wait to be received, reference ns.
const WAIT: Ns = 2_000_000;

/// Namespaces whose clocks differ in all respects, but none is in 2038, where 32-bit seconds end.
fn places() -> Outcome<Vec<(&'static str, Namespace)>> {
    let places = [
        ("a year ahead", Lines::new().realtime(YEAR).rate(1, 0)),
        (
            "years behind, fast",
            Lines::new().realtime(-20 * YEAR).rate(2, 0),
        ),
        ("slow", Lines::new().realtime(-SEC).rate(0, 500_000_000)),
        ("frozen", Lines::new().realtime(86_400 * SEC).rate(0, 0)),
    ];
    places
        .into_iter()
        .map(|(name, lines)| Ok((name, Tracked::new(&lines)?.namespace)))
        .collect()
}

/// Checks a stamp of what happened at the time `at`, in units of `unit` ns.
fn verify(stamp: Ns, at: Span, unit: Ns) -> Outcome {
    let expected = Span::new(at.lo / unit * unit, at.hi);
    check!(
        expected.contains(stamp),
        "the stamp is {stamp}, should be in {expected}"
    );
    Ok(())
}

/// Every form of stamp with every kind of socket.
fn receive_all(namespace: &Namespace) -> Outcome {
    for kind in Kind::ALL {
        for form in Form::ALL.iter().filter(|form| kind.has(form)) {
            for &entry in Entry::OLD {
                let link = Link::new(kind)?;
                form.enable(&link.receiver)?;
                let at = namespace.inside(|| link.send())?;
                host::pass(WAIT)?;
                let stamp = namespace.inside(|| link.receive(entry, form, 0))?;
                verify(stamp, at, form.unit())
                    .during(format_args!("{kind:?}, {}, {entry} bits", form.name))?;
            }
        }
    }
    Ok(())
}

fn elsewhere_in_host_time(_: &Setting) -> Outcome {
    let _stamping = Stamping::begin()?;
    receive_all(&Namespace::current()?).during("on the host")?;

    let pending = Pending::new()?;
    pending.write(Lines::new().monotonic(1000 * SEC).boottime(YEAR))?;
    receive_all(&pending.detach()?).during("in a namespace without a clock")
}

fn received(_: &Setting) -> Outcome {
    let _stamping = Stamping::begin()?;
    places()?
        .iter()
        .try_for_each(|(name, namespace)| receive_all(namespace).during(name))
}

fn zerocopy(_: &Setting) -> Outcome {
    let _stamping = Stamping::begin()?;
    for (name, namespace) in places()? {
        for form in Form::ALL {
            for &entry in Entry::OLD {
                let link = Link::new(Kind::Tcp)?;
                form.enable(&link.receiver)?;
                let at = namespace.inside(|| link.send())?;
                host::pass(WAIT)?;
                let receive = || socket::receive_zerocopy(entry, &link.receiver);
                let stamp = form.find(&namespace.inside(receive)?)?;
                verify(stamp, at, form.unit())
                    .during(format_args!("{name}, {}, {entry} bits", form.name))?;
            }
        }
    }
    Ok(())
}

fn last_received(_: &Setting) -> Outcome {
    let _stamping = Stamping::begin()?;
    for (name, namespace) in places()? {
        for kind in [Kind::Udp, Kind::Udp6, Kind::Packet] {
            let link = Link::new(kind)?;
            // From now on it remembers them.
            let none = Last::ALL[0].read(Entry::Native, &link.receiver);
            check_eq!(none, Err(Errno::NOENT), "SIOCGSTAMP before a packet");
            let at = namespace.inside(|| link.send())?;
            socket::receive(Entry::Native, &link.receiver, 0)?;
            host::pass(WAIT)?;
            for last in Last::ALL {
                for &entry in Entry::OLD {
                    let read = || last.read(entry, &link.receiver).context(last.name);
                    verify(namespace.inside(read)?, at, last.unit()).during(format_args!(
                        "{name}, {kind:?}, {}, {entry} bits",
                        last.name
                    ))?;
                }
            }
        }
    }
    Ok(())
}

/// Stamps of what was sent, which come through the queue of errors.
fn sent(_: &Setting) -> Outcome {
    let events = [
        (Kind::Udp, libc::SOF_TIMESTAMPING_TX_SCHED),
        (Kind::Udp, libc::SOF_TIMESTAMPING_TX_SOFTWARE),
        (Kind::Udp6, libc::SOF_TIMESTAMPING_TX_SOFTWARE),
        (Kind::Tcp, libc::SOF_TIMESTAMPING_TX_SOFTWARE),
        (Kind::Tcp, libc::SOF_TIMESTAMPING_TX_ACK),
    ];
    for (name, namespace) in places()? {
        for (kind, event) in events {
            let flags = event | libc::SOF_TIMESTAMPING_SOFTWARE;
            for form in Form::of_events(flags | libc::SOF_TIMESTAMPING_OPT_TSONLY) {
                for &entry in Entry::OLD {
                    let link = Link::new(kind)?;
                    form.enable(&link.sender)?;
                    let at = namespace.inside(|| link.send_until(&link.sender, PollFlags::ERR))?;
                    host::pass(WAIT)?;
                    let receive = || socket::receive(entry, &link.sender, libc::MSG_ERRQUEUE);
                    let stamp = form.find(&namespace.inside(receive)?)?;
                    verify(stamp, at, form.unit()).during(format_args!(
                        "{name}, {kind:?}, {}, event {event}, {entry} bits",
                        form.name
                    ))?;
                }
            }
        }
    }
    Ok(())
}

/// The same, which io_uring takes from there.
fn sent_by_io_uring(_: &Setting) -> Outcome {
    const URING_CMD: u8 = 46;
    const TX_TIMESTAMP: u32 = 4;
    for (name, namespace) in places()? {
        let ring = Ring::new(Entry::Native, SETUP_CQE32)?;
        let link = Link::new(Kind::Udp)?;
        let flags = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
        let flags = flags | libc::SOF_TIMESTAMPING_OPT_TSONLY;
        Form::TIMESTAMPING.of(flags).enable(&link.sender)?;
        let mut command = request(URING_CMD, 0, link.sender.as_raw_fd());
        command[8..12].copy_from_slice(&TX_TIMESTAMP.to_ne_bytes());
        ring.push(&command);
        ring.submit_and_wait(1, 0)?;

        // The stamp does not stay in the queue of errors.
        let at = namespace.inside(|| link.send())?;
        let completions = namespace.inside(|| ring.submit_and_wait(0, 1))?;
        let [secs, nsecs] = completions[0].more.map(Ns::from);
        verify(secs * SEC + nsecs, at, 1).during(format_args!("{name}, {completions:?}"))?;
    }
    Ok(())
}

/// One packet, and tasks that look for it in several namespaces.
fn of_whoever_receives(_: &Setting) -> Outcome {
    let form = Form::TIMESTAMPNS;
    let _stamping = Stamping::begin()?;
    let mut places = places()?;
    places.push(("host", Namespace::current()?));
    let now = || {
        let read = |(_, namespace): &(_, Namespace)| namespace.inside(|| Clock::Realtime.now());
        places.iter().map(read).collect::<Outcome<Vec<Ns>>>()
    };
    for kind in Kind::ALL {
        let link = Link::new(kind)?;
        form.enable(&link.receiver)?;
        let before = now()?;
        link.send()?;
        let after = now()?;
        for _ in 0..2 {
            for ((name, namespace), (&lo, &hi)) in places.iter().zip(before.iter().zip(&after)) {
                let stamp =
                    namespace.inside(|| link.receive(Entry::Native, &form, libc::MSG_PEEK))?;
                verify(stamp, Span::new(lo, hi), form.unit())
                    .during(format_args!("{name}, {kind:?}"))?;
            }
        }
    }
    Ok(())
}

fn stepped_while_queued(_: &Setting) -> Outcome {
    const OFFSETS: [Ns; 3] = [25 * YEAR, -10 * YEAR, YEAR];
    let form = Form::TIMESTAMPNS;
    let _stamping = Stamping::begin()?;
    let mut tracked = Tracked::new(&Lines::new().realtime(OFFSETS[0]).rate(1, 0))?;
    let link = Link::new(Kind::Udp)?;
    form.enable(&link.receiver)?;
    let on_host = Clock::Realtime.now()?;
    let at = tracked.namespace.inside(|| link.send())?;
    let on_host = Span::new(on_host, Clock::Realtime.now()?);

    tracked.change(ProcFile::Clock, &Lines::new().realtime(OFFSETS[1]))?;
    let peek = |tracked: &Tracked| {
        let receive = || link.receive(Entry::Native, &form, libc::MSG_PEEK);
        tracked.namespace.inside(receive)
    };
    verify(peek(&tracked)?, at, form.unit()).during("stepped once")?;

    // What was before the last two changes is forgotten: it is as if the first had been earlier.
    tracked.change(ProcFile::Clock, &Lines::new().realtime(OFFSETS[2]))?;
    let at = on_host.shifted(OFFSETS[1]);
    // Both the offset and the stamp are rounded.
    let at = Span::new(at.lo - 2, at.hi + 2);
    verify(peek(&tracked)?, at, form.unit()).during("stepped twice")
}

/// As a clock is that NTP slews: it changes each second, by little.
fn adjusted_while_queued(_: &Setting) -> Outcome {
    let form = Form::TIMESTAMPNS;
    let _stamping = Stamping::begin()?;
    let mut tracked = Tracked::new(&Lines::new().realtime(25 * YEAR).rate(2, 0))?;
    let link = Link::new(Kind::Udp)?;
    form.enable(&link.receiver)?;
    let begin = host::reference()?;
    let at = tracked.namespace.inside(|| link.send())?;
    for change in [1, 0, 1, 0] {
        host::pass(SEC / 50)?;
        tracked.change(ProcFile::Clock, &Lines::new().rate(2, change))?;
    }
    let stamp = tracked
        .namespace
        .inside(|| link.receive(Entry::Native, &form, 0))?;
    // The last rates but one are wrong by 1 ns a second at most.
    let doubt = (host::reference()? - begin) / SEC + 3;
    verify(stamp, Span::new(at.lo - doubt, at.hi + doubt), form.unit())
}

fn host_set_while_queued(_: &Setting) -> Outcome {
    const STEP: Ns = 100 * SEC;
    let form = Form::TIMESTAMPNS;
    let step = |ns| {
        let now = Clock::Realtime.now()?;
        sys::clock_settime(libc::CLOCK_REALTIME, now + ns).context("clock_settime")
    };
    let _stamping = Stamping::begin()?;
    for (name, namespace) in places()? {
        let link = Link::new(Kind::Udp)?;
        form.enable(&link.receiver)?;
        let at = namespace.inside(|| link.send())?;
        step(-STEP)?;
        let result = namespace.inside(|| {
            let stamp = link.receive(Entry::Native, &form, 0)?;
            let at = Span::new(at.lo, Clock::Realtime.now()?);
            verify(stamp, at, form.unit())
        });
        step(STEP)?;
        result.during(name)?;
    }
    Ok(())
}
