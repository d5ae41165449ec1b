// SPDX-License-Identifier: GPL-2.0

//! Counts the instructions of clock reads, and compares two kernels by them.
//!
//! ```text
//! timens-bench count CONTEXT...   in a virtual machine whose clock counts instructions
//! timens-bench report DIRECTORY   on what several of them have counted
//! ```
//!
//! A context is where the clocks are read: `host`, `plain` (a time namespace with offsets), `own`
//! (one with a clock of its own) or `beside` (the host while there is an own clock). Counting starts this program again for each of them,
//! because a process enters a time namespace when it executes a program.

mod bounds;
mod context;
mod count;
#[expect(unsafe_code, reason = "calls the vDSO, and the kernel directly")]
mod cpu;
mod figures;
mod plot;
mod report;
mod table;

use std::{env, process::ExitCode};

use context::Context;

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
        ["count", contexts @ ..] if !contexts.is_empty() => {
            for context in contexts {
                context.parse::<Context>()?.run("enter")?;
            }
        }
        ["enter", context] => context.parse::<Context>()?.enter()?,
        ["measure", context] => count::measure(context.parse()?)?,
        ["report", directory] => return report::report(directory.as_ref()),
        _ => return Err("usage: timens-bench count CONTEXT... | report DIRECTORY".into()),
    }
    Ok(ExitCode::SUCCESS)
}
