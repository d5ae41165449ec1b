// SPDX-License-Identifier: GPL-2.0

//! `timens`, where it steers clocks that run: step, slew, strobe, drift, watch, save and restore.

use std::env;
use std::fmt::Display;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::pipe::{fcntl_setpipe_size, pipe};
use rustix::process::{kill_process, Pid, Signal};

use crate::clock::{Clock, Way};
use crate::failure::{check, check_eq, fail, Context, During, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::namespace::Namespace;
use crate::proc_file::State;
use crate::runner::{tests, Setting};
use crate::span::Span;
use crate::sys::{self, Ns};
use crate::task::{resident, Task};
use crate::tests::unprivileged::become_nobody;
use crate::tracked::{timed, Tracked};

tests![
    step,
    strobe,
    strobe_is_interrupted,
    strobe_that_nobody_hears,
    strobe_whose_stand_in_is_ended,
    what_everybody_leaves_is_set_back,
    drift,
    drift_that_nobody_reads,
    drift_gives_way,
    watch,
    restored_fields,
    restored_clocks,
    restored_raw,
    leap_second_in_an_own_clock,
    elapsed_clocks,
    slew,
    slew_that_is_called_off,
    frequency,
    by_an_ordinary_user,
    of_one_that_nobody_waits_for,
];

const SEC: Ns = 1_000_000_000;

/// A process that has ended, but is not gone: nothing is wrong with the kernel because of it.
fn of_one_that_nobody_waits_for(_: &Setting) -> Outcome {
    let mut ended = Command::new("true").spawn().context("true")?;
    let pid = ended.id();
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).context("stat");
    while !stat()?.contains(") Z ") {
        host::pass(SEC / 1000)?;
    }
    for arguments in ["show", "step 1", "slew 1", "freeze", "save"] {
        let (name, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let output = timens(format_args!("{name} {pid} {rest}"))?
            .output()
            .context(arguments)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        check_eq!(output.status.code(), Some(1), "{arguments}: {complaint}");
        check!(complaint.contains("no process"), "{arguments}: {complaint}");
    }
    ended.wait().context("wait").map(drop)
}

/// Clocks whose readings a save keeps. RAW follows from MONOTONIC, and coarse ones from these.
const KEPT: [Clock; 4] = [
    Clock::Realtime,
    Clock::Tai,
    Clock::Monotonic,
    Clock::Boottime,
];

/// Where `timens` is: it is built next to this program.
fn tool() -> Outcome<PathBuf> {
    let mut path = env::current_exe().context("my own path")?;
    path.set_file_name("timens");
    Ok(path)
}

/// A program with these arguments, a line of words.
fn command(program: &Path, arguments: impl Display) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.to_string().split_whitespace());
    command
}

/// `timens` with these arguments.
fn timens(arguments: impl Display) -> Outcome<Command> {
    Ok(command(&tool()?, arguments))
}

/// What an executed command has printed, which has to have succeeded.
fn printed(mut command: Command) -> Outcome<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().context(format_args!("{command:?}"))?;
    let complaint = String::from_utf8_lossy(&stderr);
    check!(status.success(), "{command:?}: {status}: {complaint}");
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

fn run(arguments: impl Display) -> Outcome<String> {
    printed(timens(arguments)?)
}

/// A file for a saved clock, of this process only.
fn saved_file() -> PathBuf {
    env::temp_dir().join(format!("timens-saved-{}.json", std::process::id()))
}

/// What `timens_clock` says of the namespace of a process.
fn clock_of(pid: Pid) -> Outcome<String> {
    fs::read_to_string(format!("/proc/{pid}/timens_clock")).context("timens_clock")
}

/// The value of a line of `timens_clock`.
fn line<'a>(text: &'a str, key: &str) -> Outcome<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines
        .find(|(name, _)| *name == key)
        .context(format_args!("no {key} in {text:?}"))?;
    Ok(value)
}

