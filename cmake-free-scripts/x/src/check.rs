//! `cargo x check`: what must hold before a change is shown to anyone: format, lints, documentation, scripts, sizes.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::isa::Isa;
use crate::{setup, size, tree};

/// What is built for the bare targets.
const BARE: [&str; 10] = ["abi", "arch", "exo", "exokernel", "init", "libos", "native", "rewrite", "unix", "unixd"];

/// Check everything; stop at the first thing that does not hold.
pub fn check() -> Result<()> {
    setup::ensure(&Isa::ALL)?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"], &[])?;
    for isa in Isa::ALL {
        let packages: Vec<&str> = BARE.iter().flat_map(|package| ["--package", package]).collect();
        let target = ["--lib", "--bins", "--target", isa.bare_target()];
        cargo(&[&["clippy", "--quiet"], &target[..], &packages, &["--", "-D", "warnings"]].concat(), &[])?;
        cargo(&["clippy", "--quiet", "--package", "linux-programs", "--target", isa.linux_target(), "--", "-D", "warnings"], &[])?;
        let documented = ["doc", "--quiet", "--no-deps", "--target", isa.bare_target()];
        cargo(&[&documented[..], &packages].concat(), &[("RUSTDOCFLAGS", "-D warnings")])?;
    }
    cargo(&["doc", "--quiet", "--no-deps", "--document-private-items", "--package", "x"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    scripts()?;
    size::size(&size::Options { json: false })
}

/// Run cargo, and say so.
fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    eprintln!("{line}");
    let status = Command::new("cargo").args(arguments).envs(environment.iter().copied()).current_dir(tree::root()).status();
    ensure!(status.context("cannot start cargo")?.success(), "failed: {line}");
    Ok(())
}

/// The shell steps parse.
fn scripts() -> Result<()> {
    for entry in std::fs::read_dir(tree::root().join("cmake-free-scripts"))?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let status = Command::new("bash").arg("-n").arg(&path).status().context("cannot start bash")?;
            ensure!(status.success(), "{} does not parse", path.display());
        }
    }
    Ok(())
}
