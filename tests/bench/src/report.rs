// SPDX-License-Identifier: GPL-2.0

//! The report: a table, the same for programs to read, a plot, and whether all bounds hold.

use std::{fs, path::Path, process::ExitCode};

use crate::{figures::Figures, part::Part, plot, row::Row, table, Error};

/// Reports on these parts of what is in `directory`, into files of the same name.
pub(crate) fn report(directory: &Path, parts: &[Part]) -> Result<ExitCode, Error> {
    let mainline = Figures::read(directory, "mainline")?;
    let patched = Figures::read(directory, "patched")?;
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(part.rows(directory, &mainline, &patched)?);
    }
    let text = table::text(&rows);
    print!("{text}");
    fs::write(directory.with_extension("txt"), &text)?;
    fs::write(directory.with_extension("csv"), table::csv(&rows))?;
    fs::write(directory.with_extension("svg"), plot::svg(&rows))?;
    Ok(if rows.iter().all(Row::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
