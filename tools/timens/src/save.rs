// SPDX-License-Identifier: GPL-2.0

//! `timens save`: the clocks of a namespace, written down.

use crate::cli::SaveArgs;
use crate::error::Error;
use crate::held::Held;
use crate::host;
use crate::list::to_json;
use crate::procfs::Procfs;
use crate::saved::Saved;
use crate::Log;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Writes them down.
pub(crate) fn save(
    procfs: &Procfs,
    args: &SaveArgs,
    log: Log,
    output: &mut impl Write,
) -> Result<(), Error> {
    let subject = args.target.target.find(procfs)?;
    let mut held = Held::hold(procfs, &subject, log)?;
    let (clock, host) = host::together(procfs, || held.clock())?;
    let saved = Saved::new(&clock, &host)?;
    saved.check().map_err(Error::Unsavable)?;
    let text = to_json(&saved) + "\n";
    match args.output.as_deref() {
        Some(path) if path != Path::new("-") => write(path, &text),
        _ => output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .map_err(Error::Output),
    }
}

/// Writes a file as a whole or not at all: a full disk does not take an older one.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    // In the place of a device or a pipe there would be a file.
    if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return fs::write(path, text).map_err(|error| failed(path, error));
    }
    // Where a link leads, or a new file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (new, mut file) = create_beside(&path)?;
    let mut replace = || {
        if let Ok(known) = fs::metadata(&path) {
            file.set_permissions(known.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        // Some file systems find out here only that there is no room.
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    replace().map_err(|error| {
        // The error to tell is the first.
        let _ = fs::remove_file(&new);
        failed(&new, error)
    })
}

/// Makes a new file in the directory of another. No link that somebody has put there is followed.
fn create_beside(path: &Path) -> Result<(PathBuf, File), Error> {
    let mut number = process::id();
    loop {
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{number}"));
        let new = PathBuf::from(new);
        match File::create_new(&new) {
            Ok(file) => return Ok((new, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&new, error)),
        }
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::system(path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::clock::Clock;
    use crate::host::HostClocks;
    use crate::ntp::tests::{NTP, NTP_LINES};
    use crate::testing::{clock_text, parse, FakeProc, OFFSETS, QUIET};
    use jiff::SignedDuration;
    use std::fs::Permissions;
    use std::os::unix::fs::{symlink, PermissionsExt};
    use std::os::unix::net::UnixListener;

    fn run(proc: &FakeProc, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        match parse(arguments) {
            Command::Save(args) => save(&proc.fs(), &args, QUIET, &mut output)?,
            other => panic!("{other:?}"),
        }
        Ok(output)
    }

    fn proc_with(clock: &str) -> FakeProc {
        let proc = FakeProc::new();
        proc.write("self/timens_offsets", OFFSETS);
        proc.process(20, 5, 5, 1);
        proc.write("20/timens_clock", clock);
        proc
    }

    #[test]
    fn the_clocks_are_written_as_they_are_now() {
        let text = clock_text("running", "-1 500000000", "1 0");
        let text = text + "rate_fixed 72057594037927936\n" + NTP_LINES;
        let proc = proc_with(&text);
        let clock = Clock::parse(&text).unwrap().unwrap();
        let before = Saved::new(&clock, &HostClocks::read(&proc.fs()).unwrap()).unwrap();
        let saved = Saved::parse(&run(&proc, &["save", "20"]).unwrap()).unwrap();
        let after = Saved::new(&clock, &HostClocks::read(&proc.fs()).unwrap()).unwrap();

        assert!(before.host_realtime <= saved.host_realtime);
        assert!(saved.host_realtime <= after.host_realtime);
        for clock in [
            |saved: &Saved| saved.clocks.realtime,
            |saved: &Saved| saved.clocks.monotonic,
            |saved: &Saved| saved.clocks.boottime,
            |saved: &Saved| saved.clocks.raw,
        ] {
            assert!(clock(&before) <= clock(&saved) && clock(&saved) <= clock(&after));
        }
        assert_eq!(saved.ntp, NTP);
        let host = SignedDuration::from(saved.host_realtime);
        let behind = host - SignedDuration::from(saved.clocks.realtime);
        assert_eq!(behind, SignedDuration::from_millis(500));
    }

    #[test]
    fn a_file_takes_them_too() {
        let text = clock_text("running", "0 0", "1 0");
        let proc = proc_with(&(text + "rate_fixed 72057594037927936\n" + NTP_LINES));
        let path = proc.root().join("saved.json");
        let output = run(&proc, &["save", "20", "-o", path.to_str().unwrap()]).unwrap();
        assert_eq!(output, b"");
        assert!(Saved::parse(proc.read("saved.json").as_bytes()).is_ok());
        let result = run(&proc, &["save", "20", "-o", "/nowhere/at/all"]);
        assert!(matches!(result, Err(Error::System { .. })), "{result:?}");
    }

    #[test]
    fn standard_output_has_a_name() {
        let text = clock_text("running", "0 0", "1 0");
        let proc = proc_with(&(text + "rate_fixed 72057594037927936\n" + NTP_LINES));
        let output = run(&proc, &["save", "20", "-o", "-"]).unwrap();
        assert!(Saved::parse(&output).is_ok());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let proc = FakeProc::new();
        proc.write("there/old", "old");
        let old = proc.root().join("there/old");
        fs::set_permissions(&old, Permissions::from_mode(0o600)).unwrap();
        let link = proc.root().join("link");
        symlink("there/old", &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(proc.read("there/old"), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(proc.root().join("there")).unwrap().count(), 1);
        let mode = fs::metadata(&old).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let socket = proc.root().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(write(&socket, "new").is_err());
        assert!(!fs::metadata(&socket).unwrap().is_file());
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let proc = FakeProc::new();
        proc.write("other", "other");
        let path = proc.root().join("saved.json");
        let trap = format!("saved.json.{}", process::id());
        symlink("other", proc.root().join(&trap)).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(proc.read("saved.json"), "new");
        assert_eq!(proc.read("other"), "other");
        assert!(proc.root().join(trap).is_symlink());
    }

    #[test]
    fn the_file_that_could_not_be_written_is_named() {
        let proc = FakeProc::new();
        // There is no room for the number after it.
        let longest = "x".repeat(255);
        let message = write(&proc.root().join(&longest), "new")
            .unwrap_err()
            .to_string();
        let name = format!("{longest}.{}: ", process::id());
        assert!(message.contains(&name), "{message}");
    }

    #[test]
    fn what_could_not_be_restored_is_not_saved() {
        // Until 2232, a clock may be set to from inside.
        let text = clock_text("running", "5000000000 0", "1 0");
        let proc = proc_with(&(text + "rate_fixed 72057594037927936\n" + NTP_LINES));
        let result = run(&proc, &["save", "20"]);
        assert!(matches!(result, Err(Error::Unsavable(_))), "{result:?}");
        let message = result.unwrap_err().to_string();
        assert!(message.contains("clocks.realtime.secs is"), "{message}");
    }

    #[test]
    fn what_is_not_there_is_not_saved() {
        let result = run(&proc_with(""), &["save", "20"]);
        assert!(matches!(result, Err(Error::PlainNamespace)), "{result:?}");
        let old = clock_text("running", "0 0", "1 0") + "rate_fixed 72057594037927936\n";
        let result = run(&proc_with(&old), &["save", "20"]);
        assert!(matches!(result, Err(Error::NoDiscipline(_))), "{result:?}");
    }
}
