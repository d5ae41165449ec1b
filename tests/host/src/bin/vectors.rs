// SPDX-License-Identifier: GPL-2.0

//! Prints the test vectors, in the format that `timens_host_tests::vectors` describes.

use std::io::{self, BufWriter, Write};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for vector in timens_host_tests::vectors::vectors() {
        writeln!(out, "{vector}")?;
    }
    out.flush()
}
