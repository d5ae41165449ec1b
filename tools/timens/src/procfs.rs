// SPDX-License-Identifier: GPL-2.0

//! The files of /proc that speak of time namespaces and of the processes in them.

use crate::clock::{Clock, Constants, Request};
use crate::error::Error;
use crate::namespace::Inode;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A process, as a directory of /proc names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The process with this number.
    Pid(u32),
    /// This one.
    Caller,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Pid(pid) => write!(f, "{pid}"),
            Who::Caller => f.write_str("self"),
        }
    }
}

/// A file in a process's directory that takes requests. Both speak of the namespace that its
/// children are in, which for almost every process is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Mainline's, which takes every line.
    Offsets,
    /// The clock's, which takes the date and the rate.
    Clock,
}

impl Control {
    fn name(self) -> &'static str {
        match self {
            Control::Offsets => "timens_offsets",
            Control::Clock => "timens_clock",
        }
    }
}

/// A link in a process's directory to a time namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The namespace that the process is in.
    Time,
    /// The namespace that its children are in, and itself from when it executes a program.
    TimeForChildren,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Link::Time => "ns/time",
            Link::TimeForChildren => "ns/time_for_children",
        }
    }
}

/// A process and its time namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// The namespace that it is in.
    pub(crate) time: Inode,
    /// The namespace that its children are in.
    pub(crate) children: Inode,
    /// When it started, in ticks since some time that all processes share.
    pub(crate) started: u64,
}

/// The processes of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    /// Those that could be looked at.
    pub(crate) seen: Vec<Process>,
    /// How many could not, for they are somebody else's.
    pub(crate) hidden: usize,
}

/// A namespace file that something keeps by a bind mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The namespace.
    pub(crate) inode: Inode,
    /// Where it is mounted.
    pub(crate) path: PathBuf,
}

