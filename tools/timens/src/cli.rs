// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::ntp;
use crate::rate::{self, AskedRate};
use crate::target::Target;
use crate::when::{self, WhenError};
use clap::{ArgGroup, Args, Parser, Subcommand};
use jiff::{SignedDuration, Span, Timestamp};
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  timens run --date 2030-01-01 -- date
  timens run --offset '+90 days' --rate 60 -- ./renew-certificates --watch
  timens run --user --ppm +50 -- ./server
  timens list
  timens set 4711 --rate 1/3
  R=$(timens freeze 4711); timens thaw 4711 --rate \"$R\"
  timens step 4711 -1h
  timens strobe 4711 --by 1d --every 10s
  timens save 4711 -o clock.json; timens restore clock.json -- ./server

DATE is YYYY-MM-DD[ HH:MM[:SS[.FRAC]]] in the local time zone (TZ), an RFC 3339 time
such as 2030-01-01T12:00:00Z, or @SECONDS since 1970.
DURATION is a number of seconds (90, -1.5) or has units (36h, -1d2h, '+2 days').";

const RUN_EXAMPLES: &str = "\
Examples:
  timens run --date '2038-01-19 03:14:00' --rate 2 -- bash
  timens run --offset -1y -- make test
  timens run --date @0 --rate 0 -- date            # frozen
  timens run --user --boottime 1d -- cat /proc/uptime

COMMAND takes the place of timens: same process, same terminal, and its exit status and
signals are its own. If it cannot run, the status is 127 when it was not found, 126 when it
could not be executed, and 125 when timens failed before that.";

const SET_EXAMPLES: &str = "\
Examples:
  timens set 4711 --date '2030-01-01 12:00'
  timens set 4711 --offset 0 --rate 1              # back to the host's time
  timens set /run/timens/test --ppm -12.5

Date and rate take effect at the same instant. MONOTONIC goes on without a step.";

const THAW_EXAMPLES: &str = "\
Examples:
  timens thaw 4711
  R=$(timens freeze 4711); sleep 10; timens thaw 4711 --rate \"$R\"";

/// The one that is generated has what one of two arguments is in before the first of all.
const STEP_USAGE: &str = "timens [-v] step PID|NSFILE DURATION | --to DATE";
const SLEW_USAGE: &str = "timens [-v] slew PID|NSFILE [DURATION [--wait]] [--frequency PPM]";

const STEP_EXAMPLES: &str = "\
Examples:
  timens step 4711 +90                             # a minute and a half forth
  timens step 4711 -1d2h
  timens step 4711 --to '2030-01-01 12:00'";

const SLEW_EXAMPLES: &str = "\
Examples:
  timens slew 4711 0.25                            # faster by 500 ppm, for 500 s
  timens slew 4711 -0.01 --wait
  timens slew 4711 0                               # end it
  timens slew 4711 --frequency -12.5

This is what an NTP client in the namespace does by adjtime(3) and adjtimex(2).";

const STROBE_EXAMPLES: &str = "\
Examples:
  timens strobe 4711 --by 1h --every 10s           # until interrupted
  timens strobe 4711 --by -0.5 --every 2s --count 20";

const DRIFT_EXAMPLES: &str = "\
Examples:
  timens drift 4711 --max-ppm 200 --step-ppm 20 --every 1s
  timens drift 4711 --max-ppm 200 --step-ppm 20 --every 1s --seed 7 --count 600";

const WATCH_EXAMPLES: &str = "\
Examples:
  timens watch
  timens watch --every 100ms --count 50 >offsets.txt";

const SAVE_EXAMPLES: &str = "\
Examples:
  timens save 4711 -o clock.json
  timens restore clock.json -- ./server
  timens save 4711 | ssh other-host timens restore - -- ./server";

/// Why a value is none.
type Reason = Box<dyn Error + Send + Sync>;

