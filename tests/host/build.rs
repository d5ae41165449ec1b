// SPDX-License-Identifier: GPL-2.0

//! Looks for a kernel tree. The discipline is compared with the kernel's own if there is one.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(kernel_tree)");
    for variable in ["TIMENS_CACHE", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let Some(tree) = tree() else { return };
    println!("cargo::rerun-if-changed={}", tree.display());
    if tree.join("kernel/time/ntp.c").exists() {
        println!("cargo::rustc-cfg=kernel_tree");
        println!("cargo::rustc-env=KERNEL_TREE={}", tree.display());
    }
}

/// Where scripts/fetch-kernel puts it.
fn tree() -> Option<PathBuf> {
    let cache = match env::var_os("TIMENS_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => match env::var_os("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(env::var_os("HOME")?).join(".cache"),
        }
        .join("timens-clock"),
    };
    Some(cache.join("src/mainline"))
}
