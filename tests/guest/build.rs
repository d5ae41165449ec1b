// SPDX-License-Identifier: GPL-2.0

//! Compiles the 32-bit reader of clocks, which needs no library, with whichever C compiler can.
//! Where none can, the reader is empty and its test is skipped.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const SOURCE: &str = "ia32/clocks.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-env-changed=CC");

    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let reader = Path::new(&out).join("ia32-clocks");
    let compilers = env::var("CC").into_iter();
    let compilers = compilers.chain(["gcc", "clang", "clang-22"].map(String::from));
    for compiler in compilers {
        let compiled = Command::new(compiler)
            .args(["-m32", "-O2", "-Wall", "-Wextra", "-Werror"])
            .args([
                "-ffreestanding",
                "-fno-pic",
                "-fno-stack-protector",
                "-fcf-protection=none",
            ])
            .args(["-static", "-no-pie", "-nostdlib", "-Wl,--build-id=none"])
            .arg("-o")
            .arg(&reader)
            .arg(SOURCE)
            .stderr(Stdio::null())
            .status();
        if compiled.is_ok_and(|status| status.success()) {
            return;
        }
    }
    println!("cargo::warning=no compiler for 32-bit programs: their test will be skipped");
    fs::write(&reader, "").expect("cannot write to OUT_DIR");
}
