// SPDX-License-Identifier: GPL-2.0

//! Where is counted.

use std::{
    env,
    fmt::{self, Display},
    fs,
    process::{Command, Stdio},
    str::FromStr,
};

use crate::{cpu, part::Part, Error};

/// Where is counted.
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
    /// The initial time namespace, while there are many of them with timers, which the
    /// measurement makes itself.
    Crowd,
}

/// All of them. Those without any own clock come first: later kernels remember that there was one.
pub(crate) const CONTEXTS: [Context; 5] = [
    Context::Host,
    Context::Plain,
    Context::Own,
    Context::Beside,
    Context::Crowd,
];

impl Context {
    /// What is written to `timens_offsets`.
    ///
    /// No offset has ns. With them a reader that subtracts whole seconds one by one would need
    /// one more round at some times than at others.
    fn offsets(self) -> &'static str {
        match self {
            Self::Host | Self::Crowd => "",
            Self::Plain => "monotonic 1000 0\nboottime 1000 0\n",
            Self::Own | Self::Beside => "realtime 100000000 0\nrate 1 50000\n",
        }
    }

    /// Starts this program again, with the argument `what`.
    pub(crate) fn run(self, what: &str, part: Part) -> Result<(), Error> {
        let status = Command::new(env::current_exe()?)
            .args([what, &self.to_string(), &part.to_string()])
            .status()?;
        if !status.success() {
            return Err(format!("counting {part} in {self} failed: {status}").into());
        }
        Ok(())
    }

    /// Counts a part in this context.
    pub(crate) fn enter(self, part: Part) -> Result<(), Error> {
        if !self.offsets().is_empty() {
            cpu::unshare_time()?;
            fs::write("/proc/self/timens_offsets", self.offsets())
                .map_err(|error| format!("making the {self} namespace: {error}"))?;
        }
        if self != Self::Beside {
            return self.run("measure", part);
        }
        // Who makes a namespace is not in it. Somebody has to be, for its clock to run.
        let mut inside = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        let measured = part.measure(self);
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
            Self::Host | Self::Crowd => (true, false),
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
            Self::Crowd => "crowd",
        })
    }
}

impl FromStr for Context {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        CONTEXTS
            .into_iter()
            .find(|context| context.to_string() == name)
            .ok_or_else(|| format!("no context '{name}'").into())
    }
}
