// SPDX-License-Identifier: GPL-2.0

//! `timens restore`: a command in a new time namespace whose clocks continue saved ones.
//!
//! A discipline can only be set from inside a namespace. So this process enters it before it
//! executes the command, which takes its place as with `timens run`.

use crate::cli::RestoreArgs;
use crate::clock::{Clock, Request};
use crate::complain;
use crate::error::Error;
use crate::host::{self, HostClocks};
use crate::ntp::{rate_fixed, Ntp};
use crate::procfs::{Control, Link, Procfs, Who};
use crate::rate::Rate;
use crate::run::{execute, make_namespace, say_request};
use crate::saved::{self, Saved};
use crate::sys::timex;
use crate::target;
use crate::Log;
use jiff::SignedDuration;
use rustix::time::ClockId;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Runs the command; returns only if that failed.
pub(crate) fn restore(procfs: &Procfs, args: &RestoreArgs, log: Log) -> Result<Infallible, Error> {
    let saved = read(&args.file)?;
    // Fails on a kernel without clocks, before anything is changed.
    procfs.clock(Who::Caller)?;
    // Here, because afterwards the files of this process speak of the new namespace.
    let host = HostClocks::read(procfs)?;
    let saved = match args.elapsed {
        true => saved.after(elapsed(&saved, &host)?),
        false => saved,
    };
    make_namespace(args.user, log)?;
    let request = request(&saved, &host);
    procfs.request(Who::Caller, Control::Offsets, &request)?;
    say_request(log, &request);
    // On a kernel without disciplines, adjtimex() would be about the host's.
    Ntp::of(&procfs.own_clock()?)?;

    target::enter(&procfs.link(Who::Caller, Link::TimeForChildren))?;
    replay(&saved, log)?;
    if !saved.rate().is_frozen() {
        let request = Request::rate(saved.rate());
        procfs.request(Who::Caller, Control::Clock, &request)?;
        say_request(log, &request);
    }
    say_what_differs(&saved, &procfs.own_clock()?, log);
    Err(execute(&args.command))
}

/// Reads a saved clock.
fn read(path: &Path) -> Result<Saved, Error> {
    let mut text = Vec::new();
    // A byte more than a saved clock has: whether there is more to come does not matter.
    let longest = saved::MAX_LENGTH + 1;
    match path.to_str() {
        Some("-") => io::stdin().take(longest).read_to_end(&mut text),
        _ => File::open(path).and_then(|file| file.take(longest).read_to_end(&mut text)),
    }
    .map_err(|error| Error::system(path.display().to_string(), error))?;
    Saved::parse(&text).map_err(|error| Error::Saved {
        path: path.to_owned(),
        error,
    })
}

/// What has passed on the host since a clock was saved.
///
/// By the date, which is the one clock that two boots or two machines share.
fn elapsed(saved: &Saved, host: &HostClocks) -> Result<SignedDuration, Error> {
    let elapsed = host
        .realtime
        .saturating_sub(SignedDuration::from(saved.host_realtime));
    match elapsed.is_negative() {
        true => Err(Error::SavedInFuture(elapsed.abs())),
        false => Ok(elapsed),
    }
}

/// The request for a namespace that continues a saved one when the host's clocks read `host`. It is
/// frozen, so that nothing passes while it gets its discipline.
fn request(saved: &Saved, host: &HostClocks) -> Request {
    let ahead = |clock: crate::offset::Offset, host: SignedDuration| {
        Some(SignedDuration::from(clock).saturating_sub(host).into())
    };
    Request {
        realtime: ahead(saved.clocks.realtime, host.realtime),
        monotonic: ahead(saved.clocks.monotonic, host.monotonic),
        boottime: ahead(saved.clocks.boottime, host.boottime),
        rate: Some(Rate::FROZEN),
    }
}

