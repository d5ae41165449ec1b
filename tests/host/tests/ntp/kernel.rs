// SPDX-License-Identifier: GPL-2.0

//! The kernel's own discipline, compiled from a kernel tree.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use timens_arith::ntp::timex::Timex;

/// A running oracle.
pub(crate) struct Kernel {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What it answers to every command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What the command returned.
    pub(crate) result: i64,
    /// The fields after a call.
    pub(crate) txc: Timex,
    /// REALTIME: seconds, and 2^-32 ns.
    pub(crate) second: i64,
    pub(crate) frac: i64,
    pub(crate) tai: i32,
    /// What MONOTONIC has advanced, 2^-32 ns.
    pub(crate) advanced: u128,
    pub(crate) tick_length: i64,
    /// The phase offset, and the microseconds and the rest of an `adjtime()`.
    pub(crate) left: (i64, i64, i64),
    pub(crate) skew: i64,
    pub(crate) next_leap: i64,
}

impl Kernel {
    /// The oracle of `test`, as in a kernel with `hz` ticks a second.
    pub(crate) fn new(test: &str, hz: i64) -> Self {
        let mut child = Command::new(program(test, hz))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Gives it `command`, see its source.
    pub(crate) fn ask(&mut self, command: &str) -> Answer {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let mut numbers = line.split_whitespace().map(|n| n.parse::<i64>().unwrap());
        let mut next = || numbers.next().unwrap();
        Answer {
            result: next(),
            txc: Timex {
                modes: 0,
                offset: next(),
                freq: next(),
                maxerror: next(),
                esterror: next(),
                status: next() as i32,
                constant: next(),
                precision: next(),
                tolerance: next(),
                sec: next(),
                subsec: next(),
                tick: next(),
                tai: next() as i32,
            },
            second: next(),
            frac: next(),
            tai: next() as i32,
            advanced: ((next() as u128) << 32) | next() as u128,
            tick_length: next(),
            left: (next(), next(), next()),
            skew: next(),
            next_leap: next(),
        }
    }

    /// `adjtimex()` at that time.
    pub(crate) fn adjtimex(&mut self, txc: &Timex, (sec, nsec): (i64, i64)) -> Answer {
        let Timex {
            modes,
            offset,
            freq,
            maxerror,
            esterror,
            status,
            constant,
            tick,
            ..
        } = txc;
        self.ask(&format!(
            "a {modes} {offset} {freq} {maxerror} {esterror} {status} {constant} {sec} {nsec} {tick}"
        ))
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let status = self.child.wait().unwrap();
        assert!(std::thread::panicking() || status.success());
    }
}

/// Compiles the oracle.
fn program(test: &str, hz: i64) -> PathBuf {
    let tree = Path::new(env!("KERNEL_TREE"));
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ntp_oracle.c");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ntp_{test}_{hz}"));
    let program = dir.join("oracle");

    let ntp = tree.join("kernel/time/ntp.c");
    make_headers(tree, &ntp, &dir);
    let validate = dir.join("validate.c");
    fs::write(&validate, function(tree, "timekeeping_validate_timex")).unwrap();

    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(compiler)
        // As the kernel does, overflow wraps. Its unused static functions are not our concern.
        .args(["-std=gnu11", "-O2", "-w", "-fwrapv", "-fno-strict-aliasing"])
        .arg(format!("-DHZ={hz}"))
        .arg(format!("-DNTP_C=\"{}\"", ntp.display()))
        .arg(format!("-DVALIDATE_C=\"{}\"", validate.display()))
        .arg("-I")
        .arg(&dir)
        .arg("-o")
        .args([&program, &fixture])
        .status()
        .expect("the C compiler cannot be run");
    assert!(status.success());
    program
}

/// The headers with what the oracle needs of them. All others are empty for it.
const HEADERS: [&str; 2] = ["linux/timex.h", "uapi/linux/timex.h"];

/// Makes the headers that `file` includes, itself or through others that are not empty.
fn make_headers(tree: &Path, file: &Path, dir: &Path) {
    let mut todo = vec![file.to_path_buf()];
    let mut seen = BTreeSet::new();
    while let Some(file) = todo.pop() {
        for include in includes(&fs::read_to_string(&file).unwrap()) {
            if !seen.insert(include.clone()) {
                continue;
            }
            let beside = file.with_file_name(&include);
            let kernel = tree.join("include").join(&include);
            let text = if HEADERS.contains(&include.as_str()) {
                format!("#include \"{}\"\n", kernel.display())
            } else {
                String::new()
            };
            if !text.is_empty() {
                todo.push(kernel);
            } else if beside.exists() {
                todo.push(beside);
                continue;
            }
            let header = dir.join(&include);
            fs::create_dir_all(header.parent().unwrap()).unwrap();
            fs::write(header, text).unwrap();
        }
    }
}

/// What a C file includes.
fn includes(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("#include"))
        .map(|name| name.trim().trim_matches(['<', '>', '"']).to_owned())
        .collect()
}

/// The text of a static function of timekeeping.c.
fn function(tree: &Path, name: &str) -> String {
    let text = fs::read_to_string(tree.join("kernel/time/timekeeping.c")).unwrap();
    let begin = text.find(&format!("static int {name}(")).unwrap();
    let end = text[begin..].find("\n}\n").unwrap();
    text[begin..begin + end + 3].to_owned()
}