fn step(_: &Setting) -> Outcome {
    let mut tracked = Tracked::new(&Lines::new().rate(1, 0).realtime(1000 * SEC + 5))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    for (by, offset) in [
        ("90", 1090 * SEC + 5),
        ("-1d1090.000000006s", -86_400 * SEC - 1),
    ] {
        let (_, at, bases) = timed(|| run(format_args!("step {pid} {by}")))?;
        let lines = Lines::new().realtime(offset);
        tracked.expected.change(&bases, at, &lines);
        tracked.verify().during(format_args!("step by {by}"))?;
    }

    const DATE: Ns = 1_893_456_000 * SEC;
    let before = host::reference()?;
    run(format_args!("step {pid} --to 2030-01-01T00:00:00Z"))?;
    let date = tracked.namespace.inside(|| Clock::Realtime.now())?;
    let passed = host::reference()? - before;
    let expected = Span::new(DATE, DATE + passed);
    check!(
        expected.contains(date),
        "REALTIME is {date}, not in {expected}"
    );
    check_eq!(tracked.state()?.0.steps, 3, "steps");
    resident.stop()
}

/// Starts a strobe by an hour of the namespace in which `pid` is.
fn start_strobe(pid: Pid, more: &str) -> Outcome<Child> {
    let mut command = timens(format_args!("strobe {pid} --by 1h --every 1s {more}"))?;
    command.spawn().context("starting a strobe")
}

/// Looks at a strobed clock until `done` says so. Says how often it was at home and away.
fn look(tracked: &Tracked, mut done: impl FnMut(&State) -> Outcome<bool>) -> Outcome<[usize; 2]> {
    let mut seen = [0, 0];
    loop {
        let state = tracked.state()?.0;
        let away = state.steps % 2 == 1;
        let expected = if away { 3600 * SEC } else { 0 };
        check_eq!(
            state.realtime,
            expected,
            "REALTIME's offset after {} steps",
            state.steps
        );
        seen[usize::from(away)] += 1;
        if done(&state)? {
            return Ok(seen);
        }
        host::pass(SEC / 50)?;
    }
}

fn strobe(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let resident = resident(&tracked.namespace)?;
    let mut strobe = start_strobe(resident.pid(), "--count 4")?;
    let mut status = None;
    let seen = look(&tracked, |_| {
        status = strobe.try_wait().context("waiting for a strobe")?;
        Ok(status.is_some())
    })?;
    check!(status.is_some_and(|status| status.success()), "{status:?}");
    check!(
        seen[0] > 0 && seen[1] > 0,
        "seen at home and away: {seen:?}"
    );
    check_eq!(tracked.state()?.0.steps, 4, "steps");
    tracked.verify().during("restored")?;
    resident.stop()
}

fn strobe_is_interrupted(_: &Setting) -> Outcome {
    for (signal, steps) in [(Signal::INT, 1), (Signal::TERM, 1), (Signal::HUP, 2)] {
        let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
        let resident = resident(&tracked.namespace)?;
        let mut strobe = start_strobe(resident.pid(), "")?;
        look(&tracked, |state| Ok(state.steps >= steps))?;
        kill_process(Pid::from_child(&strobe), signal).context("kill")?;
        let status = strobe.wait().context("waiting for a strobe")?;
        check!(status.success(), "{signal:?}: {status}");
        check_eq!(tracked.state()?.0.steps % 2, 0, "steps after {signal:?}");
        tracked.verify().during(format_args!("{signal:?}"))?;
        resident.stop()?;
    }
    Ok(())
}

/// How a command ends, which has some seconds left for it.
fn ending(mut child: Child) -> Outcome<ExitStatus> {
    let deadline = host::reference()? + 20 * SEC;
    while host::reference()? < deadline {
        if let Some(status) = child.try_wait().context("waiting")? {
            return Ok(status);
        }
        host::pass(SEC / 50)?;
    }
    child.kill().context("kill")?;
    child.wait().context("wait")?;
    fail!("it did not end")
}

