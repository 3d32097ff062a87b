//! Level 3: programs side by side, each with policies of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use exo::command::CommandFlags;

use super::Test;
use super::compare::tail;
use crate::c_programs::{self, Form};
use crate::entry::{Entry, Flavour};
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{End, Machine, Scratch, boot_captured};
use crate::run::Guest;
use crate::{build, tree};

/// What the program does: memory that it walks through.
const SCRIPT: &str = "local t = {}; for i = 1, 400000 do t[i] = i end; print(#t)";
/// What it prints.
const PRINTED: &str = "400000";

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let test = |entry: Entry| Test {
        name: format!("policies/side-by-side-{}", entry.name()),
        level: 3,
        isa: Some(isa),
        work: Box::new(move || side_by_side(isa, entry).map_err(|error| format!("{error:#}"))),
    };
    let checkpoint = |entry: Entry| Test {
        name: format!("policies/checkpoint-{}", entry.name()),
        level: 3,
        isa: Some(isa),
        work: Box::new(move || checkpoint(isa, entry).map_err(|error| format!("{error:#}"))),
    };
    Entry::ALL.into_iter().flat_map(|entry| [test(entry), checkpoint(entry)]).collect()
}

/// A computation that three faults end, and somebody who begins it again: on Linux, by default, and going on from points.
fn checkpoint(isa: Isa, entry: Entry) -> Result<()> {
    const NAME: &str = "steps";
    let scratch = Scratch::new()?;
    let folder = scratch.path(".");
    let arguments = |folder: &str| [folder, "100", "2000", "again"].map(str::to_owned);
    let host = c_programs::c_program(Isa::host(), Flavour::Stock, NAME, Form::Static);
    let linux = std::process::Command::new(host).args(arguments(&folder.to_string_lossy())).output()?;
    let linux = String::from_utf8(linux.stdout)?;
    ensure!(linux.contains("100 lines in order\n") && linux.ends_with("begun 4\n"), "Linux printed:\n{linux}");
    let guest = |settings: &[&str]| -> Result<String> {
        let mut files = Files::new();
        let program = c_programs::c_program(isa, entry.flavour(), NAME, Form::Static);
        files.add_program(&format!("/bin/{NAME}"), std::fs::read(program)?);
        let arguments = [vec![format!("/bin/{NAME}")], arguments("/tmp").to_vec()].concat();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let output = boot(isa, Guest { arguments, settings, files, flags: CommandFlags::BATCH | entry.flags(), ..Guest::default() })?;
        Ok(output.lines().filter(|line| !line.starts_with("chitin: ")).map(|line| format!("{}\n", line.trim_end())).collect())
    };
    let usual = guest(&[])?;
    ensure!(usual == linux, "Linux printed:\n{linux}and without the policy here:\n{usual}");
    for calls in ["recovery=checkpoint,calls=1", "recovery=checkpoint,calls=7"] {
        let output = guest(&[calls])?;
        ensure!(output == linux.replace("begun 4", "begun 1"), "with {calls} it printed:\n{output}");
    }
    // From too far back it meets more than it may from one point: it goes on twice, and ends.
    let output = guest(&["recovery=checkpoint,calls=85,times=2"])?;
    ensure!(output == linux.replace("begun 4", "begun 2"), "from far back it printed:\n{output}");
    Ok(())
}

/// What a profile's line says: words and their numbers.
type Profile = BTreeMap<String, u64>;

/// Two processes of one program, of which one brings in many pages at each fault: they make the same calls, and have other faults.
fn side_by_side(isa: Isa, entry: Entry) -> Result<()> {
    let settings = [vec!["tracing=counts"], vec!["tracing=counts", "paging=prefault,pages=512"]];
    let output = run(isa, entry, &settings.map(|settings| settings.into_iter().map(str::to_owned).collect()))?;
    ensure!(output.lines().filter(|line| line.trim_end() == PRINTED).count() == 2, "it printed:\n{output}");
    let profiles = profiles(&output);
    let [first, second] = [2, 3].map(|id| profiles.get(&id).with_context(|| format!("no profile of process {id}:\n{output}")));
    let (usual, other) = (first?, second?);
    let counts = |profile: &Profile| {
        profile.iter().filter(|(name, _)| !MEMORY.contains(&name.as_str())).map(|(name, count)| (name.clone(), *count)).collect::<Profile>()
    };
    ensure!(counts(usual) == counts(other), "one program, other calls: {usual:?} {other:?}");
    ensure!(usual["calls"] > 10 && usual.contains_key("execve") == other.contains_key("execve"), "{usual:?}");
    ensure!(other["faults"] * 3 <= usual["faults"], "{} faults, and {} with other paging", usual["faults"], other["faults"]);
    ensure!(other["pages"] >= usual["pages"], "{} pages, and {} with other paging", usual["pages"], other["pages"]);
    Ok(())
}

/// What paging changes.
const MEMORY: [&str; 5] = ["pid", "faults", "pages", "resident", "switches"];

/// Run the program once for each list of settings, at the same time.
fn run(isa: Isa, entry: Entry, settings: &[Vec<String>]) -> Result<String> {
    let mut files = Files::new();
    files.add_program("/bin/lua", std::fs::read(tree::distribution_program(isa, entry.flavour(), "lua"))?);
    files.add("/walk.lua", Node::File(0o644, SCRIPT.into()));
    let arguments = ["/bin/lua", "/walk.lua"].map(str::to_owned);
    let flags = CommandFlags::BATCH | entry.flags();
    let mut guests =
        settings.iter().map(|settings| Guest { arguments: arguments.to_vec(), settings: settings.clone(), flags, ..Guest::default() });
    let first = guests.next().context("a program to run")?;
    let guest = Guest { files, beside: guests.collect(), ..first };
    boot(isa, guest)
}

/// What a guest prints.
fn boot(isa: Isa, guest: Guest) -> Result<String> {
    let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &guest.image(isa)?, Duration::from_secs(60))?;
    if outcome.end != End::Exit(0) {
        bail!("{}; it printed:\n{}", outcome.end, tail(&outcome.output));
    }
    String::from_utf8(outcome.output).context("the programs print text")
}

/// The profiles in an output, by process.
fn profiles(output: &str) -> BTreeMap<u64, Profile> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("chitin: profile "));
    let words = |line: &str| {
        line.split_whitespace()
            .filter_map(|word| word.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect::<Profile>()
    };
    lines.map(words).filter_map(|profile| Some((*profile.get("pid")?, profile))).collect()
}
