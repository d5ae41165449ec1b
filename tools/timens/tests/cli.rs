// SPDX-License-Identifier: GPL-2.0

//! The program as its users call it, as far as any Linux goes: what needs a kernel with clocks is
//! tested in the virtual machine.

use std::process::{Command, Output, Stdio};

fn timens(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_timens"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Fails on its own, with this status and these words.
fn fails(arguments: &[&str], status: i32, words: &str) {
    let output = timens(arguments);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {output:?}"
    );
    assert!(
        stderr(&output).contains(words),
        "{arguments:?}: {}",
        stderr(&output)
    );
    assert_eq!(stdout(&output), "");
}

#[test]
fn help_and_version_are_no_errors() {
    let help = timens(&["--help"]);
    assert!(help.status.success());
    for command in [
        "run", "set", "list", "show", "freeze", "thaw", "step", "slew", "strobe", "drift", "watch",
        "save", "restore",
    ] {
        assert!(
            stdout(&help).contains(&format!("\n  {command} ")),
            "{command}"
        );
    }
    let version = timens(&["--version"]);
    assert!(version.status.success());
    assert_eq!(
        stdout(&version).trim_end(),
        concat!("timens ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_wrong_command_line_has_a_status_that_a_command_rarely_has() {
    fails(
        &["run", "--date", "1969-07-20T20:17Z", "--", "true"],
        125,
        "before 1970",
    );
    fails(&["run", "--rate", "300", "--", "true"], 125, "out of range");
    fails(&["run"], 125, "COMMAND");
    fails(&["restore", "saved.json"], 125, "COMMAND");
    fails(&["slew", "1", "--frequency", "501"], 2, "-500 to +500");
    fails(&["strobe", "1", "--by", "1h"], 2, "--every");
    fails(&["set", "1"], 2, "--date");
    fails(&["show", "1", "--no-such-option"], 2, "--no-such-option");
}

#[test]
fn a_date_without_a_zone_is_local() {
    // The last minute of 1969 in UTC is 1970 already east of it.
    let run = |zone: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timens"));
        command.args(["set", "0", "--date", "1970-01-01 00:00"]);
        command.env("TZ", zone).output().unwrap()
    };
    assert!(stderr(&run("UTC-1")).contains("before 1970"));
    assert!(stderr(&run("UTC+1")).contains("there is no process 0"));
}

#[test]
fn the_hosts_namespace_or_a_container_is_listed() {
    let list = timens(&["list", "--json"]);
    assert!(list.status.success(), "{}", stderr(&list));
    let rows: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let link = std::fs::read_link("/proc/self/ns/time").unwrap();
    let own = |row: &&serde_json::Value| link.to_str() == Some(&format!("time:[{}]", row["inode"]));
    let row = rows.as_array().unwrap().iter().find(own).unwrap();
    assert!(row["processes"].as_u64().unwrap() >= 1);

    let show = timens(&["show", &std::process::id().to_string(), "--json"]);
    assert!(show.status.success(), "{}", stderr(&show));
    let shown: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
    assert_eq!(shown["inode"], row["inode"]);
    assert_eq!(shown["clock"], row["clock"]);
}

#[test]
fn a_reader_that_has_read_enough_is_no_error_worth_a_word() {
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = reader.stdin.take().unwrap();
    reader.wait().unwrap();

    let show = Command::new(env!("CARGO_BIN_EXE_timens"))
        .args(["show", &std::process::id().to_string()])
        .stdout(pipe)
        .output()
        .unwrap();
    assert_eq!(show.status.code(), Some(1));
    assert_eq!(stderr(&show), "");
}

#[test]
fn a_file_that_is_no_saved_clock_is_named() {
    let restore = |file| fails(&["restore", file, "--", "true"], 125, file);
    restore("/nowhere/at/all");
    restore(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
}

#[test]
fn a_process_that_is_not_there_is_named() {
    fails(&["show", "0"], 1, "there is no process 0");
    fails(&["freeze", "0"], 1, "there is no process 0");
    fails(&["step", "0", "-1h"], 1, "there is no process 0");
    fails(&["save", "0"], 1, "there is no process 0");
    fails(
        &["thaw", env!("CARGO_MANIFEST_DIR")],
        1,
        "is not a time namespace",
    );
    fails(
        &["set", "/proc/self/ns/user", "--rate", "2"],
        1,
        "is not a time namespace",
    );
}
