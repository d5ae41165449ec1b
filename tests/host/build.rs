// SPDX-License-Identifier: GPL-2.0

//! Looks for the kernel trees. What is calculated in C there is compared with the module's
//! arithmetic, or with the oracle's, if there are any.

use std::{env, path::PathBuf};

/// The trees, what they are to have, and the flag and the variable that tell the tests.
const TREES: [(&str, &str, &str, &str); 2] = [
    (
        "mainline",
        "kernel/time/ntp.c",
        "kernel_tree",
        "KERNEL_TREE",
    ),
    (
        "patched",
        "kernel/time/namespace_hrtimer.c",
        "patched_tree",
        "PATCHED_TREE",
    ),
];

fn main() {
    for variable in ["TIMENS_CACHE", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    for (name, file, flag, variable) in TREES {
        println!("cargo::rustc-check-cfg=cfg({flag})");
        let tree = sources().unwrap_or_default().join(name);
        println!("cargo::rerun-if-changed={}", tree.display());
        println!("cargo::rustc-env={variable}={}", tree.display());
        if tree.join(file).exists() {
            println!("cargo::rustc-cfg={flag}");
        }
    }
}

/// Where scripts/fetch-kernel and scripts/sync-tree put them.
fn sources() -> Option<PathBuf> {
    let cache = match env::var_os("TIMENS_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => match env::var_os("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(env::var_os("HOME")?).join(".cache"),
        }
        .join("timens-clock"),
    };
    Some(cache.join("src"))
}
