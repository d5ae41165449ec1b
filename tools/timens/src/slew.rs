// SPDX-License-Identifier: GPL-2.0

//! `timens slew`: another date, gradually, and another frequency, as NTP clients do it.

use crate::cli::SlewArgs;
use crate::error::Error;
use crate::held::Held;
use crate::ntp::{self, Ntp};
use crate::procfs::Procfs;
use crate::sys::timex::{self, Adjustment};
use crate::Log;
use jiff::SignedDuration;
use rustix::io::read;
use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
    Timespec,
};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How far a slew gets in a second of the namespace, µs.
const PER_SECOND: u64 = 500;
/// The longest time without a look whether somebody else has ended the slew.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The time on the host between two looks whether the clock has been frozen.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Starts a slew, sets the frequency, or both.
pub(crate) fn slew(procfs: &Procfs, args: &SlewArgs, log: Log) -> Result<(), Error> {
    let by = args.by.map(in_micros).transpose()?;
    let subject = args.target.target.find(procfs)?;
    let clock = Held::to_change(procfs, &subject, log)?.clock()?;
    // Without a discipline of the namespace's own, it would be the host's that changes.
    Ntp::of(&clock)?;
    if args.wait && clock.rate.is_frozen() {
        return Err(Error::Frozen);
    }
    // Before this is on a clock that may be frozen.
    let ticks = Ticks::start()?;
    subject.enter_to_change()?;
    if let Some(freq) = args.frequency {
        let adjustment = Adjustment {
            freq: Some(freq),
            ..Adjustment::default()
        };
        adjustment.apply().map_err(Error::from_adjtimex)?;
        log.say(&format!("frequency {freq} / 2^16 ppm"));
    }
    // Before the slew, so that none is missed.
    let steps = ntp::steps(&procfs.own_clock()?)?;
    if let Some(micros) = by {
        let left = timex::slew(micros).map_err(Error::from_adjtimex)?;
        log.say(&format!("slew {micros} us, in place of {left} us"));
    }
    match args.wait {
        true => wait_until_done(procfs, &ticks, steps, log),
        false => Ok(()),
    }
}

/// A timer that goes on in the time of the namespace that it was started in.
#[derive(Debug)]
struct Ticks(OwnedFd);

impl Ticks {
    fn start() -> Result<Ticks, Error> {
        let failed = |errno| Error::system("timerfd", errno);
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC);
        let timer = timer.map_err(failed)?;
        let period = Itimerspec {
            it_interval: TICK,
            it_value: TICK,
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &period).map_err(failed)?;
        Ok(Ticks(timer))
    }

    /// Waits for `duration` on this program's own clock, unless it is disturbed.
    fn wait(&self, procfs: &Procfs, steps: u64, duration: Duration) -> Result<(), Error> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            undisturbed(procfs, steps)?;
            // Interrupted, it looks early.
            let _ = read(&self.0, &mut [0; 8]);
        }
        Ok(())
    }
}

/// Fails if this program's own clock is frozen, or has been set more often than `steps`: that calls
/// a slew off.
fn undisturbed(procfs: &Procfs, steps: u64) -> Result<(), Error> {
    let clock = procfs.own_clock()?;
    if clock.rate.is_frozen() {
        return Err(Error::Frozen);
    }
    match ntp::steps(&clock)? == steps {
        true => Ok(()),
        false => Err(Error::SlewCalledOff),
    }
}

/// Waits, by the namespace's clock: that is what the slew takes its time by.
fn wait_until_done(procfs: &Procfs, ticks: &Ticks, steps: u64, log: Log) -> Result<(), Error> {
    loop {
        let left = timex::slew_left().map_err(Error::from_adjtimex)?;
        // What is left is nothing also when it has been called off.
        undisturbed(procfs, steps)?;
        log.say(&format!("{left} us left"));
        ticks.wait(procfs, steps, pause(left))?;
        // A last part of a microsecond that the kernel does not tell of has had its time, too.
        if left == 0 {
            return Ok(());
        }
    }
}

