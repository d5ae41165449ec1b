// SPDX-License-Identifier: GPL-2.0

//! The module is removed and loaded again.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::io::Errno;

use crate::failure::{check, check_eq, fail, During, Outcome, Trouble};
use crate::host;
use crate::lines::Lines;
use crate::module;
use crate::namespace::Pending;
use crate::proc_file::{offsets_text, read_offsets, ProcFile, State};
use crate::runner::{tests, Setting};
use crate::sys::Ns;
use crate::task::{pin_to, Task};
use crate::tests::plain;
use crate::timers::board::shared_numbers;
use crate::tracked::Tracked;

tests![
    busy_while_a_clock_exists,
    without_the_module,
    while_clocks_come_and_go,
];

const SEC: Ns = 1_000_000_000;

/// Loads the module again when a test is done with its absence, also when it fails.
struct Reload(PathBuf);

impl Reload {
    fn new(setting: &Setting) -> Outcome<Self> {
        if !module::is_loaded() {
            return Err(Trouble::Skip("it is built in".into()));
        }
        match &setting.module {
            Some(path) => Ok(Self(path.clone())),
            None => Err(Trouble::Skip(
                "no --module, and TIMENS_MODULE is not set".into(),
            )),
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Reload {
    fn drop(&mut self) {
        if !module::is_loaded() {
            // The tests that follow say that it is not there.
            let _ = module::load(&self.0);
        }
    }
}

/// Removes the module once the last clock is gone, which may take a grace period.
fn unload() -> Outcome {
    let deadline = host::reference()? + 60 * SEC;
    loop {
        match module::unload() {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if host::reference()? < deadline => host::pass(SEC / 100)?,
            Err(errno) => fail!("delete_module: {errno}"),
        }
    }
}

fn lines() -> Lines {
    Lines::new().rate(2, 0).realtime(1000 * SEC)
}

fn busy_while_a_clock_exists(setting: &Setting) -> Outcome {
    let reload = Reload::new(setting)?;
    for round in 0..3 {
        // A pending clock and one that runs.
        let pending = Pending::new()?;
        pending.write(lines())?;
        check_eq!(
            module::unload(),
            Err(Errno::WOULDBLOCK),
            "removal while one is pending"
        );
        let tracked = Tracked::start(pending.detach()?, &lines())?;
        check_eq!(
            module::unload(),
            Err(Errno::WOULDBLOCK),
            "removal while one runs"
        );
        tracked.verify().during("after attempts at removal")?;
        drop(tracked);
        unload()?;
        check!(!module::is_loaded(), "it is still loaded");
        module::load(reload.path()).during(format_args!("round {round}"))?;
        Tracked::new(&lines())?
            .verify()
            .during("after loading again")?;
    }
    Ok(())
}

fn without_the_module(setting: &Setting) -> Outcome {
    let reload = Reload::new(setting)?;
    unload()?;
    let result = check_absence();
    module::load(reload.path())?;
    let namespace = result?;
    plain::verify(&namespace, 5 * SEC, 0).during("with the module")?;
    Tracked::new(&lines())?.verify()
}

fn check_absence() -> Outcome<crate::namespace::Namespace> {
    let pending = Pending::new()?;
    pending.write("monotonic 5 0\n")?;
    for file in [ProcFile::Offsets, ProcFile::Clock] {
        for text in ["rate 2 0\n", "realtime 5 0\n", "monotonic 1 0\nrate 2 0\n"] {
            let written = file.write("self", text);
            check_eq!(
                written,
                Err(Errno::OPNOTSUPP),
                "writing {text:?} to {}",
                file.name()
            );
        }
    }
    check_eq!(State::read("self")?, None, "timens_clock");
    check_eq!(
        read_offsets("self")?,
        offsets_text(5 * SEC, 0),
        "timens_offsets"
    );
    let namespace = pending.detach()?;
    plain::verify(&namespace, 5 * SEC, 0)?;
    plain::verify_host()?;
    Ok(namespace)
}

/// Nobody waits for anybody: each attempt either works or is refused.
///
/// All on one CPU: to turn its static keys on and off, the kernel patches its text, and QEMU
/// before 8.1 may go on executing on one CPU what has been patched on another.
fn while_clocks_come_and_go(setting: &Setting) -> Outcome {
    let reload = Reload::new(setting)?;
    pin_to(0)?;
    let counts = shared_numbers(2)?;
    let mut users = Vec::new();
    for count in counts {
        users.push(Task::spawn(|| loop {
            let pending = Pending::new()?;
            match ProcFile::Offsets.write("self", lines().to_string()) {
                Ok(_) => {
                    let tracked = Tracked::start(pending.detach()?, &lines())?;
                    tracked.verify()?;
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Err(Errno::OPNOTSUPP) => drop(pending.detach()?),
                Err(errno) => fail!("making a clock: {errno}"),
            }
        })?);
    }
    let (mut removed, wanted) = (0, setting.by_kernel(20, 6));
    let deadline = host::reference()? + 60 * SEC;
    while removed < wanted && host::reference()? < deadline {
        match module::unload() {
            Ok(()) => {
                removed += 1;
                host::pass(SEC / 1000)?;
                module::load(reload.path())?;
            }
            Err(Errno::WOULDBLOCK) => host::pass(SEC / 10_000)?,
            Err(errno) => fail!("delete_module: {errno}"),
        }
    }
    for (mut user, count) in users.into_iter().zip(counts) {
        check!(
            count.load(Ordering::SeqCst) > 0,
            "a user of clocks has made none"
        );
        check!(
            user.is_running()?,
            "a user of clocks ended: {:?}",
            user.outcome()
        );
        user.kill();
    }
    check!(removed > 0, "there was always a clock");
    unload()?;
    module::load(reload.path())?;
    Tracked::new(&lines())?.verify()
}
