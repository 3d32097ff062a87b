//! Where system call instructions are: all over the stock flavour, in the shim's fallback and nowhere else of the shim flavour.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Named;
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::{build, c_programs, tree};

/// What the functions' names begin with that may hold the instruction in the shim flavour.
const FALLBACK: &str = "__chitin_instruction";
/// Fewer sites than any build of the stock flavour has.
const STOCK_FLOOR: usize = 400;

pub const TESTS: &[Named] = &[
    ("no-raw-call-in-libc.a", |isa| library(isa, "libc.a")),
    ("no-raw-call-in-libc.so", |isa| library(isa, "libc.so")),
    ("no-raw-call-in-c-program", c_program),
    ("no-raw-call-in-rust-program", rust_program),
];

fn library(isa: Isa, name: &str) -> Result<()> {
    let stock: usize = sites(&tree::musl(isa, Flavour::Stock).join("lib").join(name))?.values().sum();
    ensure!(stock > STOCK_FLOOR, "{stock} system call instructions in the stock {name}: the disassembly is not understood");
    only_fallback(&tree::musl(isa, Flavour::Shim).join("lib").join(name))
}

/// Not the benchmark: it measures the instruction itself too.
fn c_program(isa: Isa) -> Result<()> {
    only_fallback(&c_programs::c_program(isa, Flavour::Shim, "thread_stress", c_programs::Form::Static))
}

/// Rust's std calls libc, so a program that is linked against the staged one has its instructions, and no others.
fn rust_program(isa: Isa) -> Result<()> {
    let program = |flavour| tree::linux_release(isa, flavour).join("hello");
    let stock: usize = sites(&program(Flavour::Stock))?.values().sum();
    ensure!(stock > 0, "no system call instruction in the stock program: the disassembly is not understood");
    only_fallback(&program(Flavour::Shim))
}

fn only_fallback(file: &Path) -> Result<()> {
    let sites = sites(file)?;
    let others: Vec<String> = sites
        .iter()
        .filter(|(function, _)| !function.starts_with(FALLBACK))
        .map(|(function, count)| format!("{count} in {function}"))
        .collect();
    ensure!(others.is_empty(), "{} has system call instructions: {}", file.display(), others.join(", "));
    ensure!(!sites.is_empty(), "{} has no fallback: it was not linked against the shim", file.display());
    Ok(())
}

/// The system call instructions of a file or an archive, by function.
fn sites(file: &Path) -> Result<BTreeMap<String, usize>> {
    let tool = build::llvm_tool("llvm-objdump")?;
    let output = Command::new(&tool)
        .args(["--disassemble", "--no-show-raw-insn", "--no-leading-addr"])
        .arg(file)
        .output()
        .with_context(|| format!("cannot start {}", tool.display()))?;
    ensure!(output.status.success(), "disassembling {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Ok(count(&String::from_utf8_lossy(&output.stdout)))
}

fn count(disassembly: &str) -> BTreeMap<String, usize> {
    let mut function = String::new();
    let mut sites = BTreeMap::new();
    for line in disassembly.lines() {
        if let Some(name) = line.strip_prefix('<').and_then(|rest| rest.strip_suffix(">:")) {
            name.clone_into(&mut function);
        } else if line.split_whitespace().next().is_some_and(|word| ["syscall", "sysenter", "svc"].contains(&word)) {
            *sites.entry(function.clone()).or_default() += 1;
        }
    }
    sites
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_counted_by_function() {
        let text = "f.o:\tfile format elf64\n\nDisassembly of section .text:\n\n<one>:\n\tsyscall\n\tretq\n<two>:\n\tsvc\t#0\n\tsvc\t#0\n\tmov\tx0, x1 <syscall>\n";
        let sites = count(text);
        assert_eq!(sites.get("one"), Some(&1));
        assert_eq!(sites.get("two"), Some(&2));
        assert_eq!(sites.len(), 2);
    }
}