fn pause(left: i64) -> Duration {
    let seconds = left.unsigned_abs() / PER_SECOND;
    Duration::from_secs(seconds.max(1)).min(LONGEST_PAUSE)
}

/// The nearest number of whole microseconds.
fn in_micros(duration: SignedDuration) -> Result<i64, Error> {
    let micros = (duration.as_nanos() + 500).div_euclid(1000);
    if micros == 0 && !duration.is_zero() {
        return Err(Error::SlewTooSmall);
    }
    Ok(
        i64::try_from(micros).unwrap_or(match duration.is_negative() {
            true => i64::MIN,
            false => i64::MAX,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::ntp::tests::NTP_LINES;
    use crate::testing::{clock_text, parse, FakeProc, HOST, QUIET};

    fn run(proc: &FakeProc, arguments: &[&str]) -> Result<(), Error> {
        match parse(arguments) {
            Command::Slew(args) => slew(&proc.fs(), &args, QUIET),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn durations_are_rounded_to_microseconds() {
        let micros = |nanos| in_micros(SignedDuration::from_nanos(nanos)).unwrap();
        assert_eq!(micros(0), 0);
        assert_eq!(micros(500), 1);
        assert_eq!(micros(1_499), 1);
        assert_eq!(micros(1_500), 2);
        assert_eq!(micros(-1_499), -1);
        assert_eq!(micros(-250_000_000), -250_000);
        assert_eq!(in_micros(SignedDuration::MAX).unwrap(), i64::MAX);
        assert_eq!(in_micros(SignedDuration::MIN).unwrap(), i64::MIN);
    }

    #[test]
    fn a_slew_too_small_to_be_one_does_not_end_another() {
        for nanos in [499, -499, 1] {
            let result = in_micros(SignedDuration::from_nanos(nanos));
            assert!(matches!(result, Err(Error::SlewTooSmall)), "{result:?}");
        }
    }

    #[test]
    fn it_waits_about_as_long_as_a_slew_takes() {
        assert_eq!(pause(0), Duration::from_secs(1));
        assert_eq!(pause(-5_200), Duration::from_secs(10));
        assert_eq!(pause(i64::MIN), LONGEST_PAUSE);
    }

    #[test]
    fn it_waits_until_the_clock_is_disturbed() {
        let proc = FakeProc::new();
        let ticks = Ticks::start().unwrap();
        let wait = |rate, steps| {
            proc.write("self/timens_clock", &clock_text("running", "9 0", rate));
            ticks.wait(&proc.fs(), steps, Duration::from_millis(150))
        };
        let begin = Instant::now();
        wait("1 0", 3).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(150));
        let result = wait("1 0", 2);
        assert!(matches!(result, Err(Error::SlewCalledOff)), "{result:?}");
        let result = wait("0 0", 3);
        assert!(matches!(result, Err(Error::Frozen)), "{result:?}");
    }

    #[test]
    fn the_hosts_discipline_is_never_touched() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", &clock_text("running", "9 0", "1 0"));
        let result = run(&proc, &["slew", "1", "0.1"]);
        assert!(matches!(result, Err(Error::HostNamespace)), "{result:?}");
        // This kernel's own clocks have none, so adjtimex() would be about the host's.
        let result = run(&proc, &["slew", "20", "0.1"]);
        assert!(matches!(result, Err(Error::NoDiscipline(_))), "{result:?}");
    }

    #[test]
    fn it_does_not_wait_for_a_frozen_clock() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        let text = clock_text("running", "9 0", "0 0") + NTP_LINES;
        proc.write("20/timens_clock", &text);
        let result = run(&proc, &["slew", "20", "0.1", "--wait"]);
        assert!(matches!(result, Err(Error::Frozen)), "{result:?}");
    }
}
