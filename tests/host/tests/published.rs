// SPDX-License-Identifier: GPL-2.0

//! What the kernel proper calculates of a clock's published words when timers are armed and
//! expire, compiled from the patched tree and compared with big-integer arithmetic.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use num_bigint::BigInt;
use timens_arith::{rate::Rate, time::KTIME_MAX};
use timens_host_tests::{random::Random, vectors::YEAR};

const CASES: usize = 300_000;

/// The last time that a clock can be set to.
const SETTABLE_MAX: u64 = KTIME_MAX - 30 * YEAR;

const MONOTONIC: u32 = 1;
const BOOTTIME: u32 = 7;

/// The clocks that timers are of: REALTIME, MONOTONIC, BOOTTIME and TAI.
const CLOCK_IDS: [u32; 4] = [0, MONOTONIC, BOOTTIME, 11];

/// One line to the program.
#[derive(Clone, Debug)]
struct Case {
    clkid: u32,
    anchor: u64,
    lo: u64,
    hi: u64,
    rate: u64,
    offset: i64,
    sleep: u64,
    at: u64,
    soft: u64,
    hard: u64,
    from: u64,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let clkid = CLOCK_IDS[random.up_to(3) as usize];
        let anchor = random.of_any_size(KTIME_MAX);
        let (mono, frac) = (random.of_any_size(KTIME_MAX), random.up_to((1 << 56) - 1));
        let sleep = random.of_any_size(25 * YEAR);
        let one = Rate::ONE.as_units();
        let rate = match random.up_to(5) {
            0 => one,
            1 => one - one / 2000 + random.up_to(one / 1000),
            2 => random.up_to(3),
            _ => random.of_any_size(Rate::MAX.as_units()),
        };
        let offset = match clkid {
            MONOTONIC => 0,
            // One that does not fit is refused.
            _ => i128::from(random.of_any_size(SETTABLE_MAX))
                .wrapping_sub(i128::from(mono) + i128::from(sleep))
                .try_into()
                .unwrap_or(0),
        };
        let mut case = Self {
            clkid,
            anchor,
            lo: (mono << 56) | frac,
            hi: mono >> 8,
            rate,
            offset,
            sleep: sleep + random.of_any_size(YEAR),
            at: match random.up_to(7) {
                0 => anchor - random.of_any_size(anchor),
                _ => anchor + random.of_any_size(KTIME_MAX - anchor),
            },
            soft: 0,
            hard: 0,
            from: 0,
        };
        // A time that is read some time or other, or close to it.
        let reading = u64::try_from(case.reading().clamp(0.into(), KTIME_MAX.into())).unwrap();
        let close = random.up_to(4) as i64 - 2;
        case.soft = match random.up_to(7) {
            0 => random.of_any_size(KTIME_MAX),
            _ => reading.saturating_add_signed(close).min(KTIME_MAX),
        };
        case.hard = match random.up_to(1) {
            0 => case.soft,
            _ => case.soft + random.of_any_size(KTIME_MAX - case.soft),
        };
        case.from = match random.up_to(2) {
            0 => 0,
            1 => case.at - random.of_any_size(case.at),
            _ => case.at,
        };
        case
    }

    fn line(&self) -> String {
        let Self {
            clkid,
            anchor,
            lo,
            hi,
            rate,
            offset,
            sleep,
            at,
            soft,
            hard,
            from,
        } = self;
        format!("{clkid} {anchor} {lo} {hi} {rate} {offset} {sleep} {at} {soft} {hard} {from}\n")
    }

    fn steps(&self) -> bool {
        self.clkid != MONOTONIC && self.clkid != BOOTTIME
    }

    /// What the clock is ahead of its line.
    fn ahead(&self) -> BigInt {
        match self.clkid {
            MONOTONIC => 0.into(),
            _ => BigInt::from(self.offset) + self.sleep,
        }
    }

    fn units(&self) -> BigInt {
        (BigInt::from(self.hi) << 64u32) + self.lo
    }

    /// What the clock reads, without any limit.
    fn reading(&self) -> BigInt {
        let delta = BigInt::from(self.at) - self.anchor;
        ((delta * self.rate + self.units()) >> 56u32) + self.ahead()
    }

    /// The first reference at which the clock reads `time`, without any limit; [`None`] if
    /// it did at the anchor, or never does.
    fn first(&self, time: u64) -> Option<BigInt> {
        let missing = ((BigInt::from(time) - self.ahead()) << 56u32) - self.units();
        if missing <= 0.into() || self.rate == 0 {
            return None;
        }
        Some((missing + self.rate - 1) / self.rate + self.anchor)
    }

    /// What has to be read; [`None`] if it is up to the module.
    fn expected_reading(&self) -> Option<BigInt> {
        let reading = self.reading();
        let line = reading.clone() - self.ahead();
        let limit = BigInt::from(KTIME_MAX);
        (self.at >= self.anchor && line <= limit && reading <= limit).then_some(reading)
    }

    /// What the key has to be; [`None`] if it is up to the module.
    fn expected_key(&self) -> Option<BigInt> {
        let line = BigInt::from(self.soft) - self.ahead();
        if self.soft == KTIME_MAX || line > KTIME_MAX.into() {
            return None;
        }
        if self.steps() && self.from < self.anchor {
            return None;
        }
        let from = BigInt::from(self.from);
        let soft = self.first(self.soft)?.max(from.clone()) + (self.hard - self.soft);
        let key = self.first(self.hard)?.max(from).min(soft);
        (key <= KTIME_MAX.into()).then_some(key)
    }
}

