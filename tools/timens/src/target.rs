// SPDX-License-Identifier: GPL-2.0

//! What the user names a namespace by, and how to reach its clock.

use crate::error::Error;
use crate::namespace::Inode;
use crate::procfs::{Link, Procfs, Who};
use crate::sys;
use rustix::fs::fstatfs;
use rustix::io::Errno;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The type that statfs(2) tells for namespace files: `NSFS_MAGIC`.
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// A namespace as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one that this process is in.
    Process(u32),
    /// The one that this file stands for.
    File(PathBuf),
}

/// A number is a process; a file whose name is one needs a directory before it.
impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Target, Infallible> {
        Ok(match text.parse() {
            Ok(pid) => Target::Process(pid),
            Err(_) => Target::File(text.into()),
        })
    }
}

/// A namespace that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// What identifies it.
    pub(crate) inode: Inode,
    /// A process whose files speak of it, for its children are in it. Asking one is better than
    /// entering: it needs no privilege, and does not start the clock of a namespace that nobody has
    /// entered.
    pub(crate) speaker: Option<u32>,
    /// What leads into it.
    pub(crate) link: PathBuf,
}

impl Target {
    /// Finds the namespace.
    pub(crate) fn find(&self, procfs: &Procfs) -> Result<Subject, Error> {
        match self {
            Target::Process(pid) => of_process(procfs, *pid),
            Target::File(path) => Ok(of_namespace(procfs, inode_of(path)?, path)),
        }
    }
}

/// The namespace that a process is in.
fn of_process(procfs: &Procfs, pid: u32) -> Result<Subject, Error> {
    let who = Who::Pid(pid);
    let inode = procfs.namespace(who, Link::Time)?;
    let children = procfs.namespace(who, Link::TimeForChildren)?;
    Ok(Subject {
        inode,
        speaker: (inode == children).then_some(pid),
        link: procfs.link(who, Link::Time),
    })
}

/// The namespace `inode`, to which `link` leads.
fn of_namespace(procfs: &Procfs, inode: Inode, link: &Path) -> Subject {
    Subject {
        inode,
        speaker: procfs.speaker(inode).ok().flatten(),
        link: link.to_owned(),
    }
}

/// What identifies the namespace that a file stands for.
fn inode_of(path: &Path) -> Result<Inode, Error> {
    let failed = |error| Error::system(path.display().to_string(), error);
    // Nobody may be at the other end of a pipe that the user names by mistake.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).map_err(failed)?;
    let status = fstatfs(&file).map_err(|errno| failed(errno.into()))?;
    // CAST: a magic number of 32 bits in a field whose sign and width depend on the machine.
    if status.f_type as u64 != NSFS_MAGIC {
        return Err(Error::NotATimeNamespace(path.to_owned()));
    }
    Ok(Inode(file.metadata().map_err(failed)?.ino()))
}

impl Subject {
    /// Opens what leads into it. That may be another's by now: the host's, for example, if it is a
    /// link of a process whose number is another's.
    pub(crate) fn open(&self) -> Result<File, Error> {
        let file = open(&self.link)?;
        match file.metadata().map(|metadata| Inode(metadata.ino())) {
            Ok(inode) if inode == self.inode => Ok(file),
            _ => Err(Error::NobodyLeft(self.inode)),
        }
    }

    /// Enters it, to set its clock from inside. It is not the host's own.
    pub(crate) fn enter_to_change(&self) -> Result<(), Error> {
        if self.inode == Inode::HOST {
            return Err(Error::HostNamespace);
        }
        sys::enter_time_namespace(self.open()?)
            .map_err(|errno| Error::from_setns(self.link.clone(), errno))
    }
}

/// Enters the time namespace that `link` leads to.
pub(crate) fn enter(link: &Path) -> Result<(), Error> {
    let file = open(link)?;
    sys::enter_time_namespace(&file).map_err(|errno| Error::from_setns(link.to_owned(), errno))
}

