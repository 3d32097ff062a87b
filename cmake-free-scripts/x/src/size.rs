//! `cargo x size`: the kernel's budgets, and how much of them is used.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::isa::Isa;
use crate::{build, lines, tree};

/// Lines of code that the kernel may have, both ISAs together.
const KERNEL_LINES: usize = 4000;
/// Bytes that a kernel image may have.
const KERNEL_BYTES: u64 = 128 << 10;
/// What is never counted.
const EXCEPT: [&str; 4] = ["fake", "tests", "tests.rs", "build.rs"];

/// How to show it.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Write the sizes to standard output as JSON
    #[arg(long)]
    pub json: bool,
}

/// The parts of the kernel and what else is counted: a name, the path, what of it is another part, whether it is the kernel's.
const PARTS: [(&str, &str, &[&str], bool); 15] = [
    ("exokernel", "exokernel/src", &[], true),
    ("exokernel/abi", "exokernel/abi/src", &[], true),
    ("arch", "arch/src", &["aarch64", "x86_64"], true),
    ("arch/aarch64", "arch/src/aarch64", &[], true),
    ("arch/x86_64", "arch/src/x86_64", &[], true),
    ("libos", "libos/src", &[], false),
    ("libos/exo", "libos/exo/src", &[], false),
    ("libos/rewrite", "libos/rewrite/src", &[], false),
    ("libos/unix", "libos/unix/src", &[], false),
    ("user/init", "user/init/src", &[], false),
    ("user/unixd", "user/unixd/src", &[], false),
    ("user/exo", "user/exo/src", &[], false),
    ("user/linux", "user/linux/src", &[], false),
    ("cmake-free-scripts/x", "cmake-free-scripts/x/src", &[], false),
    ("all of arch's fake", "arch/src/fake", &[], false),
];

/// Print the sizes. An error if the kernel is beyond a budget.
pub fn size(options: &Options) -> Result<()> {
    let mut counted = Vec::new();
    for (name, path, others, kernel) in PARTS {
        let except: Vec<&str> = EXCEPT.iter().chain(others).copied().filter(|except| !path.ends_with(except)).collect();
        counted.push((name, lines::under(&tree::root().join(path), &except)?, kernel));
    }
    let total: usize = counted.iter().filter(|(_, _, kernel)| *kernel).map(|(_, count, _)| count).sum();
    let mut images = Vec::new();
    for isa in Isa::ALL {
        build::build_kernel(isa)?;
        let bytes = build::kernel(isa).metadata().context("the kernel was not built")?.len();
        let libos = build::libos_module(isa).metadata().map(|metadata| metadata.len()).ok();
        images.push((isa, bytes, libos));
    }
    if options.json {
        let parts: Vec<_> = counted.iter().map(|(name, count, kernel)| json!({ "part": name, "lines": count, "kernel": kernel })).collect();
        let sizes: Vec<_> =
            images.iter().map(|(isa, bytes, libos)| json!({ "isa": isa.name(), "kernel_bytes": bytes, "libos_bytes": libos })).collect();
        println!(
            "{:#}",
            json!({ "parts": parts, "kernel_lines": total, "kernel_lines_budget": KERNEL_LINES, "images": sizes, "kernel_bytes_budget": KERNEL_BYTES })
        );
    } else {
        println!("lines of code, without tests and comments");
        for (name, count, kernel) in &counted {
            println!("  {name:<22} {count:>6}{}", if *kernel { "  kernel" } else { "" });
        }
        println!("  {:<22} {total:>6}  of {KERNEL_LINES}", "the kernel");
        for (isa, bytes, libos) in &images {
            let libos = libos.map_or("not built".into(), |bytes| format!("{bytes} bytes"));
            println!("{isa}: kernel image {bytes} bytes of {KERNEL_BYTES}, library OS image {libos}");
        }
    }
    anyhow::ensure!(total < KERNEL_LINES, "the kernel has {total} lines of code; its budget is {KERNEL_LINES}");
    for (isa, bytes, _) in images {
        anyhow::ensure!(bytes < KERNEL_BYTES, "the kernel image for {isa} has {bytes} bytes; its budget is {KERNEL_BYTES}");
    }
    Ok(())
}
