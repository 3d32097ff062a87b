//! What a null call and the clock cost through libc, by each entry; what the rewriter and the shim leave.
//!
//! The program is `user/c/entry_cost.c`: a million calls in a loop, the loop and libc's own function counted too. One tick of the guest's
//! clock is one instruction (`-icount shift=0`), and the same inputs give the same count.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Common;
use super::counts::{self, Counts};
use crate::entry::{Entry, Flavour};
use crate::isa::Isa;
use crate::{build, progress, setup, tree};

/// The program, and the most instructions that each of its loops may take: linked, rewritten, reflected.
const PROGRAM: &str = "entry_cost";
const LIMITS: [(&str, [f64; 3]); 2] = [("getppid", [25.0, 45.0, 200.0]), ("clock_gettime", [45.0, 45.0, 45.0])];
/// The same on a tuned Linux 6.1 in the same virtual machine: x86_64, aarch64.
const LINUX: [(&str, [f64; 2]); 2] = [("getppid", [312.0, 315.0]), ("clock_gettime", [79.0, 59.0])];

/// What the rewriter and the shim make of one program.
struct Sites {
    program: &'static str,
    /// System call instructions in the stock build, and those that become jumps.
    stock: usize,
    patched: usize,
    /// Pages of text that differ from the file's, and pages of trampolines: what all processes share beyond the file.
    text_pages: usize,
    trampoline_pages: usize,
    /// System call instructions in the build with the shim: the ones for Linux, and those that are the program's own.
    shim: usize,
}

