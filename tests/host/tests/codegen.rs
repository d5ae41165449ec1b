// SPDX-License-Identifier: GPL-2.0

//! Compiled as in the kernel, the arithmetic can neither panic nor needs anything to link with.

use std::{env, fs, path::Path, process::Command};

/// Compiles the fixture with the kernel's options, and returns the assembly.
fn kernel_assembly(opt_level: &str) -> String {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kernel_codegen.rs");
    let output =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kernel_codegen_{opt_level}.s"));
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let status = Command::new(rustc)
        .args(["--edition=2021", "--crate-type=lib", "--emit=asm"])
        .args(["-Cpanic=abort", "-Coverflow-checks=on"])
        .arg(format!("-Copt-level={opt_level}"))
        .args(["-Dwarnings", "-Dmissing_docs", "-Dunreachable_pub"])
        .arg("-o")
        .args([&output, &fixture])
        .status()
        .expect("rustc cannot be run");
    assert!(status.success());
    fs::read_to_string(output).unwrap()
}

/// The first line of the assembly that has one of `words`.
fn find<'a>(assembly: &'a str, words: &[&str]) -> Option<&'a str> {
    assembly
        .lines()
        .find(|line| words.iter().any(|word| line.contains(word)))
}

/// No panic is reachable, and no helper for 128-bit numbers called.
fn assert_self_contained(assembly: &str) {
    assert!(find(assembly, &["entry_to_ref_from:"]).is_some());
    assert_eq!(find(assembly, &["panic"]), None);
    let helpers = ["divti3", "modti", "multi3", "ashlti3", "lshrti3"];
    assert_eq!(find(assembly, &helpers), None);
}

#[test]
fn self_contained_when_optimised_for_speed() {
    assert_self_contained(&kernel_assembly("2"));
}

#[test]
fn self_contained_when_optimised_for_size() {
    assert_self_contained(&kernel_assembly("s"));
}
