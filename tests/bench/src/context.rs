// SPDX-License-Identifier: GPL-2.0

//! Where clocks are read.

use std::{
    env,
    fmt::{self, Display},
    fs,
    process::{Command, Stdio},
    str::FromStr,
};

use crate::{count, cpu, Error};

/// Where clocks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Context {
    /// The initial time namespace.
    Host,
    /// A time namespace with offsets.
    Plain,
    /// A time namespace with a clock of its own.
    Own,
    /// The initial time namespace, while there is an own clock elsewhere.
    Beside,
}

const ALL: [Context; 4] = [Context::Host, Context::Plain, Context::Own, Context::Beside];

impl Context {
    /// What is written to `timens_offsets`.
    ///
    /// No offset has ns. With them a reader that subtracts whole seconds one by one would need
    /// one more round at some times than at others.
    fn offsets(self) -> &'static str {
        match self {
            Self::Host => "",
            Self::Plain => "monotonic 1000 0\nboottime 1000 0\n",
            Self::Own | Self::Beside => "realtime 100000000 0\nrate 1 50000\n",
        }
    }

    /// Starts this program again, with the argument `what`.
    pub(crate) fn run(self, what: &str) -> Result<(), Error> {
        let status = Command::new(env::current_exe()?)
            .args([what, &self.to_string()])
            .status()?;
        if !status.success() {
            return Err(format!("counting in {self} failed: {status}").into());
        }
        Ok(())
    }

    /// Counts in this context.
    pub(crate) fn enter(self) -> Result<(), Error> {
        if self != Self::Host {
            cpu::unshare_time()?;
            fs::write("/proc/self/timens_offsets", self.offsets())
                .map_err(|error| format!("making the {self} namespace: {error}"))?;
        }
        if self != Self::Beside {
            return self.run("measure");
        }
        // Who makes a namespace is not in it. Somebody has to be, for its clock to run.
        let mut inside = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        let measured = count::measure(self);
        drop(inside.stdin.take());
        inside.wait()?;
        measured
    }

    /// Fails unless this process is in such a context.
    pub(crate) fn check(self) -> Result<(), Error> {
        let namespace = |process| fs::read_link(format!("/proc/{process}/ns/time"));
        let initial = namespace("self")? == namespace("1")?;
        // There is no such file on a kernel without own clocks.
        let own = fs::read_to_string("/proc/self/timens_clock").unwrap_or_default();
        let running = own
            .lines()
            .any(|line| line.split_whitespace().eq(["state", "running"]));
        // Of the namespace that this process has made, not the one it is in.
        let (host, own) = match self {
            Self::Host => (true, false),
            Self::Plain => (false, false),
            Self::Own => (false, true),
            Self::Beside => (true, true),
        };
        if (initial, running) == (host, own) {
            Ok(())
        } else {
            Err(format!("this is not {self}").into())
        }
    }
}

impl Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Plain => "plain",
            Self::Own => "own",
            Self::Beside => "beside",
        })
    }
}

impl FromStr for Context {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        ALL.into_iter()
            .find(|context| context.to_string() == name)
            .ok_or_else(|| format!("no context '{name}'").into())
    }
}