/// Measure and report; a failure status if a limit was passed.
pub fn bench(common: &Common) -> Result<ExitCode> {
    let isas = common.isas();
    setup::ensure(&isas)?;
    let bar = progress::bar(isas.len() * Entry::ALL.len());
    let mut counts = BTreeMap::new();
    let mut sites = BTreeMap::new();
    for &isa in &isas {
        bar.set_message(format!("{isa}: building"));
        build::build(isa)?;
        for entry in Entry::ALL {
            bar.set_message(format!("{isa}: {}", entry.name()));
            counts.insert((isa, entry), measure(isa, entry).with_context(|| format!("{} on {isa}", entry.name()))?);
            bar.inc(1);
        }
        sites.insert(isa, count_sites(isa)?);
    }
    bar.finish_and_clear();
    let passed = over_limit(&counts);
    let report = report(&isas, &counts, &sites);
    let path = tree::target().join("chitin/measured/entry.json");
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(&path, format!("{report:#}\n"))?;
    if common.json {
        println!("{report:#}");
    } else {
        print(&isas, &counts, &sites);
    }
    passed.iter().for_each(|line| eprintln!("cargo x bench: {line}"));
    Ok(if passed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fail if a count is over its limit.
pub fn check(isa: Isa, entry: Entry) -> Result<()> {
    let passed = over_limit(&BTreeMap::from([((isa, entry), measure(isa, entry)?)]));
    ensure!(passed.is_empty(), "{}", passed.join("; "));
    Ok(())
}

fn measure(isa: Isa, entry: Entry) -> Result<Counts> {
    counts::measure(PROGRAM, isa, entry, Duration::from_secs(120))
}

/// Count call sites in the programs that there are in both flavours.
fn count_sites(isa: Isa) -> Result<Vec<Sites>> {
    let mut counted = Vec::new();
    for program in ["libc.so", "busybox", "lua", "sqlite3"] {
        let outcome = |flavour| -> Result<rewrite::Rewriting> {
            let path = match program {
                "libc.so" => tree::musl(isa, flavour).join("lib/libc.so"),
                name => tree::distribution_program(isa, flavour, name),
            };
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            rewrite::rewrite(&bytes).map_err(|refusal| anyhow::anyhow!("{}: {refusal:?}", path.display()))
        };
        let (stock, shim) = (outcome(Flavour::Stock)?, outcome(Flavour::Shim)?);
        counted.push(Sites {
            program,
            stock: stock.sites.len(),
            patched: stock.patched(),
            text_pages: stock.text.len(),
            trampoline_pages: stock.trampolines.len(),
            shim: shim.sites.len(),
        });
    }
    Ok(counted)
}

/// A line for each count that is over its limit.
fn over_limit(counts: &BTreeMap<(Isa, Entry), Counts>) -> Vec<String> {
    let mut lines = Vec::new();
    for (&(isa, entry), counts) in counts {
        for (name, limits) in LIMITS {
            let limit = limits[entry as usize];
            match counts.get(name) {
                Some(count) if *count <= limit => {}
                Some(count) => lines.push(format!("{name}, {} on {isa}: {count} instructions, the limit is {limit}", entry.name())),
                None => lines.push(format!("{name}, {} on {isa}: no count", entry.name())),
            }
        }
    }
    lines
}

fn report(isas: &[Isa], counts: &BTreeMap<(Isa, Entry), Counts>, sites: &BTreeMap<Isa, Vec<Sites>>) -> Value {
    let of_isa = |&isa: &Isa| {
        let entries: serde_json::Map<String, Value> =
            Entry::ALL.iter().map(|entry| (entry.name().to_owned(), json!(counts[&(isa, *entry)]))).collect();
        let sites: Vec<Value> = sites[&isa]
            .iter()
            .map(|sites| {
                json!({
                    "program": sites.program,
                    "stock_sites": sites.stock,
                    "rewritten_sites": sites.patched,
                    "rewritten_text_pages": sites.text_pages,
                    "trampoline_pages": sites.trampoline_pages,
                    "shim_sites": sites.shim,
                })
            })
            .collect();
        (isa.name().to_owned(), json!({ "instructions": entries, "sites": sites }))
    };
    let isas: serde_json::Map<String, Value> = isas.iter().map(of_isa).collect();
    json!({ "unit": "guest instructions a round, the loop included", "clock": "-icount shift=0,sleep=off", "isas": isas })
}

fn print(isas: &[Isa], counts: &BTreeMap<(Isa, Entry), Counts>, sites: &BTreeMap<Isa, Vec<Sites>>) {
    println!("guest instructions a round, the loop and libc's function included (-icount shift=0)");
    for (index, isa) in [Isa::X86_64, Isa::Aarch64].into_iter().enumerate().filter(|(_, isa)| isas.contains(isa)) {
        println!("\n{:<16}{:>10}{:>11}{:>11}{:>9}   limits", isa.name(), "linked", "rewritten", "reflected", "Linux");
        let names: Vec<&String> = counts[&(isa, Entry::Linked)].keys().collect();
        for name in names {
            print!("{name:<16}");
            for (entry, width) in Entry::ALL.into_iter().zip([10, 11, 11]) {
                print!("{:>width$.2}", counts[&(isa, entry)].get(name).copied().unwrap_or(f64::NAN));
            }
            let linux = LINUX.iter().find(|(known, _)| known == name).map_or(String::new(), |(_, counts)| counts[index].to_string());
            let limits = LIMITS.iter().find(|(known, _)| known == name);
            let limits = limits.map_or(String::new(), |(_, limits)| limits.map(|limit| limit.to_string()).join(" / "));
            println!("{linux:>9}   {limits}");
        }
        println!("\ncall sites      {:>10}{:>11}{:>11}{:>13}{:>15}", "stock", "rewritten", "with shim", "text pages", "trampolines");
        for Sites { program, stock, patched, shim, text_pages, trampoline_pages } in &sites[&isa] {
            println!("{program:<16}{stock:>10}{patched:>11}{shim:>11}{text_pages:>13}{trampoline_pages:>15}");
        }
    }
    println!(
        "\nLinux: the same loops on a tuned Linux 6.1 in the same virtual machine. Text and trampoline pages are shared by all processes."
    );
}