/// The kernel takes a millisecond for each change of a clock.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// Run and steer programs in time namespaces with a clock of their own.
///
/// Such a namespace has its own CLOCK_REALTIME, and its second may have another length than the
/// host's. Nothing changes for anyone outside of it. It needs a kernel with the timens_clock
/// patches, and the module timens_clock.
#[derive(Debug, Parser)]
#[command(name = "timens", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Say on standard error what is done
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a new time namespace with a clock of its own
    Run(RunArgs),
    /// Set the date or the rate of a namespace that is in use
    Set(SetArgs),
    /// List the time namespaces, their dates and rates, and who is in them
    List(ListArgs),
    /// Show all that the kernel tells of one namespace's clocks
    Show(ShowArgs),
    /// Stop the time of a namespace, and print the rate that it had
    Freeze(FreezeArgs),
    /// Let the time of a frozen namespace pass again
    Thaw(ThawArgs),
    /// Step the date of a namespace that is in use
    Step(StepArgs),
    /// Bring the date of a namespace to another one gradually
    Slew(SlewArgs),
    /// Step the date of a namespace forth and back, again and again
    Strobe(StrobeArgs),
    /// Let the rate of a namespace wander at random
    Drift(DriftArgs),
    /// Follow the clocks of all namespaces that have one of their own
    Watch(WatchArgs),
    /// Write down the clocks of a namespace
    Save(SaveArgs),
    /// Run a command in a new time namespace whose clocks continue saved ones
    Restore(RestoreArgs),
}

/// The date and the rate that a clock is to have.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ClockArgs {
    /// The date that the clock is to show
    #[arg(long, value_name = "DATE", value_parser = signed(parse_date), conflicts_with = "offset")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) date: Option<Timestamp>,

    /// How far the clock is to be ahead of the host's (negative: behind)
    #[arg(long, value_name = "DURATION", value_parser = signed(when::parse_span))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) offset: Option<Span>,

    #[command(flatten)]
    /// The rate.
    pub(crate) rate: RateArgs,
}

/// The rate that a clock is to have.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct RateArgs {
    /// Seconds that are to pass for each second of the host, 0 to 255: 2, 0.5, 1.00005, 1/3
    #[arg(long, value_name = "RATE", value_parser = signed(rate::parse), conflicts_with = "ppm")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) rate: Option<AskedRate>,

    /// The rate as parts per million that the clock is to gain on the host: +50, -12.5
    #[arg(long, value_name = "PPM", value_parser = signed(rate::parse_ppm))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) ppm: Option<AskedRate>,
}

impl RateArgs {
    /// The rate, however it was asked for.
    pub(crate) fn asked(&self) -> Option<AskedRate> {
        self.rate.or(self.ppm)
    }
}

/// Arguments of `timens run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    /// The date and the rate.
    pub(crate) clock: ClockArgs,

    /// How far CLOCK_MONOTONIC is to be ahead of the host's at the start
    #[arg(long, value_name = "DURATION", value_parser = signed(parse_duration))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) monotonic: Option<SignedDuration>,

    /// How far CLOCK_BOOTTIME is to be ahead of the host's at the start
    #[arg(long, value_name = "DURATION", value_parser = signed(parse_duration))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) boottime: Option<SignedDuration>,

    /// Do it as an ordinary user: in a new user namespace too, as root of that
    #[arg(long)]
    pub(crate) user: bool,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Arguments of `timens set`.
#[derive(Debug, Args)]
#[command(after_help = SET_EXAMPLES)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["date", "offset", "rate", "ppm"]))]
pub(crate) struct SetArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    #[command(flatten)]
    /// The date and the rate.
    pub(crate) clock: ClockArgs,
}

/// The namespace that a command is about.
#[derive(Debug, Args)]
pub(crate) struct TargetArg {
    /// A process in the namespace, by its number, or a namespace file: /proc/PID/ns/time,
    /// /proc/PID/ns/time_for_children, or a bind mount of one
    ///
    /// A process stands for the namespace that it is in itself. Where its children are in another
    /// one, timens enters the process's to get at its clock, which needs CAP_SYS_ADMIN.
    #[arg(value_name = "PID|NSFILE")]
    pub(crate) target: Target,
}

/// Arguments of `timens list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `timens show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `timens freeze`.
#[derive(Debug, Args)]
pub(crate) struct FreezeArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,
}

