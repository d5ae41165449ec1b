// SPDX-License-Identifier: GPL-2.0

//! A proc file system for tests: a directory with the files that this program reads.

use crate::cli::{Cli, Command};
use crate::procfs::Procfs;
use crate::Log;
use clap::Parser;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory like /proc, removed when dropped. It has a `self` in the host's namespace.
pub(crate) struct FakeProc {
    root: PathBuf,
}

impl FakeProc {
    pub(crate) fn new() -> FakeProc {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("timens-test-{}-{count}", std::process::id());
        let proc = FakeProc {
            root: std::env::temp_dir().join(name),
        };
        proc.link("self", HOST, HOST);
        proc
    }

    pub(crate) fn fs(&self) -> Procfs {
        Procfs::at(&self.root)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a process with its own and its children's time namespace.
    pub(crate) fn process(&self, pid: u32, time: u64, children: u64, started: u64) {
        self.link(&pid.to_string(), time, children);
        let between = "S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0";
        self.write(
            &format!("{pid}/stat"),
            &format!("{pid} (a) (tricky) {between} {started} 0 0\n"),
        );
        self.write(&format!("{pid}/cmdline"), &format!("program\0{pid}\0"));
        self.write(&format!("{pid}/timens_offsets"), OFFSETS);
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn link(&self, who: &str, time: u64, children: u64) {
        let directory = self.root.join(who).join("ns");
        fs::create_dir_all(&directory).unwrap();
        symlink(format!("time:[{time}]"), directory.join("time")).unwrap();
        symlink(
            format!("time:[{children}]"),
            directory.join("time_for_children"),
        )
        .unwrap();
    }
}

impl Drop for FakeProc {
    fn drop(&mut self) {
        // A directory left behind does no harm.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The inode of the host's time namespace.
pub(crate) const HOST: u64 = 4_026_531_834;

/// A `timens_offsets` as the kernel writes it.
pub(crate) const OFFSETS: &str =
    "monotonic           5         0\nboottime           -7 500000000\n";

/// A `timens_clock` as the kernel writes it.
pub(crate) fn clock_text(state: &str, realtime: &str, rate: &str) -> String {
    format!(
        "state     {state}\nrealtime  {realtime}\nmonotonic 5 0\nboottime  -7 500000000\n\
         raw       1 2\ntai       37\nrate      {rate}\nsteps     3\n"
    )
}

/// For functions that would say what they do.
pub(crate) const QUIET: Log = Log { verbose: false };

/// Reads a command line without the program's name.
pub(crate) fn try_parse(arguments: &[&str]) -> Result<Command, clap::Error> {
    let arguments = std::iter::once(&"timens").chain(arguments);
    Cli::try_parse_from(arguments).map(|cli| cli.command)
}

/// Reads a command line that is right.
pub(crate) fn parse(arguments: &[&str]) -> Command {
    try_parse(arguments).unwrap()
}
