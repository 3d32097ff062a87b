//! Level 3: several processes of one program have one text among them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use exo::command::CommandFlags;

use super::Test;
use super::compare::tail;
use crate::c_programs::{Form, c_program};
use crate::entry::Entry;
use crate::initramfs::Files;
use crate::isa::Isa;
use crate::qemu::{End, Machine, boot_captured};
use crate::run::Guest;
use crate::{build, tree};

/// How many processes.
const COPIES: u32 = 10;
/// Frames that the library OS and the kernel may have for a process beside the program's own pages: heap, stacks, records, tables.
const OVERHEAD: usize = 512;

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let test = |form: Form, entry: Entry| Test {
        name: format!("copies/{}-{}", if form == Form::Static { "static" } else { "dynamic" }, entry.name()),
        level: 3,
        isa: Some(isa),
        work: Box::new(move || shared(isa, form, entry).map_err(|error| format!("{error:#}"))),
    };
    vec![
        test(Form::Static, Entry::Reflected),
        test(Form::Dynamic, Entry::Reflected),
        test(Form::Dynamic, Entry::Rewritten),
        test(Form::Dynamic, Entry::Linked),
    ]
}

/// What the processes found.
struct Findings {
    /// What each says of its text, without its number.
    texts: BTreeSet<String>,
    /// Lines about text.
    lines: usize,
    /// The most pages that one has for itself.
    own: usize,
    /// Frames in use in the machine while all run.
    in_use: usize,
}

fn run(isa: Isa, form: Form, entry: Entry, copies: u32) -> Result<Findings> {
    let flavour = entry.flavour();
    let mut files = Files::new();
    files.add_program("/bin/shared_frames", std::fs::read(c_program(isa, flavour, "shared_frames", form))?);
    if form == Form::Dynamic {
        files.add_program(&format!("/lib/ld-musl-{isa}.so.1"), std::fs::read(tree::musl(isa, flavour).join("lib/libc.so"))?);
    }
    // A frame of text is mapped twice by each process: where its library has all files, and where the program runs.
    let arguments = vec!["/bin/shared_frames".to_owned(), (2 * copies).to_string()];
    let flags = CommandFlags::BATCH | entry.flags();
    let guest = Guest { files, arguments, environment: Vec::new(), flags, input: Vec::new(), ..Guest::default() };
    let image = guest.image_of_copies(isa, copies)?;
    let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &image, Duration::from_secs(60))?;
    if outcome.end != End::Exit(0) {
        bail!("{}; it printed:\n{}", outcome.end, tail(&outcome.output));
    }
    let output = String::from_utf8(outcome.output).context("the processes print text")?;
    let of_copies: Vec<&str> =
        output.lines().filter_map(|line| line.strip_prefix("copy ")?.split_once(": ").map(|(_, rest)| rest)).collect();
    let number = |line: &str, name: &str| line.split(' ').skip_while(|&word| word != name).nth(1)?.parse::<usize>().ok();
    let texts: Vec<String> = of_copies.iter().filter(|line| line.starts_with("text ")).map(|&line| line.to_owned()).collect();
    Ok(Findings {
        lines: texts.len(),
        texts: texts.into_iter().collect(),
        own: of_copies.iter().filter_map(|line| number(line, "own")).max().context("a count of own pages")?,
        in_use: output.lines().find_map(|line| number(line, "use")).context("a count of frames in use")?,
    })
}

fn shared(isa: Isa, form: Form, entry: Entry) -> Result<()> {
    let (one, many) = (run(isa, form, entry, 1)?, run(isa, form, entry, COPIES)?);
    let libc = many.texts.iter().any(|text| text.contains("ld-musl"));
    ensure!(libc == (form == Form::Dynamic), "whose text is it: {:?}", many.texts);
    ensure!(many.lines == COPIES as usize * one.lines && one.lines > 0, "{} lines of {} processes", many.lines, COPIES);
    ensure!(many.texts.len() == one.lines, "text in different frames: {:?}", many.texts);
    ensure!(many.texts.iter().all(|text| text.contains("missing 0 ")), "text that is nowhere: {:?}", many.texts);
    let each = (many.in_use - one.in_use) / (COPIES as usize - 1);
    ensure!(each <= many.own + OVERHEAD, "a process more takes {each} frames, {} of them its own pages", many.own);
    Ok(())
}
