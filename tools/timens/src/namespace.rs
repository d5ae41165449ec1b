// SPDX-License-Identifier: GPL-2.0

//! The time namespaces of a machine.

use crate::clock::Clock;
use crate::error::Error;
use crate::host;
use crate::procfs::{Link, Process, Procfs, Who};
use crate::target;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What identifies a namespace while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(pub(crate) u64);

impl Inode {
    /// The time namespace that the machine started with: `TIME_NS_INIT_INO` of linux/nsfs.h.
    pub(crate) const HOST: Inode = Inode(0xEFFF_FFFA);

    /// Reads what a link to a time namespace says: `time:[4026531834]`.
    pub(crate) fn from_link(target: &Path) -> Option<Inode> {
        let number = target.to_str()?.strip_prefix("time:[")?.strip_suffix(']')?;
        number.parse().ok().map(Inode)
    }
}

impl fmt::Display for Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "time:[{}]", self.0)
    }
}

/// Which clock a namespace has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The machine's.
    Host,
    /// The machine's, at most with constant offsets of MONOTONIC and BOOTTIME.
    Plain,
    /// Its own.
    Own(Clock),
    /// That could not be found out.
    Unknown,
}

/// A time namespace and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    /// What identifies it.
    pub(crate) inode: Inode,
    /// Which clock it has.
    pub(crate) kind: Kind,
    /// The host's date when the clock was looked at.
    pub(crate) now: Timestamp,
    /// How many processes are in it.
    pub(crate) processes: usize,
    /// The oldest of them; for a namespace that nobody is in, the oldest whose children would be.
    pub(crate) oldest: Option<u32>,
    /// The command of that process.
    pub(crate) command: Option<String>,
    /// Where it is mounted.
    pub(crate) mounts: Vec<PathBuf>,
}

/// All time namespaces that could be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The namespaces, the oldest inode first.
    pub(crate) namespaces: Vec<Namespace>,
    /// How many processes belong to others and could not be looked at.
    pub(crate) hidden: usize,
}

impl Survey {
    /// What is to be said of namespaces that may be missing.
    pub(crate) fn lack(&self) -> Option<String> {
        let hidden = self.hidden;
        (hidden > 0).then(|| {
            format!(
                "there may be more namespaces of other users, {hidden} of whose processes could \
                 not be looked at"
            )
        })
    }
}

/// What leads to one namespace.
#[derive(Default)]
struct Leads<'a> {
    members: Vec<&'a Process>,
    speakers: Vec<&'a Process>,
    mounts: Vec<PathBuf>,
}

/// How far to go to get at a clock that no process's files speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Not out of the namespace that this program is in, whose clock it waits by.
    Stay,
    /// Into the namespace; this program is there afterwards.
    Enter,
}

/// Finds the time namespaces of a machine.
pub(crate) fn survey(procfs: &Procfs, effort: Effort) -> Result<Survey, Error> {
    let processes = procfs.processes()?;
    let mut leads: BTreeMap<Inode, Leads<'_>> = BTreeMap::new();
    for process in &processes.seen {
        leads.entry(process.time).or_default().members.push(process);
        leads
            .entry(process.children)
            .or_default()
            .speakers
            .push(process);
    }
    for mount in procfs.mounts() {
        leads
            .entry(mount.inode)
            .or_default()
            .mounts
            .push(mount.path);
    }
    let namespaces = leads
        .into_iter()
        .map(|(inode, leads)| leads.describe(procfs, inode, effort))
        .collect::<Result<_, _>>()?;
    Ok(Survey {
        namespaces,
        hidden: processes.hidden,
    })
}

