// SPDX-License-Identifier: GPL-2.0

//! `timens list`: every time namespace that can be found.

use crate::cli::ListArgs;
use crate::complain;
use crate::error::Error;
use crate::namespace::{survey, Effort, Namespace, Survey};
use crate::procfs::Procfs;
use crate::reading::Reading;
use crate::table::{cut, Align, Table};
use crate::when;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;

/// How much of a command a table has room for.
const COMMAND_WIDTH: usize = 48;

/// A namespace, as machines read it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    inode: u64,
    #[serde(flatten)]
    reading: Reading,
    processes: usize,
    pid: Option<u32>,
    command: Option<&'a str>,
    mounts: Vec<Cow<'a, str>>,
}

/// Writes the list.
pub(crate) fn list(procfs: &Procfs, args: &ListArgs, output: &mut impl Write) -> Result<(), Error> {
    let survey = survey(procfs, Effort::Enter)?;
    if let Some(note) = survey.lack() {
        complain(&note);
    }
    let text = match args.json {
        true => json(&survey) + "\n",
        false => table(&survey, &when::local_zone()),
    };
    output.write_all(text.as_bytes()).map_err(Error::Output)
}

fn json(survey: &Survey) -> String {
    let rows: Vec<Row<'_>> = survey
        .namespaces
        .iter()
        .map(|namespace| Row {
            inode: namespace.inode.0,
            reading: Reading::new(&namespace.kind, namespace.now),
            processes: namespace.processes,
            pid: namespace.oldest,
            command: namespace.command.as_deref(),
            // JSON has no other paths.
            mounts: namespace
                .mounts
                .iter()
                .map(|path| path.to_string_lossy())
                .collect(),
        })
        .collect();
    to_json(&rows)
}

/// JSON that people can read, too.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("every map here has strings for keys")
}

fn table(survey: &Survey, zone: &TimeZone) -> String {
    let mut table = Table::new([
        ("NS", Align::Right),
        ("CLOCK", Align::Left),
        ("DATE", Align::Left),
        ("OFFSET", Align::Left),
        ("RATE", Align::Left),
        ("DRIFT", Align::Left),
        ("PROCS", Align::Right),
        ("PID", Align::Right),
        ("COMMAND", Align::Left),
    ]);
    for namespace in &survey.namespaces {
        let reading = Reading::new(&namespace.kind, namespace.now);
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.push([
            namespace.inode.0.to_string(),
            reading.words().to_owned(),
            known(reading.date.map(|date| when::brief(date, zone))),
            known(reading.offset.map(|offset| offset.brief())),
            known(reading.rate.map(|rate| rate.to_string())),
            known(reading.rate.map(|rate| rate.drift())),
            namespace.processes.to_string(),
            known(namespace.oldest.map(|pid| pid.to_string())),
            keeper(namespace),
        ]);
    }
    table.to_string()
}

/// What keeps a namespace: the command of a process or a mount.
fn keeper(namespace: &Namespace) -> String {
    let keeper = match (&namespace.command, namespace.mounts.first()) {
        (Some(command), _) => command.clone(),
        (None, Some(path)) => format!("(mounted at {})", path.display()),
        (None, None) => "-".to_owned(),
    };
    // A path may have anything in it.
    cut(&keeper.replace(char::is_control, "?"), COMMAND_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{clock_text, FakeProc, HOST};

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn example_survey() -> Survey {
        let proc = FakeProc::new();
        proc.process(1, HOST, HOST, 1);
        proc.process(20, 5, 5, 2);
        proc.write(
            "20/timens_clock",
            &clock_text("running", "126230400 1", "2 0"),
        );
        proc.process(21, 5, 5, 2);
        proc.process(30, 6, 6, 3);
        proc.write("30/cmdline", &"x".repeat(100));
        proc.write(
            "self/mountinfo",
            "1 1 0:4 time:[8] /run/\\033t rw - nsfs nsfs rw\n",
        );
        let mut survey = survey(&proc.fs(), Effort::Enter).unwrap();
        for namespace in &mut survey.namespaces {
            namespace.now = NOW.parse().unwrap();
        }
        survey
    }

    #[test]
    fn the_table_has_a_row_for_each_namespace() {
        let survey = example_survey();
        let expected = [
            "        NS  CLOCK    DATE                 OFFSET  RATE  DRIFT  PROCS  PID  COMMAND",
            "         5  own      2030-01-01 00:00:00  +1461d  2     ×2         2   20  program 20",
            "         6  plain    2026-01-01 00:00:00  0s      1     0          1   30  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
            "         8  unknown  -                    -       -     -          0    -  (mounted at /run/?t)",
            "4026531834  host     2026-01-01 00:00:00  0s      1     0          1    1  program 1",
        ];
        let table = table(&survey, &TimeZone::UTC);
        assert_eq!(table.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn json_tells_all_in_full() {
        let survey = example_survey();
        let text = json(&survey);
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            rows[0],
            serde_json::json!({
                "inode": 5,
                "clock": "own",
                "state": "running",
                "date": "2030-01-01T00:00:00.000000001Z",
                "offset": {"secs": 126_230_400, "nanosecs": 1},
                "rate": 2.0,
                "gain_ppm": 1e6,
                "processes": 2,
                "pid": 20,
                "command": "program 20",
                "mounts": [],
            })
        );
        assert_eq!(rows[1]["command"].as_str().unwrap().len(), 100);
        assert_eq!(
            rows[2],
            serde_json::json!({
                "inode": 8, "clock": "unknown", "date": null, "offset": null, "rate": null,
                "gain_ppm": null, "processes": 0, "pid": null, "command": null,
                "mounts": ["/run/\u{1b}t"],
            })
        );
        assert_eq!(rows[3]["clock"], "host");
    }
}