/// One that cannot say any more what it does is ended by a signal nevertheless.
fn strobe_that_nobody_hears(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let resident = resident(&tracked.namespace)?;
    let (reader, writer) = pipe().context("pipe")?;
    fcntl_setpipe_size(&writer, 8192).context("F_SETPIPE_SZ")?;
    let pid = resident.pid();
    let strobe = format_args!("-v strobe {pid} --by 1h --every 1ms");
    let strobe = timens(strobe)?.stderr(writer).spawn().context("strobe")?;
    let steps = || Ok::<_, Trouble>(tracked.state()?.0.steps);
    loop {
        let before = steps()?;
        host::pass(SEC / 4)?;
        if before > 100 && steps()? == before {
            break;
        }
    }
    kill_process(Pid::from_child(&strobe), Signal::TERM).context("kill")?;
    let status = ending(strobe)?;
    check!(status.success(), "{status}");
    tracked.verify().during("ended")?;
    drop(reader);
    resident.stop()
}

/// A namespace without a process, by a file of this one.
fn file_of(namespace: &Namespace) -> String {
    let fd = namespace.descriptor().as_raw_fd();
    format!("/proc/{}/fd/{fd}", std::process::id())
}

/// The one child of a process, if there is one.
fn child_of(parent: Pid) -> Outcome<Option<Pid>> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
        let parent = parent.as_raw_nonzero().to_string();
        fields.and_then(|fields| fields.split(' ').nth(1)) == Some(&parent)
    };
    let entries = fs::read_dir("/proc").context("/proc")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(is_child).find_map(Pid::from_raw))
}

/// Another one takes its place. A look at the clock takes this process into the namespace, and would
/// make a stand-in unnecessary if there was none yet.
fn strobe_whose_stand_in_is_ended(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let file = file_of(&tracked.namespace);
    let strobe = format!("strobe {file} --by 1h --every 300ms");
    let mut strobe = timens(strobe)?.spawn().context("strobe")?;
    let pid = Pid::from_child(&strobe);
    while child_of(pid)?.is_none() {
        host::pass(SEC / 50)?;
    }
    let mut seen_on = |steps| {
        look(&tracked, |state| {
            let ended = strobe.try_wait().context("wait")?;
            check!(ended.is_none(), "{ended:?} after {} steps", state.steps);
            Ok(state.steps > steps)
        })
    };
    seen_on(tracked.state()?.0.steps)?;
    for _ in 0..2 {
        let stand_in = child_of(pid)?.context("no stand-in")?;
        kill_process(stand_in, Signal::KILL).context("kill")?;
        // One may be under way.
        seen_on(tracked.state()?.0.steps + 1)?;
    }
    kill_process(pid, Signal::TERM).context("kill")?;
    let status = ending(strobe)?;
    check!(status.success(), "{status}");
    tracked.verify().during("ended")
}

/// Here it is this process that keeps the namespace, as a mount would.
fn what_everybody_leaves_is_set_back(_: &Setting) -> Outcome {
    for name in [
        "strobe PID --by 1h --every 1s",
        "drift PID --max-ppm 30 --step-ppm 10 --every 20ms --seed 7",
    ] {
        let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
        let resident = resident(&tracked.namespace)?;
        let arguments = name.replace("PID", &resident.pid().to_string());
        let mut command = timens(arguments)?;
        let child = command.stdout(Stdio::null()).spawn().context(name)?;
        loop {
            let state = tracked.state()?.0;
            if state.steps == 1 || state.rate_changes > 2 {
                break;
            }
            host::pass(SEC / 50)?;
        }
        resident.stop()?;
        let status = ending(child).during(name)?;
        check!(status.success(), "{name}: {status}");
        let state = tracked.state()?.0;
        check_eq!(state.rate, (1, 0), "the rate after {name}");
        check_eq!(state.steps % 2, 0, "steps after {name}");
        check_eq!(
            state.realtime - state.monotonic,
            0,
            "REALTIME's step after {name}"
        );
    }
    Ok(())
}

