// SPDX-License-Identifier: GPL-2.0

//! The host sleeps. BOOTTIME, REALTIME and TAI of a namespace then advance by as much as the
//! host's do, whatever the rate, and MONOTONIC stands still; what waits is woken after that as if
//! nothing had been.
//!
//! Only with `--suspend` and by way of `scripts/guest-suspend`: the driver of the virtual machine's
//! root file system cannot resume, so that afterwards there are only those files that are in memory.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use rustix::thread::{
    clock_nanosleep_absolute, clock_nanosleep_relative, ClockId, NanosleepRelativeResult,
};
use rustix::time::{
    timerfd_create, timerfd_settime, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags,
    Timespec,
};

use crate::clock::Clock;
use crate::failure::{check, fail, Context, During, Outcome};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::proc_file::ProcFile;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::Ns;
use crate::task::{pin_to, Gate, Task};
use crate::tracked::Tracked;

tests![
    all_but_the_hardware,
    to_memory,
    woken_by_an_alarm_at_half_the_rate,
    woken_by_an_alarm_at_the_host_s_rate,
    woken_by_an_alarm_at_twice_the_rate,
    woken_by_an_alarm_of_a_frozen_clock,
    not_kept_awake_by_an_alarm_of_a_frozen_clock,
    armed_again,
    cancelled,
];

const SEC: Ns = 1_000_000_000;

/// How long the host sleeps. It learns that from a clock that counts seconds.
const SLEEP: Ns = 10 * SEC;
/// What may pass, of reference time, until all timers are armed and the host sleeps.
const AWAKE: Ns = 2 * SEC;
/// How much later than at once is too late, on a machine that does not stop.
const LATE: Ns = 2 * SEC;

/// The configuration of the chip that has the registers for power management.
const CHIP: &str = "/sys/bus/pci/devices/0000:00:1f.0/config";
/// Where these registers are, and whether they are at all.
const REGISTERS: [u64; 2] = [0x40, 0x44];

const STATE: &str = "/sys/power/state";
const DEPTH: &str = "/sys/power/pm_test";
const DURATION: &str = "/sys/module/suspend/parameters/pm_test_delay";

/// What of the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// All that the kernel does, and then it waits instead of switching off.
    Core,
    /// The machine.
    Memory,
}

/// A sleep of the host.
struct Sleep {
    /// How long its BOOTTIME says that it was.
    length: Span,
    /// The reference before and after, which does not advance meanwhile.
    at: Span,
}

impl Sleep {
    /// Checks that it, and falling asleep and waking up, were as long as was asked for. The
    /// hardware counts seconds.
    fn check_not_short(&self) -> Outcome {
        let most = self.length.hi + self.at.hi - self.at.lo;
        check!(
            most >= SLEEP - 2 * SEC,
            "the host has slept {}, and was awake around it for {} ns",
            self.length,
            self.at.hi - self.at.lo
        );
        Ok(())
    }
}

fn write(path: &str, text: impl ToString) -> Outcome {
    fs::write(path, text.to_string()).context(path)
}

/// What the emulated firmware does not restore when the machine wakes up. The kernel does not
/// either, and could neither sleep nor reboot any more.
struct Chip {
    config: File,
    values: [[u8; 4]; 2],
}

impl Chip {
    fn save() -> Outcome<Self> {
        let mut options = OpenOptions::new();
        let config = options.read(true).write(true).open(CHIP).context(CHIP)?;
        let mut values = [[0; 4]; 2];
        for (value, register) in values.iter_mut().zip(REGISTERS) {
            config.read_exact_at(value, register).context(CHIP)?;
        }
        Ok(Self { config, values })
    }

    fn restore(&self) -> Outcome {
        for (value, register) in self.values.iter().zip(REGISTERS) {
            self.config.write_all_at(value, register).context(CHIP)?;
        }
        Ok(())
    }
}

