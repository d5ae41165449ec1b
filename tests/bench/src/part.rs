// SPDX-License-Identifier: GPL-2.0

//! What is counted.

use std::{
    fmt::{self, Display},
    path::Path,
    str::FromStr,
};

use crate::{
    bounds,
    context::Context::{self, Beside, Crowd, Host, Own, Plain},
    count,
    figures::Figures,
    loops,
    row::Row,
    scale, scale_bounds, setting, setting_bounds, timer_bounds, timers, Error,
};

/// The parts of the benchmark, each of which may be run without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Clock reads through the vDSO.
    Vdso,
    /// Clock reads through system calls.
    Syscalls,
    /// What has to do with one timer.
    Timers,
    /// Many timers, and many namespaces.
    Scale,
    /// Asking how a clock is disciplined, and setting it.
    Setting,
}

const PARTS: [Part; 5] = [
    Part::Vdso,
    Part::Syscalls,
    Part::Timers,
    Part::Scale,
    Part::Setting,
];

/// The kernel that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Without patches.
    Mainline,
    /// With them, and with the module.
    Patched,
}

impl Part {
    /// Where this is counted.
    pub(crate) fn contexts(self, kernel: Kernel) -> &'static [Context] {
        match (self, kernel) {
            (Self::Vdso, Kernel::Mainline) => &[Host, Plain],
            (Self::Vdso, Kernel::Patched) => &[Host, Plain, Own],
            (Self::Syscalls | Self::Timers | Self::Scale | Self::Setting, Kernel::Mainline) => {
                &[Host]
            }
            (Self::Syscalls, Kernel::Patched) => &[Host, Beside],
            (Self::Timers, Kernel::Patched) => &[Host, Own, Crowd],
            (Self::Scale, Kernel::Patched) => &[Own, Crowd],
            (Self::Setting, Kernel::Patched) => &[Host, Own],
        }
    }

    /// Counts it in this context, and prints the figures.
    pub(crate) fn measure(self, context: Context) -> Result<(), Error> {
        context.check()?;
        loops::check_counter()?;
        match self {
            Self::Vdso => count::vdso(context),
            Self::Syscalls => count::syscalls(context),
            Self::Timers => timers::measure(context),
            Self::Scale => scale::measure(context),
            Self::Setting => setting::measure(context),
        }
    }

    /// The rows of the table.
    pub(crate) fn rows(
        self,
        directory: &Path,
        mainline: &Figures,
        patched: &Figures,
    ) -> Result<Vec<Row>, Error> {
        match self {
            Self::Vdso => bounds::vdso(directory, mainline, patched),
            Self::Syscalls => bounds::syscalls(mainline, patched),
            Self::Timers => timer_bounds::rows(mainline, patched),
            Self::Scale => scale_bounds::rows(mainline, patched),
            Self::Setting => setting_bounds::rows(mainline, patched),
        }
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vdso => "vdso",
            Self::Syscalls => "syscalls",
            Self::Timers => "timers",
            Self::Scale => "scale",
            Self::Setting => "setting",
        })
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        PARTS
            .into_iter()
            .find(|part| part.to_string() == name)
            .ok_or_else(|| format!("no part '{name}'").into())
    }
}

impl FromStr for Kernel {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "mainline" => Ok(Self::Mainline),
            "patched" => Ok(Self::Patched),
            _ => Err(format!("no kernel '{name}'").into()),
        }
    }
}