fn drift(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let drift = |seed: u32, more: &str| {
        run(format_args!(
            "drift {pid} --max-ppm 30 --step-ppm 10 --every 5ms --count 20 --seed {seed} {more}"
        ))
    };
    let first = drift(7, "")?;
    check_eq!(first.lines().count(), 20, "lines of {first:?}");
    for line in first.lines() {
        let ppm = line.strip_suffix(" ppm").and_then(|ppm| ppm.parse().ok());
        let ppm: f64 = ppm.context(format_args!("it printed {line:?}"))?;
        check!((-30.0..=30.0).contains(&ppm), "it printed {line:?}");
    }
    let state = tracked.state()?.0;
    check_eq!(state.rate, (2, 0), "the rate afterwards");
    check_eq!(state.rate_changes, 21, "changes of the rate");
    check_eq!(drift(7, "")?, first, "the same drift once more");
    check!(drift(8, "")? != first, "another drift is the same");

    let kept = drift(7, "--keep")?;
    check_eq!(kept, first, "the same drift, kept");
    let last = kept.lines().last().context("no line")?;
    let (secs, nsecs) = tracked.state()?.0.rate;
    let ppm = (secs as f64 + f64::from(nsecs) / 1e9 - 2.0) * 1e6 / 2.0;
    // The rate has steps of 0.001 ppm.
    check!(
        last.trim_end_matches(" ppm")
            .parse()
            .is_ok_and(|last: f64| (ppm - last).abs() < 0.001),
        "kept is {ppm} ppm, the last was {last}"
    );
    // No rate steps a clock.
    let state = tracked.state()?.0;
    check_eq!(
        state.realtime,
        state.monotonic,
        "offset of REALTIME and MONOTONIC"
    );
    resident.stop()
}

/// One that cannot print any more is ended by a signal nevertheless, and leaves the rate as it was.
fn drift_that_nobody_reads(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let resident = resident(&tracked.namespace)?;
    let (reader, writer) = pipe().context("pipe")?;
    fcntl_setpipe_size(&writer, 8192).context("F_SETPIPE_SZ")?;
    let pid = resident.pid();
    let drift = format_args!("drift {pid} --max-ppm 30 --step-ppm 10 --every 1ms --seed 7");
    let mut drift = timens(drift)?.stdout(writer).spawn().context("drift")?;
    let changes = || Ok::<_, Trouble>(tracked.state()?.0.rate_changes);
    loop {
        let before = changes()?;
        host::pass(SEC / 4)?;
        if before > 100 && changes()? == before {
            break;
        }
    }
    kill_process(Pid::from_child(&drift), Signal::TERM).context("kill")?;
    let status = drift.wait().context("waiting for a drift")?;
    check!(status.success(), "{status}");
    check_eq!(tracked.state()?.0.rate, (2, 0), "the rate afterwards");
    drop(reader);
    resident.stop()
}

/// A rate that somebody else sets meanwhile stays.
fn drift_gives_way(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(2, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let drift = format_args!("drift {pid} --max-ppm 30 --step-ppm 10 --every 200ms --seed 7");
    let mut drift = timens(drift)?;
    let drift = drift.stdout(Stdio::null()).spawn().context("drift")?;
    while tracked.state()?.0.rate_changes < 2 {
        host::pass(SEC / 50)?;
    }
    run(format_args!("freeze {pid}"))?;
    let status = ending(drift)?;
    check_eq!(status.code(), Some(1), "status of the drift");
    check_eq!(tracked.state()?.0.rate, (0, 0), "the rate afterwards");
    resident.stop()
}

fn watch(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(1, 0).realtime(-SEC / 4))?;
    let resident = resident(&tracked.namespace)?;
    let inode = format!(" {} ", inode_of(resident.pid())?);
    let text = run("watch --every 10ms --count 3")?;
    let ours: Vec<&str> = text.lines().filter(|line| line.contains(&inode)).collect();
    check_eq!(ours.len(), 3, "lines with{inode}in {text:?}");
    check!(
        ours.iter().all(|line| line.ends_with(" -0.25 1")),
        "offset and rate are not those in {text:?}"
    );
    resident.stop()
}

/// The number of the time namespace of a process.
fn inode_of(pid: Pid) -> Outcome<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/time")).context("ns/time")?;
    let text = link.to_string_lossy();
    let number = text
        .strip_prefix("time:[")
        .and_then(|text| text.strip_suffix(']'));
    Ok(number
        .context(format_args!("ns/time is {text}"))?
        .to_owned())
}