/// Has the host sleep until something wakes it.
fn sleep(depth: Depth) -> Outcome<Sleep> {
    let name = match depth {
        Depth::Core => "core",
        Depth::Memory => "none",
    };
    write(DEPTH, name)?;
    write(DURATION, SLEEP / SEC)?;
    let chip = Chip::save()?;
    let ahead = host::ahead(Clock::Boottime)?;
    let before = host::reference()?;
    write(STATE, "mem")?;
    let at = Span::new(before, host::reference()?);
    chip.restore()?;
    let length = host::ahead(Clock::Boottime)? + ahead.scaled(-1);
    // Of the two seconds until an alarm may wake it, a slow machine takes a good part to fall asleep.
    check!(length.lo > 0, "the host has slept {length} ns");
    Ok(Sleep { length, at })
}

/// A way to wait for a clock.
#[derive(Clone, Copy, Debug)]
enum Call {
    Timerfd(TimerfdClockId),
    Nanosleep(ClockId),
}

/// One wait.
#[derive(Clone, Copy, Debug)]
struct Row {
    call: Call,
    absolute: bool,
    length: Ns,
}

impl Row {
    /// The clock that decides when it is over. A relative wait does not notice that REALTIME is
    /// set, and for the kernel a sleep is that.
    fn clock(&self) -> Clock {
        match self.call {
            Call::Timerfd(TimerfdClockId::Boottime | TimerfdClockId::BoottimeAlarm)
            | Call::Nanosleep(ClockId::Boottime | ClockId::BoottimeAlarm) => Clock::Boottime,
            Call::Timerfd(TimerfdClockId::RealtimeAlarm)
            | Call::Nanosleep(ClockId::RealtimeAlarm) => Clock::Realtime,
            Call::Timerfd(TimerfdClockId::Realtime) | Call::Nanosleep(ClockId::Realtime)
                if self.absolute =>
            {
                Clock::Realtime
            }
            _ => Clock::Monotonic,
        }
    }

    fn is_alarm(&self) -> bool {
        matches!(
            self.call,
            Call::Timerfd(TimerfdClockId::BoottimeAlarm | TimerfdClockId::RealtimeAlarm)
                | Call::Nanosleep(ClockId::BoottimeAlarm | ClockId::RealtimeAlarm)
        )
    }

    /// Starts to wait, in a namespace.
    fn start(self, namespace: &Namespace) -> Outcome<Wait> {
        let now = || namespace.inside(|| self.clock().now());
        let before = now()?;
        let until = before + self.length;
        let over = match self.call {
            Call::Timerfd(id) => Over::Readable(namespace.inside(|| self.arm(id, until))?),
            Call::Nanosleep(id) => Over::Ended(self.sleeper(namespace, id, until)?),
        };
        let latest = match self.absolute {
            true => until,
            false => now()? + self.length,
        };
        Ok(Wait {
            row: self,
            until: Span::new(until, latest),
            over,
        })
    }

    fn arm(&self, id: TimerfdClockId, until: Ns) -> Outcome<OwnedFd> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(id, flags).context("timerfd_create")?;
        let (flags, value) = match self.absolute {
            true => (TimerfdTimerFlags::ABSTIME, until),
            false => (TimerfdTimerFlags::empty(), self.length),
        };
        let expiry = Itimerspec {
            it_interval: timespec(0),
            it_value: timespec(value),
        };
        timerfd_settime(&timer, flags, &expiry).context("timerfd_settime")?;
        Ok(timer)
    }

    /// A process that is asleep when this returns.
    fn sleeper(&self, namespace: &Namespace, id: ClockId, until: Ns) -> Outcome<Task> {
        let row = *self;
        let inside = Gate::new()?;
        let mut task = Task::spawn(|| {
            namespace.enter()?;
            inside.open()?;
            if row.absolute {
                clock_nanosleep_absolute(id, &timespec(until)).context("clock_nanosleep")?;
            } else {
                match clock_nanosleep_relative(id, &timespec(row.length)) {
                    NanosleepRelativeResult::Ok => {}
                    other => fail!("clock_nanosleep: {other:?}"),
                }
            }
            let now = row.clock().now()?;
            check!(now >= until, "woke at {now}, should sleep until {until}");
            Ok(())
        })?;
        inside.wait_for(&mut task)?;
        let path = format!("/proc/{}/stat", task.pid());
        while task.is_running()? && !fs::read_to_string(&path).context(&path)?.contains(") S ") {
            host::pass(1_000_000)?;
        }
        Ok(task)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.absolute {
            "absolute"
        } else {
            "relative"
        };
        write!(f, "{:?}, {kind}, {} ns", self.call, self.length)
    }
}