fn open(link: &Path) -> Result<File, Error> {
    File::open(link).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::ACCESS | Errno::PERM) => Error::EnterNotPermitted(link.to_owned()),
        _ => Error::system(link.display().to_string(), error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeProc, HOST};
    use rustix::fs::{mknodat, FileType, Mode, CWD};

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_is_a_process_and_anything_else_a_file() {
        assert_eq!(target("4711"), Target::Process(4711));
        assert_eq!(target("./4711"), Target::File("./4711".into()));
        assert_eq!(target("-1"), Target::File("-1".into()));
        assert_eq!(target("99999999999"), Target::File("99999999999".into()));
    }

    #[test]
    fn an_ordinary_process_speaks_of_its_namespace() {
        let proc = FakeProc::new();
        proc.process(20, 5, 5, 1);
        let subject = target("20").find(&proc.fs()).unwrap();
        assert_eq!(subject.inode, Inode(5));
        assert_eq!(subject.speaker, Some(20));
    }

    #[test]
    fn a_process_whose_children_are_elsewhere_does_not() {
        let proc = FakeProc::new();
        proc.process(20, 5, 6, 1);
        let subject = target("20").find(&proc.fs()).unwrap();
        assert_eq!(subject.inode, Inode(5));
        assert_eq!(subject.speaker, None);
        assert_eq!(subject.link, proc.root().join("20/ns/time"));
    }

    #[test]
    fn a_file_is_spoken_for_by_a_process_whose_children_are_there() {
        let proc = FakeProc::new();
        proc.process(20, 5, 6, 1);
        proc.process(21, HOST, 5, 1);
        let link = Path::new("/run/timens/test");
        let speaker = |inode| of_namespace(&proc.fs(), Inode(inode), link).speaker;
        assert_eq!(speaker(6), Some(20));
        assert_eq!(speaker(5), Some(21));
        assert_eq!(speaker(9), None);
    }

    #[test]
    fn the_hosts_namespace_is_not_to_be_changed() {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        let subject = target("1").find(&proc.fs()).unwrap();
        let result = subject.enter_to_change();
        assert!(matches!(result, Err(Error::HostNamespace)), "{result:?}");
    }

    #[test]
    fn a_link_that_leads_elsewhere_by_now_is_not_followed() {
        let path = Path::new("/proc/self/ns/time");
        let here = of_namespace(&FakeProc::new().fs(), inode_of(path).unwrap(), path);
        assert!(here.open().is_ok());
        let there = Subject {
            inode: Inode(5),
            ..here
        };
        let result = there.enter_to_change();
        assert!(
            matches!(result, Err(Error::NobodyLeft(Inode(5)))),
            "{result:?}"
        );
    }

    #[test]
    fn what_does_not_exist_is_not_found() {
        let proc = FakeProc::new();
        let result = target("8").find(&proc.fs());
        assert!(
            matches!(result, Err(Error::NoSuchProcess(Who::Pid(8)))),
            "{result:?}"
        );
        let result = target("/nowhere/at/all").find(&proc.fs());
        assert!(matches!(result, Err(Error::System { .. })), "{result:?}");
    }

    #[test]
    fn an_ordinary_file_is_no_namespace() {
        let proc = FakeProc::new();
        proc.write("file", "");
        let result = inode_of(&proc.root().join("file"));
        assert!(
            matches!(result, Err(Error::NotATimeNamespace(_))),
            "{result:?}"
        );
    }

    #[test]
    fn a_pipe_is_no_namespace_and_is_not_waited_for() {
        let proc = FakeProc::new();
        let path = proc.root().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let result = inode_of(&path);
        assert!(
            matches!(result, Err(Error::NotATimeNamespace(_))),
            "{result:?}"
        );
    }

    #[test]
    fn a_namespace_of_another_kind_is_not_entered() {
        let result = enter(Path::new("/proc/self/ns/user"));
        assert!(
            matches!(result, Err(Error::NotATimeNamespace(_))),
            "{result:?}"
        );
    }
}