/// Whether there is a file or a link of that name.
fn is_entry(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// A proc file system.
#[derive(Clone, Debug)]
pub(crate) struct Procfs {
    root: PathBuf,
}

impl Procfs {
    /// The proc file system that is mounted at `root`.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Procfs {
        Procfs { root: root.into() }
    }

    /// The path of a process's file.
    fn path(&self, who: Who, file: &str) -> PathBuf {
        self.root.join(who.to_string()).join(file)
    }

    /// The path of a link to a process's namespace.
    pub(crate) fn link(&self, who: Who, link: Link) -> PathBuf {
        self.path(who, link.name())
    }

    /// Reads which namespace a link of a process leads to.
    pub(crate) fn namespace(&self, who: Who, link: Link) -> Result<Inode, Error> {
        let path = self.link(who, link);
        let target = fs::read_link(&path)
            .map_err(|error| self.unreachable(who, &path, error, Error::NoTimeNamespaces))?;
        Inode::from_link(&target)
            .ok_or_else(|| Error::system(path.display().to_string(), Errno::INVAL))
    }

    /// Reads the clock of the namespace of a process's children; a plain namespace has none.
    pub(crate) fn clock(&self, who: Who) -> Result<Option<Clock>, Error> {
        let (path, text) = self.read(who, Control::Clock, Error::NoPatch)?;
        let clock = Clock::parse(&text).map_err(|error| Error::Unreadable { path, error })?;
        if clock.is_none() {
            // So is that of a process that has ended meanwhile.
            self.namespace(who, Link::TimeForChildren)?;
        }
        Ok(clock)
    }

    /// The clock that the files of this process speak of.
    pub(crate) fn own_clock(&self) -> Result<Clock, Error> {
        self.clock(Who::Caller)?.ok_or(Error::PlainNamespace)
    }

    /// Like `clock`, but a kernel that knows no clocks has plain namespaces only.
    pub(crate) fn clock_if_known(&self, who: Who) -> Result<Option<Clock>, Error> {
        match self.clock(who) {
            Err(Error::NoPatch) => Ok(None),
            result => result,
        }
    }

    /// Reads the constant offsets of the namespace of a process's children.
    pub(crate) fn constants(&self, who: Who) -> Result<Constants, Error> {
        let (path, text) = self.read(who, Control::Offsets, Error::NoTimeNamespaces)?;
        Constants::parse(&text).map_err(|error| Error::Unreadable { path, error })
    }

    fn read(&self, who: Who, file: Control, missing: Error) -> Result<(PathBuf, String), Error> {
        let path = self.path(who, file.name());
        match fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(error) => Err(self.unreachable(who, &path, error, missing)),
        }
    }

    /// Writes a request, as one: the kernel takes all of its lines or none.
    pub(crate) fn request(&self, who: Who, file: Control, request: &Request) -> Result<(), Error> {
        let path = self.path(who, file.name());
        let missing = match file {
            Control::Offsets => Error::NoTimeNamespaces,
            Control::Clock => Error::NoPatch,
        };
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::ACCESS | Errno::PERM) => Error::SetNotPermitted,
                _ => self.unreachable(who, &path, error, missing),
            })?;
        submit(file, who, request)
    }

    /// What it means that a file of a process could not be opened, where every process has the
    /// file unless the kernel has `missing` to say.
    fn unreachable(&self, who: Who, path: &Path, error: io::Error, missing: Error) -> Error {
        match Errno::from_io_error(&error) {
            // A process that has ended, but that nobody has waited for, has links that lead nowhere.
            // In this order, as somebody may wait for it now.
            Some(Errno::NOENT) if !is_entry(path) && self.path(who, "").exists() => missing,
            Some(Errno::NOENT | Errno::SRCH) if who == Who::Caller => Error::NoProcfs,
            Some(Errno::NOENT | Errno::SRCH) => Error::NoSuchProcess(who),
            Some(Errno::ACCESS | Errno::PERM) => Error::LookNotPermitted(who),
            _ => Error::system(path.display().to_string(), error),
        }
    }

    /// Every process that can be looked at; one that ends meanwhile is not among them.
    pub(crate) fn processes(&self) -> Result<Processes, Error> {
        // The own link tells apart a kernel without time namespaces and a process that has ended.
        self.namespace(Who::Caller, Link::Time)?;
        let entries = fs::read_dir(&self.root)
            .map_err(|error| Error::system(self.root.display().to_string(), error))?;
        let mut processes = Processes::default();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match self.process(pid) {
                Ok(process) => processes.seen.push(process),
                Err(Error::LookNotPermitted(_)) => processes.hidden += 1,
                Err(_) => {}
            }
        }
        processes.seen.sort_by_key(|process| process.pid);
        Ok(processes)
    }

    /// A process whose children are in a namespace.
    pub(crate) fn speaker(&self, inode: Inode) -> Result<Option<u32>, Error> {
        let processes = self.processes()?.seen;
        let speaker = processes.iter().find(|process| process.children == inode);
        Ok(speaker.map(|process| process.pid))
    }

    fn process(&self, pid: u32) -> Result<Process, Error> {
        let who = Who::Pid(pid);
        let stat = fs::read_to_string(self.path(who, "stat")).unwrap_or_default();
        Ok(Process {
            pid,
            time: self.namespace(who, Link::Time)?,
            children: self.namespace(who, Link::TimeForChildren)?,
            started: start_time(&stat).ok_or(Error::NoSuchProcess(who))?,
        })
    }

    /// The command line of a process, or the name of a kernel thread in brackets, on one line.
    pub(crate) fn command(&self, pid: u32) -> Option<String> {
        let who = Who::Pid(pid);
        let arguments = fs::read(self.path(who, "cmdline")).ok()?;
        let line = String::from_utf8_lossy(&arguments);
        let line = line.trim_end_matches('\0').replace('\0', " ");
        let line = match line.is_empty() {
            false => line,
            true => {
                let name = fs::read_to_string(self.path(who, "comm")).ok()?;
                format!("[{}]", name.trim_end())
            }
        };
        Some(line.replace(char::is_control, "?"))
    }

    /// The time namespaces that bind mounts keep.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        // No mount is no loss: namespaces with processes are found all the same.
        let text = fs::read(self.path(Who::Caller, "mountinfo")).unwrap_or_default();
        text.split(|byte| *byte == b'\n')
            .filter_map(mount)
            .collect()
    }
}