impl Leads<'_> {
    fn describe(self, procfs: &Procfs, inode: Inode, effort: Effort) -> Result<Namespace, Error> {
        let holders = match self.members.is_empty() {
            false => &self.members,
            true => &self.speakers,
        };
        let oldest = holders
            .iter()
            .min_by_key(|process| (process.started, process.pid))
            .map(|process| process.pid);
        let kind = self.kind(procfs, inode, effort);
        Ok(Namespace {
            inode,
            kind,
            // After the clock: a date from before would put a frozen one a moment back.
            now: host::now(procfs)?,
            processes: self.members.len(),
            oldest,
            command: oldest.and_then(|pid| procfs.command(pid)),
            mounts: self.mounts,
        })
    }

    fn kind(&self, procfs: &Procfs, inode: Inode, effort: Effort) -> Kind {
        if inode == Inode::HOST {
            return Kind::Host;
        }
        let answer = self
            .speakers
            .iter()
            .find_map(|process| procfs.clock_if_known(Who::Pid(process.pid)).ok())
            .or_else(|| match effort {
                Effort::Stay => None,
                Effort::Enter => self.enter(procfs),
            });
        match answer {
            Some(Some(clock)) => Kind::Own(clock),
            Some(None) => Kind::Plain,
            None => Kind::Unknown,
        }
    }

    /// Reads the clock from inside the namespace.
    ///
    /// Only where a process is already: entering would start a clock that still waits for its
    /// first process, and a namespace that is merely mounted may be such.
    fn enter(&self, procfs: &Procfs) -> Option<Option<Clock>> {
        self.members.iter().find_map(|process| {
            let link = procfs.link(Who::Pid(process.pid), Link::Time);
            target::enter(&link).ok()?;
            procfs.clock_if_known(Who::Caller).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::State;
    use crate::testing::{clock_text, FakeProc, HOST};

    fn find(survey: &Survey, inode: u64) -> &Namespace {
        let mut namespaces = survey.namespaces.iter();
        namespaces
            .find(|namespace| namespace.inode.0 == inode)
            .unwrap()
    }

    #[test]
    fn reads_links_of_time_namespaces_only() {
        let read = |text: &str| Inode::from_link(Path::new(text));
        assert_eq!(read("time:[4026531834]"), Some(Inode::HOST));
        assert_eq!(read("net:[4026531840]"), None);
        assert_eq!(read("time:[]"), None);
        assert_eq!(read("time:[1] (deleted)"), None);
        assert_eq!(Inode(5).to_string(), "time:[5]");
    }

    #[test]
    fn groups_processes_by_namespace() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.process(20, 5, 5, 300);
        proc.process(21, 5, 5, 200);
        proc.process(22, 5, 5, 200);
        proc.write("20/timens_clock", &clock_text("running", "9 0", "2 0"));
        proc.write("21/timens_clock", &clock_text("running", "9 0", "2 0"));
        proc.process(30, 6, 6, 400);
        proc.write("30/timens_clock", "");
        let survey = survey(&proc.fs(), Effort::Enter).unwrap();

        assert_eq!(survey.namespaces.len(), 3);
        let host = find(&survey, HOST);
        assert_eq!(
            (&host.kind, host.processes, host.oldest),
            (&Kind::Host, 1, Some(1))
        );
        let own = find(&survey, 5);
        assert!(matches!(&own.kind, Kind::Own(clock) if clock.state == State::Running));
        assert_eq!((own.processes, own.oldest), (3, Some(21)));
        assert_eq!(own.command.as_deref(), Some("program 21"));
        let plain = find(&survey, 6);
        assert_eq!((&plain.kind, plain.processes), (&Kind::Plain, 1));
    }

    #[test]
    fn the_hosts_date_is_taken_anew_for_each_clock() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.process(20, 5, 5, 1);
        let before = Timestamp::now();
        let survey = survey(&proc.fs(), Effort::Enter).unwrap();
        let [first, second] = &survey.namespaces[..] else {
            panic!("{survey:?}");
        };
        assert!(before <= first.now && first.now < second.now && second.now <= Timestamp::now());
    }

    #[test]
    fn a_namespace_that_nobody_has_entered_is_listed_with_who_made_it() {
        let proc = FakeProc::new();
        proc.process(40, HOST, 7, 1);
        proc.write("40/timens_clock", &clock_text("pending", "9 0", "2 0"));
        let survey = survey(&proc.fs(), Effort::Enter).unwrap();
        let pending = find(&survey, 7);
        assert!(matches!(&pending.kind, Kind::Own(clock) if clock.state == State::Pending));
        assert_eq!((pending.processes, pending.oldest), (0, Some(40)));
    }

    #[test]
    fn a_kernel_without_clocks_has_plain_namespaces() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        assert_eq!(
            find(&survey(&proc.fs(), Effort::Enter).unwrap(), 5).kind,
            Kind::Plain
        );
    }

    #[test]
    fn a_mounted_namespace_is_not_entered() {
        let proc = FakeProc::new();
        proc.write(
            "self/mountinfo",
            "1 1 0:4 time:[8] /run/t rw - nsfs nsfs rw\n",
        );
        let survey = survey(&proc.fs(), Effort::Enter).unwrap();
        let mounted = find(&survey, 8);
        assert_eq!(mounted.kind, Kind::Unknown);
        assert_eq!(mounted.mounts, [PathBuf::from("/run/t")]);
        assert_eq!((mounted.processes, mounted.oldest), (0, None));
    }

    #[test]
    fn what_cannot_be_reached_is_unknown() {
        let proc = FakeProc::new();
        // In 5, but its files speak of 6, and the link leads nowhere.
        proc.process(20, 5, 6, 1);
        proc.write("20/timens_clock", &clock_text("running", "9 0", "2 0"));
        let survey = survey(&proc.fs(), Effort::Enter).unwrap();
        assert_eq!(find(&survey, 5).kind, Kind::Unknown);
        assert!(matches!(find(&survey, 6).kind, Kind::Own(_)));
    }
}