/// What says that a wait is over.
enum Over {
    Readable(OwnedFd),
    Ended(Task),
}

/// A row that waits.
struct Wait {
    row: Row,
    /// When it should be over, by its clock: this is not known better for a relative one.
    until: Span,
    over: Over,
}

impl Wait {
    /// Whether it is over, which it must not be too early.
    fn is_over(&mut self, namespace: &Namespace) -> Outcome<bool> {
        match &mut self.over {
            Over::Readable(timer) => match rustix::io::read(&*timer, &mut [0; 8]) {
                Ok(_) => {
                    let now = namespace.inside(|| self.row.clock().now())?;
                    let until = self.until.lo;
                    check!(now >= until, "expired at {now}, should wait until {until}");
                    Ok(true)
                }
                Err(Errno::AGAIN) => Ok(false),
                Err(errno) => fail!("reading a timer: {errno}"),
            },
            Over::Ended(task) => {
                let ended = !task.is_running()?;
                if ended {
                    task.outcome()?;
                }
                Ok(ended)
            }
        }
    }
}

fn timespec(ns: Ns) -> Timespec {
    Timespec {
        tv_sec: (ns / SEC) as i64,
        tv_nsec: (ns % SEC) as i64,
    }
}

/// A namespace and what waits in it.
struct Inhabited {
    tracked: Tracked,
    waits: Vec<Wait>,
    name: String,
}

impl Inhabited {
    /// At a rate of `halves` / 2.
    fn new(halves: u32) -> Outcome<Self> {
        let lines = Lines::new()
            .rate((halves / 2).into(), halves % 2 * 500_000_000)
            .monotonic(1000 * SEC)
            .boottime(86_400 * SEC + 1)
            .realtime(-5 * SEC);
        Ok(Self {
            tracked: Tracked::new(&lines)?,
            waits: Vec::new(),
            name: format!("rate {halves}/2"),
        })
    }

    fn start(&mut self, row: Row) -> Outcome {
        let wait = row.start(&self.tracked.namespace);
        self.waits.push(wait.during(&self.name).during(row)?);
        Ok(())
    }

    /// Takes the host's sleep into account, and checks the clocks.
    fn wake(&mut self, sleep: &Sleep) -> Outcome {
        self.tracked.expected.sleep(sleep.at, sleep.length);
        self.tracked.verify().during(&self.name)
    }

    /// Ends the waits that are over.
    fn collect(&mut self) -> Outcome {
        let mut going = Vec::new();
        for mut wait in self.waits.drain(..) {
            let row = wait.row;
            let over = wait.is_over(&self.tracked.namespace);
            if !over.during(row).during(&self.name)? {
                going.push(wait);
            }
        }
        self.waits = going;
        Ok(())
    }

    /// Checks that nothing waits that should have ended before the reference `limit`.
    fn check_late(&self, limit: Ns) -> Outcome {
        let at = Span::new(limit, limit);
        for wait in &self.waits {
            let now = self.tracked.expected.read(wait.row.clock(), at).lo;
            let until = wait.until.hi;
            check!(
                now < until,
                "{}: {} still waits until {until}, it was {now} at {limit}",
                self.name,
                wait.row
            );
        }
        Ok(())
    }
}

/// Waits for all waits, after the host has woken up. None may last longer than it should by more
/// than the machine's own stops.
fn watch(namespaces: &mut [Inhabited], awake: Ns) -> Outcome {
    const PAUSE: Ns = 20_000_000;
    let mut stop = 0;
    let mut last = host::reference()?;
    while namespaces
        .iter()
        .any(|namespace| !namespace.waits.is_empty())
    {
        let now = host::reference()?;
        stop = stop.max(now - last);
        last = now;
        for namespace in &mut *namespaces {
            namespace.collect()?;
            let limit = now - LATE - stop;
            if limit >= awake {
                namespace.check_late(limit)?;
            }
        }
        host::pass(PAUSE)?;
    }
    Ok(())
}