/// Arguments of `timens thaw`.
#[derive(Debug, Args)]
#[command(after_help = THAW_EXAMPLES)]
pub(crate) struct ThawArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// The rate that the clock is to have; nobody remembers the one from before the freeze
    #[arg(long, value_name = "RATE", value_parser = signed(rate::parse_running), default_value = "1")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) rate: AskedRate,
}

/// Arguments of `timens step`.
#[derive(Debug, Args)]
#[command(after_help = STEP_EXAMPLES, override_usage = STEP_USAGE)]
#[command(group = ArgGroup::new("change").required(true).args(["by", "to"]))]
pub(crate) struct StepArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// How far to step from the date that the clock shows (negative: back)
    #[arg(value_name = "DURATION", value_parser = signed(when::parse_span), allow_hyphen_values = true)]
    pub(crate) by: Option<Span>,

    /// The date to step to
    #[arg(long, value_name = "DATE", value_parser = signed(parse_date), allow_hyphen_values = true)]
    pub(crate) to: Option<Timestamp>,
}

/// Arguments of `timens slew`.
#[derive(Debug, Args)]
#[command(after_help = SLEW_EXAMPLES, override_usage = SLEW_USAGE)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["by", "frequency"]))]
pub(crate) struct SlewArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// How far to slew (negative: back), in whole microseconds; 0 ends a slew that is under way
    #[arg(value_name = "DURATION", value_parser = signed(parse_duration), allow_hyphen_values = true)]
    pub(crate) by: Option<SignedDuration>,

    /// Parts per million that the discipline is to make the clock faster for good, -500 to 500
    #[arg(long, value_name = "PPM", value_parser = signed(ntp::parse_frequency))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) frequency: Option<i64>,

    /// Return when the slew is done
    #[arg(long, requires = "by")]
    pub(crate) wait: bool,
}

/// Arguments of `timens strobe`.
#[derive(Debug, Args)]
#[command(after_help = STROBE_EXAMPLES)]
pub(crate) struct StrobeArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// How far to step forth and back (negative: back first)
    #[arg(long, value_name = "DURATION", value_parser = signed(parse_distance))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) by: SignedDuration,

    /// The time between two steps, on the clock of timens
    #[arg(long, value_name = "DURATION", value_parser = signed(parse_period))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) every: Duration,

    /// End after so many steps, forth and back counted one by one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) count: Option<u64>,
}

/// Arguments of `timens drift`.
#[derive(Debug, Args)]
#[command(after_help = DRIFT_EXAMPLES)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// How far the rate may be from the one that it has, either way, in parts per million of that
    #[arg(long, value_name = "PPM", value_parser = signed(rate::parse_deviation))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) max_ppm: i64,

    /// How much it may change at a time, either way
    #[arg(long, value_name = "PPM", value_parser = signed(rate::parse_deviation))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) step_ppm: i64,

    /// The time between two changes, on the clock of timens
    #[arg(long, value_name = "DURATION", value_parser = signed(parse_period))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) every: Duration,

    /// What the random numbers depend on: the same seed gives the same rates
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) seed: Option<u64>,

    /// End after so many changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) count: Option<u64>,

    /// Leave the last rate at the end, instead of the one from before
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Arguments of `timens watch`.
#[derive(Debug, Args)]
#[command(after_help = WATCH_EXAMPLES)]
pub(crate) struct WatchArgs {
    /// The time between two looks
    #[arg(long, value_name = "DURATION", value_parser = signed(parse_period), default_value = "1s")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) every: Duration,

    /// End after so many looks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(allow_hyphen_values = true)]
    pub(crate) count: Option<u64>,
}

/// Arguments of `timens save`.
#[derive(Debug, Args)]
#[command(after_help = SAVE_EXAMPLES)]
pub(crate) struct SaveArgs {
    #[command(flatten)]
    /// The namespace.
    pub(crate) target: TargetArg,

