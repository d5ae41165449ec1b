// SPDX-License-Identifier: GPL-2.0

//! Counts the instructions of clock reads and timers, and compares two kernels by them.
//!
//! ```text
//! timens-bench count mainline|patched PART...   in a virtual machine whose clock counts instructions
//! timens-bench report DIRECTORY PART...         on what several of them have counted
//! ```
//!
//! A [`Part`] is what is counted, a [`Context`] where. Counting starts this program again for
//! each pair of them, because a process enters a time namespace when it executes a program.

mod bounds;
#[expect(unsafe_code, reason = "calls the kernel directly")]
mod call;
mod context;
mod count;
#[expect(unsafe_code, reason = "calls the vDSO, and the kernel directly")]
mod cpu;
mod crowd;
mod figures;
mod interrupt;
mod loops;
mod part;
mod plot;
mod report;
mod row;
mod scale;
mod scale_bounds;
mod setting;
mod setting_bounds;
#[expect(unsafe_code, reason = "shares memory with another process")]
mod spinner;
mod table;
mod timer;
mod timer_bounds;
mod timers;

use std::{env, process::ExitCode, str::FromStr};

use context::{Context, CONTEXTS};
use part::{Kernel, Part};

/// What goes wrong, for a person to read.
type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("timens-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["count", kernel, parts @ ..] if !parts.is_empty() => {
            let kernel: Kernel = kernel.parse()?;
            let parts = all::<Part>(parts)?;
            for context in CONTEXTS {
                for part in &parts {
                    if part.contexts(kernel).contains(&context) {
                        context.run("enter", *part)?;
                    }
                }
            }
        }
        ["enter", context, part] => context.parse::<Context>()?.enter(part.parse()?)?,
        ["measure", context, part] => {
            part.parse::<Part>()?.measure(context.parse()?)?;
        }
        ["report", directory, parts @ ..] if !parts.is_empty() => {
            return report::report(directory.as_ref(), &all(parts)?);
        }
        _ => {
            return Err("usage: timens-bench count mainline|patched PART... \
                        | report DIRECTORY PART..."
                .into())
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn all<T: FromStr>(names: &[&str]) -> Result<Vec<T>, T::Err> {
    names.iter().map(|name| name.parse()).collect()
}