/// The rows of a namespace at a rate of `halves` / 2.
fn rows(halves: u32) -> Vec<Row> {
    let awake = AWAKE * Ns::from(halves) / 2;
    let calls = [
        Call::Timerfd(TimerfdClockId::Monotonic),
        Call::Timerfd(TimerfdClockId::Boottime),
        Call::Timerfd(TimerfdClockId::Realtime),
        Call::Timerfd(TimerfdClockId::BoottimeAlarm),
        Call::Timerfd(TimerfdClockId::RealtimeAlarm),
        Call::Nanosleep(ClockId::Monotonic),
        Call::Nanosleep(ClockId::Boottime),
        Call::Nanosleep(ClockId::Realtime),
        Call::Nanosleep(ClockId::BoottimeAlarm),
        Call::Nanosleep(ClockId::RealtimeAlarm),
    ];
    let mut rows = Vec::new();
    for call in calls {
        for absolute in [false, true] {
            let row = |length| Row {
                call,
                absolute,
                length,
            };
            if row(0).clock() == Clock::Monotonic {
                // A frozen clock would never get there.
                if halves > 0 {
                    rows.push(row(2 * awake));
                }
                continue;
            }
            // An alarm during the sleep would end it.
            if !row(0).is_alarm() {
                rows.push(row(awake + SLEEP * 2 / 5));
            }
            if halves > 0 {
                rows.push(row(2 * awake + SLEEP));
            }
        }
    }
    rows
}

fn suspended(depth: Depth) -> Outcome {
    let mut namespaces = Vec::new();
    for halves in [0, 1, 2, 4] {
        namespaces.push(Inhabited::new(halves)?);
    }
    for (namespace, halves) in namespaces.iter_mut().zip([0, 1, 2, 4]) {
        namespace.tracked.verify().during(&namespace.name)?;
        for row in rows(halves) {
            namespace.start(row)?;
        }
    }
    let alarm = Row {
        call: Call::Timerfd(TimerfdClockId::BoottimeAlarm),
        absolute: false,
        length: SLEEP,
    };
    let _alarm = alarm.arm(TimerfdClockId::BoottimeAlarm, 0)?;
    let sleep = sleep(depth)?;
    sleep.check_not_short()?;
    for namespace in &mut namespaces {
        namespace.wake(&sleep)?;
    }
    watch(&mut namespaces, sleep.at.hi)?;
    for namespace in &namespaces {
        namespace
            .tracked
            .verify()
            .during("in the end")
            .during(&namespace.name)?;
    }
    Ok(())
}

/// The namespace's alarm has to wake the machine: what it lacks by the namespace's clock is how long
/// the host may sleep.
fn woken(halves: u32) -> Outcome {
    for (id, absolute) in [
        (TimerfdClockId::BoottimeAlarm, false),
        (TimerfdClockId::RealtimeAlarm, true),
    ] {
        let mut namespace = Inhabited::new(halves)?;
        let row = Row {
            call: Call::Timerfd(id),
            absolute,
            length: SLEEP,
        };
        namespace.start(row)?;
        // In case it does not.
        let late = Row {
            length: 3 * SLEEP,
            absolute: false,
            ..row
        };
        let _late = late.arm(TimerfdClockId::BoottimeAlarm, 0)?;
        let sleep = sleep(Depth::Memory)?;
        sleep.check_not_short().during(row)?;
        namespace.wake(&sleep)?;
        // If the alarm were converted at the namespace's rate, half of it would make this twice as
        // long. How long waking up takes counts as sleep, too.
        check!(
            sleep.length.hi <= SLEEP * 3 / 2,
            "{row}: the host has slept {} ns",
            sleep.length
        );
        // It is woken up to a second early, as its hardware counts seconds. That a clock which does
        // not advance reaches the time takes another sleep.
        if halves > 0 {
            watch(std::slice::from_mut(&mut namespace), sleep.at.hi)?;
        }
    }
    Ok(())
}