    /// The file to write, instead of standard output, which is - as well
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `timens restore`.
#[derive(Debug, Args)]
#[command(after_help = SAVE_EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// Let the clocks show what they would if they had run on since they were saved
    #[arg(long)]
    pub(crate) elapsed: bool,

    /// Do it as an ordinary user: in a new user namespace too, as root of that
    #[arg(long)]
    pub(crate) user: bool,

    /// What timens save has written; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// A parser of values that may be negative. What begins with two signs was to be an option.
fn signed<T, E: Into<Reason>>(
    parse: fn(&str) -> Result<T, E>,
) -> impl Fn(&str) -> Result<T, Reason> + Clone {
    move |text| match text.starts_with("--") {
        true => Err("a value does not begin with --".into()),
        false => parse(text).map_err(E::into),
    }
}

fn parse_date(text: &str) -> Result<Timestamp, WhenError> {
    when::parse_date(text, when::local_zone)
}

fn parse_duration(text: &str) -> Result<SignedDuration, WhenError> {
    when::parse_span(text).and_then(when::fixed_length)
}

fn parse_distance(text: &str) -> Result<SignedDuration, WhenError> {
    match parse_duration(text)? {
        SignedDuration::ZERO => Err(WhenError::Nowhere),
        distance => Ok(distance),
    }
}

fn parse_period(text: &str) -> Result<Duration, WhenError> {
    let period = parse_duration(text)?;
    Duration::try_from(period)
        .ok()
        .filter(|period| *period >= SHORTEST_PERIOD)
        .ok_or(WhenError::TooShort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parse, try_parse};
    use clap::error::ErrorKind;
    use clap::CommandFactory;

    fn refusal(arguments: &[&str]) -> clap::Error {
        try_parse(arguments).unwrap_err()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_commands_own_options_are_left_to_it() {
        for separator in [&["--"] as &[&str], &[]] {
            let arguments = [
                &["run", "--rate", "2"],
                separator,
                &["date", "-u", "--rate", "--", "+%s"],
            ];
            match parse(&arguments.concat()) {
                Command::Run(args) => {
                    assert_eq!(args.command, ["date", "-u", "--rate", "--", "+%s"]);
                    assert_eq!(args.clock.rate.asked().unwrap().rate.to_string(), "2");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn negative_values_are_not_options() {
        match parse(&[
            "run",
            "--offset",
            "-1d2h",
            "--monotonic",
            "-90s",
            "--",
            "true",
        ]) {
            Command::Run(args) => assert_eq!(args.monotonic.unwrap().as_secs(), -90),
            other => panic!("{other:?}"),
        }
        match parse(&["set", "5", "--ppm", "-50"]) {
            Command::Set(args) => assert!(args.clock.rate.asked().unwrap().rate < rate::Rate::ONE),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_usage_is_that_of_the_man_page() {
        let man_page = include_str!("../../../Documentation/timens.1.md");
        for command in ["step", "slew"] {
            let help = refusal(&[command, "--help"]).to_string();
            let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "));
            let line = format!("\n    {}\n", usage.unwrap());
            assert!(man_page.contains(&line), "{line}");
        }
    }

    #[test]
    fn an_option_is_no_value() {
        for arguments in [
            &["step", "5", "--too=2030-01-01"] as &[&str],
            &["slew", "5", "--frequenzy=1"],
            &["run", "--offset", "--rate", "2", "true"],
        ] {
            let message = refusal(arguments).to_string();
            assert!(message.contains("does not begin with --"), "{message}");
        }
    }

    #[test]
    fn thaw_goes_on_at_the_hosts_rate() {
        match parse(&["thaw", "5"]) {
            Command::Thaw(args) => assert_eq!(args.rate.rate, rate::Rate::ONE),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn negative_durations_are_not_options_either() {
        let by = |arguments: &[&str]| match parse(arguments) {
            Command::Step(args) => args.by.map(|by| when::fixed_length(by).unwrap()),
            Command::Slew(args) => args.by,
            Command::Strobe(args) => Some(args.by),
            other => panic!("{other:?}"),
        };
        let back = |secs| Some(SignedDuration::from_secs(secs));
        assert_eq!(by(&["step", "5", "-1d2h"]), back(-26 * 3600));
        assert_eq!(by(&["step", "5", "-90"]), back(-90));
        assert_eq!(by(&["slew", "5", "-2s", "--wait"]), back(-2));
        assert_eq!(by(&["slew", "5", "--wait", "-1h"]), back(-3600));
        assert_eq!(by(&["slew", "5", "--frequency", "-12.5"]), None);
        let strobe = ["strobe", "5", "--by", "-1h", "--every", "0.5"];
        assert_eq!(by(&strobe), back(-3600));
    }

    #[test]
    fn a_restored_commands_own_options_are_left_to_it() {
        match parse(&["restore", "--elapsed", "f", "--", "date", "--elapsed"]) {
            Command::Restore(args) => {
                assert_eq!(args.command, ["date", "--elapsed"]);
                assert!(args.elapsed && !args.user);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let both = ["step", "5", "1h", "--to", "2030-01-01"];
        assert_eq!(refusal(&both).kind(), ErrorKind::ArgumentConflict);
        for pair in [
            ["--date=2030-01-01", "--offset=1d"],
            ["--rate=2", "--ppm=50"],
        ] {
            for command in [&["run", "true"] as &[&str], &["set", "5"]] {
                let arguments = [&command[..1], &pair, &command[1..]].concat();
                assert_eq!(
                    refusal(&arguments).kind(),
                    ErrorKind::ArgumentConflict,
                    "{arguments:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_needed_is_asked_for() {
        let missing = ErrorKind::MissingRequiredArgument;
        assert_eq!(refusal(&["run", "--rate", "2"]).kind(), missing);
        assert_eq!(refusal(&["set", "5"]).kind(), missing);
        assert_eq!(refusal(&["set", "--rate", "2"]).kind(), missing);
        assert_eq!(refusal(&["show"]).kind(), missing);
        assert_eq!(refusal(&["step", "5"]).kind(), missing);
        assert_eq!(refusal(&["slew", "5"]).kind(), missing);
        assert_eq!(refusal(&["slew", "5", "--wait"]).kind(), missing);
        assert_eq!(refusal(&["strobe", "5", "--by", "1h"]).kind(), missing);
        assert_eq!(refusal(&["restore", "file"]).kind(), missing);
    }

    #[test]
    fn a_wrong_value_is_explained() {
        let explained = |arguments: &[&str], text: &str| {
            let message = refusal(arguments).to_string();
            assert!(message.contains(text), "{message}");
        };
        explained(
            &["run", "--date", "1969-12-31T00:00Z", "true"],
            "before 1970",
        );
        explained(
            &["run", "--date", "tomorrow", "true"],
            "a date is YYYY-MM-DD",
        );
        explained(&["run", "--rate", "256", "true"], "0 (frozen) to 255");
        explained(&["run", "--rate", "-1", "true"], "0 (frozen) to 255");
        explained(&["run", "--monotonic", "1y", "true"], "no fixed length");
        explained(&["set", "5", "--ppm", "much"], "ppm");
        explained(&["thaw", "5", "--rate", "0"], "stays frozen");
        explained(&["slew", "5", "--frequency", "501"], "-500 to +500");
        let strobe = |every| ["strobe", "5", "--by", "1h", "--every", every];
        explained(&strobe("0.0005"), "at least a millisecond");
        explained(&strobe("-1s"), "at least a millisecond");
        let nowhere = ["strobe", "5", "--by", "-0", "--every", "1s"];
        explained(&nowhere, "a step of 0 is none");
        let drift = |max| {
            let fixed = [
                "drift",
                "5",
                "--every",
                "1s",
                "--step-ppm",
                "1",
                "--max-ppm",
            ];
            [&fixed[..], &[max]].concat()
        };
        explained(&drift("1000000"), "below 1000000");
        explained(&drift("0"), "above 0");
        explained(&drift("-5"), "above 0");
        for option in ["--seed", "--count"] {
            let arguments = [&drift("1")[..], &[option, "-1"]].concat();
            explained(&arguments, "invalid value '-1'");
        }
    }
}
