// SPDX-License-Identifier: GPL-2.0

//! io_getevents(), with nothing submitted.

use super::returned;
use crate::failure::{Context, Outcome};
use crate::timers::call::{Call, Site, Timeout, Wait};
use crate::timers::entry::{syscall, Arg, Entry, Number};
use crate::timers::place::Place;
use crate::timers::times::room;

pub(crate) const CALLS: &[Call] = &[
    Call::new("io_getevents", Timeout::MONOTONIC, io_getevents)
        .entries(Entry::OLD)
        .disturbed(),
    Call::new("io_pgetevents", Timeout::MONOTONIC, io_pgetevents).disturbed(),
];

const SETUP: Number = Number::plain(libc::SYS_io_setup, 245);
const GETEVENTS: Number = Number::plain(libc::SYS_io_getevents, 247);
const PGETEVENTS: Number = Number::timed(333, 385, 416);

fn get_events(site: &Site, number: Number) -> Outcome<Wait> {
    let entry = site.entry;
    let context = Place::zeroed(8)?;
    syscall!(entry, SETUP, 1, &context).context("io_setup")?;
    let context = context.read_u64(0) as usize;
    let event = Place::zeroed(32)?;
    let time = room(entry, 1)?;
    Ok(Box::new(move |ns| {
        time.write(0, &entry.timespec(ns));
        let got = syscall!(entry, number, context, 1, 1, &event, &time, Arg::NULL);
        returned("io_getevents", got, 0)
    }))
}

fn io_getevents(site: Site) -> Outcome<Wait> {
    get_events(&site, GETEVENTS)
}

fn io_pgetevents(site: Site) -> Outcome<Wait> {
    get_events(&site, PGETEVENTS)
}