/// Writes a request in one call of write(2).
fn submit(mut file: impl Write, who: Who, request: &Request) -> Result<(), Error> {
    let text = request.to_string();
    let taken =
        file.write(text.as_bytes())
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(errno) => Error::from_request(who, request, errno),
                None => Error::system("write", error),
            })?;
    match taken == text.len() {
        true => Ok(()),
        false => Err(Error::TakenInPart {
            request: *request,
            taken,
        }),
    }
}

/// The 22nd field of /proc/PID/stat.
fn start_time(stat: &str) -> Option<u64> {
    // The second field is a name in parentheses that may contain anything, these included.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// The bind mount of a time namespace that a line of /proc/PID/mountinfo tells of.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let inode = Inode::from_link(Path::new(OsStr::from_bytes(fields.nth(3)?)))?;
    let path = unescape(fields.next()?)?.into();
    // Optional fields end with a dash.
    let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
    (file_system == b"nsfs").then_some(Mount { inode, path })
}

/// A path without the octal escapes for white space and backslashes.
fn unescape(path: &[u8]) -> Option<OsString> {
    let mut pieces = path.split(|byte| *byte == b'\\');
    let mut plain = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(3)?;
        let code = std::str::from_utf8(code).ok()?;
        plain.push(u8::from_str_radix(code, 8).ok()?);
        plain.extend(rest);
    }
    Some(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offset::Offset;
    use crate::rate::Rate;
    use crate::testing::{clock_text, FakeProc, HOST};

    const WHO: Who = Who::Pid(7);

    /// A file that notes what is written to it and answers as told.
    struct Kernel {
        writes: Vec<Vec<u8>>,
        answer: fn(usize) -> io::Result<usize>,
    }

    impl Write for &mut Kernel {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.writes.push(text.to_vec());
            (self.answer)(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn request() -> Request {
        Request {
            realtime: Offset::new(-1, 5),
            ..Request::rate(Rate::FROZEN)
        }
    }

    #[test]
    fn a_request_of_several_lines_is_one_write() {
        let mut kernel = Kernel {
            writes: Vec::new(),
            answer: Ok,
        };
        submit(&mut kernel, WHO, &request()).unwrap();
        assert_eq!(kernel.writes, [b"realtime -1 5\nrate 0 0\n"]);
    }

    #[test]
    fn a_request_taken_in_part_is_not_completed() {
        let mut kernel = Kernel {
            writes: Vec::new(),
            answer: |_| Ok(14),
        };
        let result = submit(&mut kernel, WHO, &request());
        assert!(
            matches!(result, Err(Error::TakenInPart { taken: 14, .. })),
            "{result:?}"
        );
        assert_eq!(kernel.writes.len(), 1);
    }

    #[test]
    fn a_refusal_is_understood() {
        let mut kernel = Kernel {
            writes: Vec::new(),
            answer: |_| Err(Errno::OPNOTSUPP.into()),
        };
        let result = submit(&mut kernel, WHO, &request());
        assert!(matches!(result, Err(Error::NoModule)), "{result:?}");
    }

    #[test]
    fn finds_processes_and_their_namespaces() {
        let proc = FakeProc::new();
        proc.process(30, 5, 6, 1000);
        proc.process(4, HOST, HOST, 2);
        proc.write("uptime", "1 1\n");
        proc.write("99/comm", "ends just now\n");
        let processes = proc.fs().processes().unwrap();
        let process = |pid, time, children, started| Process {
            pid,
            time: Inode(time),
            children: Inode(children),
            started,
        };
        assert_eq!(
            processes.seen,
            [process(4, HOST, HOST, 2), process(30, 5, 6, 1000)]
        );
        assert_eq!(processes.hidden, 0);
    }

    #[test]
    fn an_empty_clock_is_believed_of_a_process_that_is_there() {
        let proc = FakeProc::new();
        proc.process(7, 5, 5, 1);
        proc.write("7/timens_clock", "");
        assert!(matches!(proc.fs().clock(WHO), Ok(None)));
        fs::remove_dir_all(proc.root().join("7/ns")).unwrap();
        assert!(proc.fs().clock(WHO).is_err());
    }

    #[test]
    fn a_missing_file_tells_what_is_missing() {
        let proc = FakeProc::new();
        proc.process(7, HOST, HOST, 1);
        let fs = proc.fs();
        assert!(matches!(fs.clock(WHO), Err(Error::NoPatch)));
        assert!(matches!(fs.clock_if_known(WHO), Ok(None)));
        let gone = Who::Pid(8);
        assert!(matches!(
            fs.clock(gone),
            Err(Error::NoSuchProcess(Who::Pid(8)))
        ));
        assert!(matches!(
            fs.clock_if_known(gone),
            Err(Error::NoSuchProcess(_))
        ));
        assert!(matches!(
            fs.constants(Who::Caller),
            Err(Error::NoTimeNamespaces)
        ));
        let clock = fs.request(WHO, Control::Clock, &request());
        assert!(matches!(clock, Err(Error::NoPatch)), "{clock:?}");
        let clock = fs.request(gone, Control::Clock, &request());
        assert!(matches!(clock, Err(Error::NoSuchProcess(_))), "{clock:?}");
        let nowhere = Procfs::at(proc.root().join("nowhere"));
        assert!(matches!(nowhere.processes(), Err(Error::NoProcfs)));
    }

    #[test]
    fn a_kernel_without_time_namespaces_is_recognized() {
        let proc = FakeProc::new();
        proc.write("9/stat", "9 (x) S\n");
        let link = proc.fs().namespace(Who::Pid(9), Link::Time);
        assert!(matches!(link, Err(Error::NoTimeNamespaces)), "{link:?}");
    }

    #[test]
    fn reads_clocks() {
        let proc = FakeProc::new();
        proc.process(7, 5, 5, 1);
        proc.write("7/timens_clock", "");
        assert_eq!(proc.fs().clock(WHO).unwrap(), None);
        proc.write("7/timens_clock", &clock_text("running", "9 0", "2 0"));
        let clock = proc.fs().clock(WHO).unwrap().unwrap();
        assert_eq!(clock.realtime, Offset::new(9, 0).unwrap());
        proc.write("7/timens_clock", "state running\n");
        let result = proc.fs().clock(WHO);
        let message = result.unwrap_err().to_string();
        assert!(
            message.ends_with("7/timens_clock: it has no line 'realtime'"),
            "{message}"
        );
    }

    #[test]
    fn a_command_is_one_line() {
        let proc = FakeProc::new();
        proc.write("7/cmdline", "sh\0-c\0a\nb\x1b[2J\0");
        proc.write("8/cmdline", "");
        proc.write("8/comm", "kthreadd\n");
        assert_eq!(proc.fs().command(7).unwrap(), "sh -c a?b?[2J");
        assert_eq!(proc.fs().command(8).unwrap(), "[kthreadd]");
        assert_eq!(proc.fs().command(9), None);
    }

    #[test]
    fn finds_mounted_time_namespaces_only() {
        let proc = FakeProc::new();
        proc.write(
            "self/mountinfo",
            "22 1 0:5 / /proc rw shared:2 - proc proc rw\n\
             36 25 0:4 net:[4026531840] /run/n rw - nsfs nsfs rw\n\
             37 25 0:4 time:[4026532281] /run/a\\040b\\134c rw shared:1 master:2 - nsfs nsfs rw\n\
             38 25 0:9 time:[1] /run/fake rw - ext4 /dev/sda rw\n",
        );
        let mount = Mount {
            inode: Inode(4_026_532_281),
            path: "/run/a b\\c".into(),
        };
        assert_eq!(proc.fs().mounts(), [mount]);
    }

    #[test]
    fn a_path_that_is_no_text_is_a_mount_too() {
        let proc = FakeProc::new();
        let line = b"37 25 0:4 time:[5] /run/\xff\\040 rw - nsfs nsfs rw\n";
        proc.write("self/mountinfo", "");
        fs::write(proc.root().join("self/mountinfo"), line).unwrap();
        let mounts = proc.fs().mounts();
        assert_eq!(mounts[0].path.as_os_str().as_bytes(), b"/run/\xff ");
    }
}