/// Gives the clock of the namespace that this process is in the saved time zone and discipline.
fn replay(saved: &Saved, log: Log) -> Result<(), Error> {
    if saved.ntp.has_doubtful_leap() {
        complain("the clock was not synchronised: a leap second that was asked for is left out");
    }
    if saved.tai < 0 {
        complain("TAI was behind UTC, which can only come about: it is restored as UTC");
    }
    // Unlike the host's, a namespace's first time zone does not move its date.
    timex::set_timezone(saved.timezone.minutes_west, saved.timezone.dst)
        .map_err(Error::from_adjtimex)?;
    let mut ntp = saved.ntp;
    if saved.is_about_to_leap() {
        complain("the leap second was less than a second away: it is left out");
        ntp = ntp.without_leap();
    }
    for adjustment in ntp.replay(saved.tai.max(0)) {
        log.say(&format!("adjtimex: {adjustment}"));
        adjustment.apply().map_err(Error::from_adjtimex)?;
    }
    if saved.ntp.adjust != 0 {
        log.say(&format!("slew {} us", saved.ntp.adjust));
        timex::slew(saved.ntp.adjust).map_err(Error::from_adjtimex)?;
    }
    Ok(())
}

/// Says what could not be restored of the clock that this process is on.
fn say_what_differs(saved: &Saved, clock: &Clock, log: Log) {
    if let Ok(fixed) = rate_fixed(clock) {
        if fixed != saved.rate_fixed {
            let lost = fixed.abs_diff(saved.rate_fixed);
            log.say(&format!("the rate differs by {lost} / 2^56"));
        }
    }
    let raw = host::reading(ClockId::MonotonicRaw);
    let ahead = raw.saturating_sub(saved.clocks.raw.into());
    log.say(&format!(
        "CLOCK_MONOTONIC_RAW is ahead of the saved one by {ahead:#}"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::list::to_json;
    use crate::saved::tests::clock;
    use crate::testing::{parse, FakeProc, QUIET};

    fn host(secs: i64) -> HostClocks {
        HostClocks {
            realtime: SignedDuration::from_secs(1_800_000_000 + secs),
            monotonic: SignedDuration::from_secs(90_000 + secs),
            boottime: SignedDuration::from_secs(100_000 + secs),
            raw: SignedDuration::from_secs(90_001 + secs),
        }
    }

    fn saved() -> Saved {
        Saved::new(&clock(), &host(0)).unwrap()
    }

    #[test]
    fn the_clocks_go_on_where_they_were() {
        assert_eq!(
            request(&saved(), &host(1000)).to_string(),
            "monotonic -995 0\nboottime -1007 500000000\nrealtime -1001 500000000\n\
             rate 0 0\n"
        );
    }

    #[test]
    fn or_where_they_would_be() {
        let elapsed = elapsed(&saved(), &host(1000)).unwrap();
        assert_eq!(elapsed, SignedDuration::from_secs(1000));
        // At 50 ppm and, by the discipline, another 99 ppm.
        assert_eq!(
            request(&saved().after(elapsed), &host(1000)).to_string(),
            "monotonic 5 149004950\nboottime -7 649004950\nrealtime -1 649004950\nrate 0 0\n"
        );
    }

    #[test]
    fn nothing_has_elapsed_before_the_save() {
        let result = elapsed(&saved(), &host(-1));
        assert!(
            matches!(result, Err(Error::SavedInFuture(by)) if by == SignedDuration::from_secs(1)),
            "{result:?}"
        );
    }

    fn run(proc: &FakeProc, text: &str) -> Error {
        proc.write("saved.json", text);
        let path = proc.root().join("saved.json");
        let path = path.to_str().unwrap();
        match parse(&["restore", path, "--", "true"]) {
            Command::Restore(args) => restore(&proc.fs(), &args, QUIET).unwrap_err(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_done_with_what_is_no_saved_clock() {
        let proc = FakeProc::new();
        let error = run(&proc, "{}");
        let message = error.to_string();
        assert!(
            message.contains("saved.json: it is no saved clock"),
            "{message}"
        );
        assert!(matches!(error, Error::Saved { .. }), "{error:?}");
        let error = read(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(matches!(error, Error::System { .. }), "{error:?}");
        let message = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(message.contains("longer than"), "{message}");
    }

    #[test]
    fn nothing_is_done_on_a_kernel_without_clocks() {
        let error = run(&FakeProc::new(), &to_json(&saved()));
        assert!(matches!(error, Error::NoPatch), "{error:?}");
    }
}
