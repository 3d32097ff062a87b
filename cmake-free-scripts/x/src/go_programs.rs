//! Builds the Go programs of `user/go`: static, and with no C library, since Go's runtime makes its own system calls.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::isa::Isa;
use crate::tree;

/// A Go program.
pub fn go_program(isa: Isa, name: &str) -> PathBuf {
    folder(isa).join(name)
}

fn folder(isa: Isa) -> PathBuf {
    tree::output(isa).join("go")
}

/// An ISA by the name that Go has for it.
fn architecture(isa: Isa) -> &'static str {
    match isa {
        Isa::X86_64 => "amd64",
        Isa::Aarch64 => "arm64",
    }
}

/// Build all of them for an ISA. Go's own cache knows what is there already; nothing is fetched.
pub fn build(isa: Isa) -> Result<()> {
    let sources = tree::root().join("user/go");
    for entry in std::fs::read_dir(&sources).with_context(|| format!("cannot read {}", sources.display()))? {
        let source = entry?.path();
        if source.extension().is_none_or(|extension| extension != "go") {
            continue;
        }
        let name = source.file_stem().context("a source has a name")?.to_string_lossy().into_owned();
        let status = Command::new("go")
            .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
            .arg(go_program(isa, &name))
            .arg(&source)
            .current_dir(&sources)
            .env("GOCACHE", tree::target().join("go"))
            .envs([("CGO_ENABLED", "0"), ("GO111MODULE", "off"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "")])
            .envs([("GOOS", "linux"), ("GOARCH", architecture(isa))])
            .status()
            .context("cannot start go")?;
        ensure!(status.success(), "{} does not compile", source.display());
    }
    Ok(())
}