fn all_but_the_hardware(_: &Setting) -> Outcome {
    suspended(Depth::Core)
}

fn to_memory(_: &Setting) -> Outcome {
    suspended(Depth::Memory)
}

fn woken_by_an_alarm_at_half_the_rate(_: &Setting) -> Outcome {
    woken(1)
}

fn woken_by_an_alarm_at_the_host_s_rate(_: &Setting) -> Outcome {
    woken(2)
}

fn woken_by_an_alarm_at_twice_the_rate(_: &Setting) -> Outcome {
    woken(4)
}

fn woken_by_an_alarm_of_a_frozen_clock(_: &Setting) -> Outcome {
    woken(0)
}

/// What is left of such an alarm stays less than the machine may sleep at all. It wakes the machine
/// then, and does not forbid it to sleep.
fn not_kept_awake_by_an_alarm_of_a_frozen_clock(_: &Setting) -> Outcome {
    let mut namespace = Inhabited::new(0)?;
    namespace.start(Row {
        call: Call::Timerfd(TimerfdClockId::BoottimeAlarm),
        absolute: false,
        length: SEC / 2,
    })?;
    let late = Row {
        call: Call::Timerfd(TimerfdClockId::BoottimeAlarm),
        absolute: false,
        length: 3 * SLEEP,
    };
    let _late = late.arm(TimerfdClockId::BoottimeAlarm, 0)?;
    let sleep = sleep(Depth::Memory)?;
    namespace.wake(&sleep)?;
    check!(
        sleep.length.hi <= SLEEP,
        "the host has slept {} ns",
        sleep.length
    );
    watch(std::slice::from_mut(&mut namespace), sleep.at.hi)
}

/// A timer is armed for later than one that was cancelled before the machine has slept, by a clock
/// that runs, and by one that does so only afterwards.
fn armed_again(_: &Setting) -> Outcome {
    // The CPU that does not go offline.
    pin_to(0)?;
    let row = |length| Row {
        call: Call::Timerfd(TimerfdClockId::Monotonic),
        absolute: false,
        length,
    };
    let mut namespaces = [Inhabited::new(2)?, Inhabited::new(0)?];
    let none = Itimerspec {
        it_interval: timespec(0),
        it_value: timespec(0),
    };
    for namespace in &namespaces {
        namespace.tracked.namespace.inside(|| {
            let timer = row(AWAKE).arm(TimerfdClockId::Monotonic, 0)?;
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &none).context("timerfd_settime")
        })?;
    }
    let sleep = sleep(Depth::Core)?;
    for namespace in &mut namespaces {
        namespace.wake(&sleep)?;
        namespace.start(row(2 * AWAKE))?;
    }
    let [_, frozen] = &mut namespaces;
    let thaw = Lines::new().rate(1, 0);
    frozen.tracked.change(ProcFile::Clock, &thaw)?;
    watch(&mut namespaces, sleep.at.hi)
}

/// That the host has slept is a step of REALTIME, in a namespace as well as on the host.
fn cancelled(_: &Setting) -> Outcome {
    let namespace = Inhabited::new(2)?;
    let expiry = Itimerspec {
        it_interval: timespec(0),
        it_value: timespec(4_000_000_000 * SEC),
    };
    let arm = || {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags).context("timerfd_create")?;
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&timer, flags, &expiry).context("timerfd_settime")?;
        Ok(timer)
    };
    let timers = [arm()?, namespace.tracked.namespace.inside(arm)?];
    let read = |timer: &OwnedFd| rustix::io::read(timer, &mut [0; 8]);
    for timer in &timers {
        check!(read(timer) == Err(Errno::AGAIN), "cancelled beforehand");
    }
    sleep(Depth::Core)?;
    for (timer, of) in timers.iter().zip(["the host", "the namespace"]) {
        // That is left to a worker.
        let mut result = read(timer);
        for _ in 0..100 {
            if result != Err(Errno::AGAIN) {
                break;
            }
            host::pass(SEC / 10)?;
            result = read(timer);
        }
        check!(result == Err(Errno::CANCELED), "{of}: {result:?}");
    }
    Ok(())
}