#[test]
#[cfg_attr(not(patched_tree), ignore = "no patched tree to compare with")]
fn published_words_are_read_as_the_oracle_does() {
    let mut random = Random::new(1);
    let cases: Vec<_> = (0..CASES).map(|_| Case::random(&mut random)).collect();

    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input: String = cases.iter().map(Case::line).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());

    let (mut readings, mut keys, mut left) = (0, 0, 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for case in &cases {
        let line = lines.next().unwrap().unwrap();
        let numbers: Vec<i64> = line
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        let [read, time, keyed, key] = numbers[..] else {
            panic!("{line}")
        };

        let reading = (read == 1).then(|| time.into());
        assert_eq!(reading, case.expected_reading(), "reading of {case:?}");
        readings += read;

        match case.expected_key() {
            expected if keyed == 1 => {
                assert_eq!(Some(key.into()), expected, "key of {case:?}");
                keys += 1;
            }
            // Also left to the module: a time that is reached within a nanosecond of the anchor,
            // or before `from`.
            expected => left += i64::from(expected.is_some()),
        }
    }
    writer.join().unwrap();
    assert!(child.wait().unwrap().success(), "a change under way");

    // All but a few of what can be calculated is.
    let third = CASES as i64 / 3;
    assert!(
        readings > third && keys > third,
        "{readings} readings, {keys} keys"
    );
    assert!(
        left < keys / 4,
        "{left} keys are left to the module, {keys} not"
    );
}

/// Compiles it.
fn program() -> PathBuf {
    let tree = Path::new(env!("PATCHED_TREE"));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("published");
    let program = dir.join("published");
    fs::create_dir_all(dir.join("linux")).unwrap();
    fs::write(dir.join("linux/types.h"), "").unwrap();

    let source = fs::read_to_string(tree.join("kernel/time/namespace_hrtimer.c")).unwrap();
    let functions = dir.join("functions.c");
    let header = fs::read_to_string(tree.join("kernel/time/namespace_hrtimer.h")).unwrap();
    let types = dir.join("types.h");
    fs::write(&types, structure(&header, "timens_line")).unwrap();
    let names = [
        "clock_steps",
        "read_published",
        "copy_line",
        "key_published",
    ];
    let text: String = source
        .lines()
        .filter(|line| line.starts_with("#define LINE_"))
        .map(|line| format!("{line}\n"))
        .chain(names.map(|name| function(&source, name)))
        .collect();
    fs::write(&functions, text).unwrap();

    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let words = tree.join("include/vdso/timens_clock.h");
    let status = Command::new(compiler)
        // As the kernel does, overflow wraps.
        .args(["-std=gnu11", "-O2", "-Wall", "-Werror", "-fwrapv"])
        .arg(format!("-DFUNCTIONS_C=\"{}\"", functions.display()))
        .arg(format!("-DTYPES_H=\"{}\"", types.display()))
        .arg(format!("-DTIMENS_CLOCK_H=\"{}\"", words.display()))
        .arg("-I")
        .arg(&dir)
        .arg("-o")
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/published.c"))
        .status()
        .expect("the C compiler cannot be run");
    assert!(status.success());
    program
}

/// The text of a structure.
fn structure(source: &str, name: &str) -> String {
    let begin = source
        .find(&format!("struct {name} {{"))
        .unwrap_or_else(|| panic!("no struct {name} there: scripts/sync-tree patched"));
    let end = source[begin..].find("\n};\n").unwrap();
    format!("{}\n", &source[begin..begin + end + 3])
}

/// The text of a static function that returns `bool`.
fn function(source: &str, name: &str) -> String {
    let kinds = [
        "static bool ",
        "static noinline bool ",
        "static __always_inline bool ",
    ];
    let begin = kinds
        .iter()
        .find_map(|start| source.find(&format!("{start}{name}(")))
        .unwrap_or_else(|| panic!("no {name}() there: scripts/sync-tree patched"));
    let end = source[begin..].find("\n}\n").unwrap();
    format!("{}\n", &source[begin..begin + end + 3])
}
