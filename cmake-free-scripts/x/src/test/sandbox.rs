//! Level 3: a sandbox, and a hostile program in it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use exo::command::CommandFlags;

use super::Test;
use super::compare::tail;
use crate::build;
use crate::entry::Entry;
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{End, Machine, boot_captured};
use crate::run::Guest;

/// What the prisoner is held to.
const RULES: &str = "allow read /data/**
allow read write /tmp/cell/**
limit frames 6000
limit pwrite64 100
deny fsync
end unknown
";
const APPS: &str = "/bin/prisoner admission=sandbox,rules=/etc/chitin/rules/prisoner\n";

/// What a program is answered that knows nothing of its sandbox; then, one for each attack, that nothing came of it.
const PRINTED: &str = include_str!("scripts/prisoner.txt");

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let test = |name: &str, work: fn(Isa, Entry) -> Result<()>, entry: Entry| Test {
        name: format!("sandbox/{name}-{}", entry.name()),
        level: 3,
        isa: Some(isa),
        work: Box::new(move || work(isa, entry).map_err(|error| format!("{error:#}"))),
    };
    let holds = Entry::ALL.map(|entry| test("holds-a-hostile-program", holds, entry));
    let broken = [test("without-rules-nothing-begins", without_rules, Entry::ALL[0])];
    holds.into_iter().chain(broken).collect()
}

fn guest(isa: Isa, entry: Entry, rules: &str) -> Result<Guest> {
    let mut files = Files::new();
    let program = std::fs::read(build::linux(isa, entry.flavour(), "hostile"))?;
    for name in ["/bin/warden", "/bin/prisoner"] {
        files.add_program(name, program.clone());
    }
    let texts = [
        ("/etc/chitin/apps", APPS),
        ("/etc/chitin/rules/prisoner", rules),
        ("/secret/key", "a canary that nobody is to hear\n"),
        ("/data/book", "once upon a time\n"),
    ];
    for (path, text) in texts {
        files.add(path, Node::File(0o666, text.into()));
    }
    Ok(Guest { files, arguments: vec!["/bin/warden".into()], flags: CommandFlags::BATCH | entry.flags(), ..Guest::default() })
}

fn run(isa: Isa, guest: &Guest) -> Result<String> {
    let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &guest.image(isa)?, Duration::from_secs(120))?;
    let output = String::from_utf8_lossy(&outcome.output).replace('\r', "");
    if outcome.end != End::Exit(0) {
        bail!("{}; it printed:\n{}", outcome.end, tail(output.as_bytes()));
    }
    Ok(output)
}

/// A program that makes calls, requests past its library, and garbage of that, gets no further than its rules.
fn holds(isa: Isa, entry: Entry) -> Result<()> {
    let output = run(isa, &guest(isa, entry, RULES)?)?;
    ensure!(output == PRINTED, "it printed:\n{output}");
    Ok(())
}

/// A program whose rules make no sense does not begin.
fn without_rules(isa: Isa, entry: Entry) -> Result<()> {
    let output = run(isa, &guest(isa, entry, "allow everything\n")?)?;
    ensure!(output.contains("/etc/chitin/apps:1: /etc/chitin/rules/prisoner: line 1: "), "it printed:\n{output}");
    ensure!(output.contains("calls: signal 11") && !output.contains("read the book"), "it began:\n{output}");
    Ok(())
}