/// A saved clock with nothing at its default. Frozen, so that nothing of it changes. The kernel keeps
/// the offset by its share of a tick, so that it is one that such a share makes up.
const SAVED: &str = r#"{
  "format": "timens-clock", "version": 1,
  "host_realtime": {"secs": 1700000000, "nanosecs": 5},
  "clocks": {
    "realtime": {"secs": 1900000000, "nanosecs": 123450009},
    "monotonic": {"secs": 5000000, "nanosecs": 1},
    "boottime": {"secs": 6000000, "nanosecs": 999999999},
    "raw": {"secs": 4999999, "nanosecs": 0}
  },
  "tai": 40,
  "rate": {"secs": 0, "nanosecs": 0}, "rate_fixed": 0,
  "ntp": {
    "state": 1, "status": 8209, "freq": -1234567, "tick": 10003, "constant": 5,
    "maxerror": 123456, "esterror": 789, "offset": 12345000, "adjust": -4321
  },
  "timezone": {"minutes_west": -60, "dst": 1}
}"#;

/// The lines of `timens_clock` that have to come of it: PLL, INS and NANO.
const RESTORED: [(&str, &str); 14] = [
    ("tai", "40"),
    ("rate", "0 0"),
    ("rate_fixed", "0"),
    ("ntp_status", "8209"),
    ("ntp_freq", "-1234567"),
    ("ntp_tick", "10003"),
    ("ntp_constant", "5"),
    ("ntp_maxerror", "123456"),
    ("ntp_esterror", "789"),
    ("ntp_offset", "12345000"),
    ("ntp_adjust", "-4321"),
    ("timezone", "-60 1"),
    ("state", "running"),
    ("steps", "0"),
];

