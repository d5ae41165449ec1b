// SPDX-License-Identifier: GPL-2.0

//! The report: a table, the same for programs to read, a plot, and whether all bounds hold.

use std::{fs, path::Path, process::ExitCode};

use crate::{bounds, bounds::Row, plot, table, Error};

/// Reports on what is in `directory`, into files of the same name.
pub(crate) fn report(directory: &Path) -> Result<ExitCode, Error> {
    let rows = bounds::rows(directory)?;
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
