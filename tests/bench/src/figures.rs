// SPDX-License-Identifier: GPL-2.0

//! The figures that are counted, one a line: context, kind, name and value.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    fs,
    path::Path,
    str::FromStr,
};

use crate::{context::Context, Error};

/// The clocks, as `clock_gettime()` takes them.
pub(crate) const CLOCKS: [(&str, usize); 7] = [
    ("REALTIME", 0),
    ("MONOTONIC", 1),
    ("BOOTTIME", 7),
    ("TAI", 11),
    ("MONOTONIC_RAW", 4),
    ("REALTIME_COARSE", 5),
    ("MONOTONIC_COARSE", 6),
];

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Instructions of a vDSO function.
    Vdso,
    /// Instructions of a system call.
    Syscall,
    /// System calls that vDSO functions made.
    Trapped,
    /// Instructions of what has to do with a timer.
    Timer,
    /// Bytes of a structure.
    Size,
    /// Instructions of a step, with so many timers that do not become due.
    Step,
    /// Instructions of a timer's interrupt, among so many own clocks.
    Interrupt,
    /// Instructions of so many timers that become due together.
    Due,
    /// Instructions of a call that sets a clock, or says how it is disciplined.
    Setting,
}

const KINDS: [Kind; 9] = [
    Kind::Vdso,
    Kind::Syscall,
    Kind::Trapped,
    Kind::Timer,
    Kind::Size,
    Kind::Step,
    Kind::Interrupt,
    Kind::Due,
    Kind::Setting,
];

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vdso => "vdso",
            Self::Syscall => "syscall",
            Self::Trapped => "trapped",
            Self::Timer => "timer",
            Self::Size => "size",
            Self::Step => "step",
            Self::Interrupt => "interrupt",
            Self::Due => "due",
            Self::Setting => "setting",
        })
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        KINDS
            .into_iter()
            .find(|kind| kind.to_string() == name)
            .ok_or_else(|| format!("no kind '{name}'").into())
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) context: Context,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) value: f64,
}

impl Figure {
    /// Prints a figure.
    pub(crate) fn print(context: Context, kind: Kind, name: impl ToString, value: f64) {
        let name = name.to_string();
        let figure = Self {
            context,
            kind,
            name,
            value,
        };
        println!("{figure}");
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            context,
            kind,
            name,
            value,
        } = self;
        write!(f, "{context} {kind} {name} {value}")
    }
}

impl FromStr for Figure {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [context, kind, name, value] => Ok(Self {
                context: context.parse()?,
                kind: kind.parse()?,
                name: (*name).into(),
                value: value.parse()?,
            }),
            _ => Err(format!("not a figure: {line}").into()),
        }
    }
}

/// The figures of one kernel: the least of several boots each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(BTreeMap<(Context, Kind, String), f64>);

impl Figures {
    /// Reads all files of `directory` whose names start with `prefix`.
    pub(crate) fn read(directory: &Path, prefix: &str) -> Result<Self, Error> {
        let mut figures = Self::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                figures.add(&fs::read_to_string(entry.path())?)?;
            }
        }
        Ok(figures)
    }

    /// Reads those of one boot.
    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut figures = Self::default();
        figures.add(text)?;
        Ok(figures)
    }

    fn add(&mut self, text: &str) -> Result<(), Error> {
        for line in text.lines() {
            let figure: Figure = line.parse()?;
            let key = (figure.context, figure.kind, figure.name);
            let least = self.0.entry(key).or_insert(figure.value);
            *least = match figure.kind {
                // One too many in one boot is one too many.
                Kind::Trapped => least.max(figure.value),
                _ => least.min(figure.value),
            };
        }
        Ok(())
    }

    /// A figure.
    pub(crate) fn get(
        &self,
        context: Context,
        kind: Kind,
        name: impl ToString,
    ) -> Result<f64, Error> {
        let name = name.to_string();
        self.0
            .get(&(context, kind, name.clone()))
            .copied()
            .ok_or_else(|| format!("nothing was counted for {context} {kind} {name}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_of_several_boots() {
        let mut figures = Figures::default();
        for boot in [
            "host vdso TAI 70\nown trapped TAI 0\n",
            "host vdso TAI 64.5\nown trapped TAI 1\n",
            "host vdso TAI 71\nown trapped TAI 0\n",
        ] {
            figures.add(boot).unwrap();
        }
        let get = |context, kind| figures.get(context, kind, "TAI").unwrap();
        assert_eq!(get(Context::Host, Kind::Vdso), 64.5);
        assert_eq!(get(Context::Own, Kind::Trapped), 1.0);
        assert!(figures.get(Context::Own, Kind::Vdso, "TAI").is_err());
        assert!(figures.add("host vdso TAI").is_err());
    }
}