fn restored_fields(_: &Setting) -> Outcome {
    let host = sys::discipline().context("adjtimex")?;
    let file = saved_file();
    fs::write(&file, SAVED).context("writing a saved clock")?;
    let restore = format!("restore {} --", file.display());
    for round in 1..=2 {
        let text = run(format_args!("{restore} cat /proc/self/timens_clock"))?;
        for (key, value) in RESTORED {
            check_eq!(line(&text, key)?, value, "{key} after round {round}");
        }
        // What is restored is what the next round saves, from inside, of itself.
        let mut shell = timens(&restore)?;
        let path = timens("")?.get_program().to_string_lossy().into_owned();
        let script = format!(
            "{path} save $$ -o {0}.new && mv {0}.new {0}",
            file.display()
        );
        shell.args(["sh", "-c", &script]);
        printed(shell)?;
    }
    // On the host, the first time zone would move the date.
    fs::write(&file, SAVED).context("writing a saved clock")?;
    let (text, at, _) = timed(|| print_restored(&restore))?;
    let realtime = reading(&text, Clock::Realtime)?[0];
    let saved = 1_900_000_000_123_450_009;
    check!(
        Span::new(saved, saved + at.width()).contains(realtime),
        "REALTIME is {realtime}, was {saved}"
    );
    for (from, to, why) in [
        ("\"tick\": 10003", "\"tick\": 8999", "out of range"),
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("\"dst\": 1", "\"dst\": 1, \"x\": 0", "unknown field"),
        (
            "\"rate_fixed\": 0",
            "\"rate_fixed\": 999999999",
            "same rate",
        ),
    ] {
        check!(SAVED.contains(from), "no {from} in the saved clock");
        fs::write(&file, SAVED.replace(from, to)).context("writing a saved clock")?;
        let output = timens(format_args!("{restore} true"))?.output();
        let output = output.context("timens restore")?;
        check_eq!(output.status.code(), Some(125), "status with {to}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        check!(complaint.contains(why), "with {to}: {complaint}");
    }
    check_eq!(sys::discipline(), Ok(host), "the host's discipline");
    fs::remove_file(file).context("removing a saved clock")
}

/// Has this program print the clocks of the namespace that `restore` makes.
fn print_restored(restore: impl Display) -> Outcome<String> {
    let mut command = timens(restore)?;
    let myself = env::current_exe().context("my own path")?;
    command.arg(myself).arg("--print-clocks");
    printed(command)
}

/// How far RAW is ahead of the saved one is told as it is, whatever the restore took.
fn restored_raw(_: &Setting) -> Outcome {
    let file = saved_file();
    fs::write(&file, SAVED).context("writing a saved clock")?;
    let mut command = timens(format_args!("-v restore {} --", file.display()))?;
    let myself = env::current_exe().context("my own path")?;
    let output = command.arg(myself).arg("--print-clocks").output();
    let output = output.context("timens restore")?;
    let raw = reading(&String::from_utf8_lossy(&output.stdout), Clock::Raw)?[0];
    let said = String::from_utf8_lossy(&output.stderr);
    let ahead = said.rsplit_once("saved one by ").context(&said)?.1;
    let mut told = 0;
    for word in ahead.split_whitespace() {
        let unit = word.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let number: Ns = word[..word.len() - unit.len()].parse().ok().context(word)?;
        told += number
            * match unit {
                "s" => SEC,
                "ms" => 1_000_000,
                "us" | "µs" => 1000,
                "ns" => 1,
                _ => fail!("{ahead:?} has an unknown unit"),
            };
    }
    check_eq!(told, raw - 4_999_999 * SEC, "what {ahead:?} says");
    fs::remove_file(file).context("removing a saved clock")
}

/// A clock that is made in one that expects a leap second makes its own.
fn leap_second_in_an_own_clock(_: &Setting) -> Outcome {
    /// Three seconds before a midnight.
    const EVENING: &str = "\"realtime\": {\"secs\": 1900022397";
    let running = SAVED.replace(
        "\"rate\": {\"secs\": 0, \"nanosecs\": 0}, \"rate_fixed\": 0",
        "\"rate\": {\"secs\": 1, \"nanosecs\": 0}, \"rate_fixed\": 72057594037927936",
    );
    let evening = running.replace("\"realtime\": {\"secs\": 1900000000", EVENING);
    check!(evening.contains(EVENING) && running != SAVED, "{evening}");
    let file = saved_file();
    fs::write(&file, running).context("writing a saved clock")?;
    let inner = file.with_extension("inner");
    fs::write(&inner, evening).context("writing a saved clock")?;
    let mut command = timens(format_args!("restore {} --", file.display()))?;
    let script = format!(
        "sleep 2; grep ntp_state /proc/self/timens_clock; \
         {} restore {} -- sh -c 'sleep 5; cat /proc/self/timens_clock'",
        tool()?.display(),
        inner.display()
    );
    let text = printed({
        command.args(["sh", "-c", &script]);
        command
    })?;
    check_eq!(line(&text, "ntp_state")?, "1", "the state around it");
    check_eq!(line(&text, "tai")?, "41", "TAI less REALTIME afterwards");
    fs::remove_file(inner).context("removing a saved clock")?;
    fs::remove_file(file).context("removing a saved clock")
}

/// What it printed for a clock, by each way to read it.
fn reading(text: &str, clock: Clock) -> Outcome<Vec<Ns>> {
    let times: Vec<Ns> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let ways = Way::ALL.len();
    check_eq!(times.len(), Clock::ALL.len() * ways, "lines of {text:?}");
    let place = Clock::ALL.iter().position(|any| *any == clock);
    Ok(times[place.context(clock)? * ways..][..ways].to_vec())
}

/// What a namespace's clocks read.
fn readings(namespace: &Namespace) -> Outcome<[Ns; 4]> {
    namespace.inside(|| {
        let mut times = [0; 4];
        for (time, clock) in times.iter_mut().zip(KEPT) {
            *time = clock.now()?;
        }
        Ok(times)
    })
}

/// A clock that was saved and restored.
struct Kept {
    clock: Clock,
    /// What it read before and after the save.
    saved: Span,
    /// What it read when restored.
    restored: Ns,
}

/// Clocks that were saved and restored.
struct Restored {
    kept: Vec<Kept>,
    /// How long on the host from the save to the reading.
    elapsed: Span,
    /// How long on the host the save, and the restore with the reading, took together.
    took: Ns,
}

/// Saves clocks at a rate, and restores them after a while.
fn save_and_restore(rate: u64, options: &str) -> Outcome<Restored> {
    let lines = Lines::new()
        .rate(rate, 0)
        .realtime(100_000_000 * SEC)
        .monotonic(1000 * SEC)
        .boottime(2000 * SEC);
    let tracked = Tracked::new(&lines)?;
    let resident = resident(&tracked.namespace)?;
    let file = saved_file();
    let before = readings(&tracked.namespace)?;
    let save_began = host::reference()?;
    run(format_args!(
        "save {} -o {}",
        resident.pid(),
        file.display()
    ))?;
    let save_ended = host::reference()?;
    let after = readings(&tracked.namespace)?;
    host::pass(SEC / 2)?;

    let began = host::reference()?;
    let text = print_restored(format_args!("restore {options} {} --", file.display()))?;
    let ended = host::reference()?;
    let mut kept = Vec::new();
    for (clock, (before, after)) in KEPT.into_iter().zip(before.into_iter().zip(after)) {
        for restored in reading(&text, clock)? {
            kept.push(Kept {
                clock,
                saved: Span::new(before, after),
                restored,
            });
        }
    }
    fs::remove_file(file).context("removing a saved clock")?;
    resident.stop()?;
    Ok(Restored {
        kept,
        elapsed: Span::new(began - save_ended, ended - save_began),
        took: save_ended - save_began + ended - began,
    })
}

/// Checks the clocks of `restored`, which have passed `passed` more than what they read when saved.
fn check_kept(restored: &Restored, passed: Span) -> Outcome {
    for kept in &restored.kept {
        let expected = kept.saved + passed;
        check!(
            expected.contains(kept.restored),
            "{} is {}, should be in {expected}",
            kept.clock,
            kept.restored
        );
    }
    Ok(())
}

fn restored_clocks(_: &Setting) -> Outcome {
    // What a frozen clock reads when it is saved is known exactly.
    for rate in [0, 3] {
        let restored = save_and_restore(rate, "")?;
        let fastest = Ns::from(rate.max(1));
        check_kept(&restored, Span::new(0, fastest * restored.took))
            .during(format_args!("rate {rate}"))?;
    }
    Ok(())
}

fn elapsed_clocks(_: &Setting) -> Outcome {
    let restored = save_and_restore(3, "--elapsed")?;
    // What was saved, and what had passed, was each rounded down.
    check_kept(&restored, restored.elapsed.scaled(3) + Span::new(-2, 0))
}

/// How far MONOTONIC is ahead of RAW in a frozen namespace, where both can be read at one moment.
fn ahead_of_raw(namespace: &Namespace) -> Outcome<Ns> {
    namespace.inside(|| Ok(Clock::Monotonic.now()? - Clock::Raw.now()?))
}

fn slew(_: &Setting) -> Outcome {
    let host = sys::discipline().context("adjtimex")?;
    let tracked = Tracked::new(&Lines::new().rate(0, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    for (by, ns) in [("0.003", 3_000_000), ("-0.0012", -1_200_000)] {
        let before = ahead_of_raw(&tracked.namespace)?;
        run(format_args!("thaw {pid} --rate 2"))?;
        run(format_args!("slew {pid} {by} --wait"))?;
        // The clock goes back to the base rate when it is where the slew should have brought it.
        loop {
            let text = clock_of(pid)?;
            if line(&text, "ntp_rate_fixed")? == line(&text, "rate_fixed")? {
                break;
            }
            host::pass(SEC / 100)?;
        }
        run(format_args!("freeze {pid}"))?;
        let slewed = ahead_of_raw(&tracked.namespace)? - before;
        check!(
            (slewed - ns).abs() < 1000,
            "a slew by {by} s was one by {slewed} ns"
        );
        let text = clock_of(pid)?;
        check_eq!(line(&text, "ntp_adjust")?, "0", "left of the slew");
    }
    check_eq!(tracked.state()?.0.steps, 0, "steps");
    let frozen = timens(format_args!("slew {pid} 1 --wait"))?.output();
    let frozen = frozen.context("timens slew")?;
    check_eq!(frozen.status.code(), Some(1), "status for a frozen clock");
    check_eq!(sys::discipline(), Ok(host), "the host's discipline");
    resident.stop()
}

fn slew_that_is_called_off(_: &Setting) -> Outcome {
    let tracked = Tracked::new(&Lines::new().rate(20, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    let slew = timens(format_args!("slew {pid} 0.2 --wait"))?.spawn();
    let slew = slew.context("timens slew")?;
    while line(&clock_of(pid)?, "ntp_adjust")? == "0" {
        host::pass(SEC / 50)?;
    }
    run(format_args!("step {pid} 1h"))?;
    check_eq!(ending(slew)?.code(), Some(1), "status of the slew");
    resident.stop()
}

fn frequency(_: &Setting) -> Outcome {
    let host = sys::discipline().context("adjtimex")?;
    let tracked = Tracked::new(&Lines::new().rate(1, 0))?;
    let resident = resident(&tracked.namespace)?;
    let pid = resident.pid();
    for (ppm, freq) in [("-12.5", "-819200"), ("500", "32768000"), ("0", "0")] {
        run(format_args!("slew {pid} --frequency {ppm}"))?;
        let text = clock_of(pid)?;
        check_eq!(line(&text, "ntp_freq")?, freq, "ntp_freq for {ppm} ppm");
    }
    check_eq!(sys::discipline(), Ok(host), "the host's discipline");
    resident.stop()
}

/// The owner of a user namespace steers the clock in it, and nobody else's.
fn by_an_ordinary_user(_: &Setting) -> Outcome {
    let others = Tracked::new(&Lines::new().rate(1, 0))?;
    let theirs = resident(&others.namespace)?;
    let theirs_pid = theirs.pid();
    // Where it is built, perhaps not everybody may go.
    let public = env::temp_dir().join("timens");
    fs::copy(tool()?, &public).context("a copy of timens")?;
    let timens = |arguments: &str| command(&public, arguments);
    let run = |arguments: &str| printed(timens(arguments));
    let task = Task::spawn(|| {
        become_nobody()?;
        let mut command = timens("run --user --rate 1 -- sleep 1000");
        let child = command.stdin(Stdio::null()).spawn();
        let mut child = child.context("timens run --user")?;
        let pid = Pid::from_child(&child);
        // Until the command has taken the place of timens.
        while fs::read_to_string(format!("/proc/{pid}/comm")).context("comm")? != "sleep\n" {
            host::pass(SEC / 100)?;
        }
        run(&format!("step {pid} 1h"))?;
        check_eq!(line(&clock_of(pid)?, "realtime")?, "3600 0", "realtime");
        run(&format!("slew {pid} 0.25 --frequency 7"))?;
        check_eq!(line(&clock_of(pid)?, "ntp_freq")?, "458752", "ntp_freq");
        let file = saved_file();
        run(&format!("save {pid} -o {}", file.display()))?;
        let restore = format!("restore --user {} --", file.display());
        let text = run(&format!("{restore} cat /proc/self/timens_clock"))?;
        check_eq!(line(&text, "ntp_freq")?, "458752", "restored ntp_freq");

        for arguments in [
            format!("step {theirs_pid} 1h"),
            format!("slew {theirs_pid} 1"),
            format!("strobe {theirs_pid} --by 1h --every 1s"),
            format!("{restore} true").replace("--user", ""),
        ] {
            let output = timens(&arguments).output().context("timens")?;
            check!(!output.status.success(), "{arguments}: not refused");
            let complaint = String::from_utf8_lossy(&output.stderr);
            check!(
                complaint.contains("not permitted"),
                "{arguments}: {complaint}"
            );
        }
        child.kill().context("kill")?;
        child.wait().context("wait")?;
        Ok(())
    })?;
    task.join()?;
    others.verify().during("somebody else's")?;
    theirs.stop()
}
