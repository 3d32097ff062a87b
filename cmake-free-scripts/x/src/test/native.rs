//! Level 2: programs straight on the exokernel. Each is the first environment of a machine of its own, and must end as its table says.
//!
//! The table is `user/exo/expected.txt`, a line for each program: its name, the exit code, then options (`icount`, `input`, `mem=64M`,
//! `cpu=qemu64`, `microvm`, `gic=2`) and, in quotes, texts that its output must contain.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Test;
use crate::image::lay_out;
use crate::isa::Isa;
use crate::qemu::{End, Kind, Machine, boot_with_input};
use crate::{build, tree};

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A line of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    program: String,
    exit: u8,
    options: Vec<String>,
    texts: Vec<String>,
}

/// One test for each native program, and one for each line of the table that names no program.
pub fn tests(isa: Isa) -> Result<Vec<Test>> {
    let path = tree::root().join("user/exo/expected.txt");
    let table = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows: Vec<Row> =
        table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(parse).collect::<Result<_>>()?;
    let programs = tree::programs_of("user/exo");
    let unnamed = programs.iter().filter(|program| rows.iter().all(|row| row.program != **program));
    let mut tests: Vec<Test> = unnamed.map(|program| wrong(isa, program, "expected.txt does not say how it ends")).collect();
    for row in rows {
        let there = programs.contains(&row.program);
        tests.push(if there { test(isa, row) } else { wrong(isa, &row.program, "expected.txt names it, but there is no such program") });
    }
    Ok(tests)
}

fn wrong(isa: Isa, program: &str, why: &'static str) -> Test {
    Test { name: format!("native/{program}"), level: 2, isa: Some(isa), work: Box::new(move || Err(why.into())) }
}

fn parse(line: &str) -> Result<Row> {
    let mut quoted = line.split('"');
    let mut words = quoted.next().unwrap_or("").split_whitespace();
    let program = words.next().context("a line without a program")?.to_owned();
    let exit = words.next().and_then(|word| word.parse().ok()).with_context(|| format!("{program}: no exit code"))?;
    let options = words.map(str::to_owned).collect();
    // Every second piece stands between quotes.
    let texts = quoted.step_by(2).map(str::to_owned).collect();
    Ok(Row { program, exit, options, texts })
}

fn machine(isa: Isa, options: &[String]) -> Result<Machine> {
    let mut machine = Machine::default_for(isa);
    for option in options {
        match option.split_once('=').unwrap_or((option, "")) {
            ("icount", _) => machine.icount = true,
            ("mem", size) => machine.memory = size.into(),
            ("cpu", model) => machine.cpu = model.into(),
            ("microvm", _) if isa == Isa::X86_64 => machine.kind = Kind::Microvm,
            ("gic", version) => machine.gic = version.parse()?,
            ("microvm" | "input", _) => {}
            _ => bail!("an unknown option: {option}"),
        }
    }
    Ok(machine)
}

/// What stands at the serial port with the option `input`: a thousand letters and a full stop.
fn input() -> Vec<u8> {
    (b'a'..=b'z').cycle().take(1000).chain([b'.']).collect()
}

fn test(isa: Isa, row: Row) -> Test {
    let name = format!("native/{}", row.program);
    Test { name, level: 2, isa: Some(isa), work: Box::new(move || run(isa, &row).map_err(|error| format!("{error:#}"))) }
}

fn run(isa: Isa, row: &Row) -> Result<()> {
    let image = lay_out(&std::fs::read(build::native(isa, &row.program))?, &[])?;
    let input = if row.options.iter().any(|option| option == "input") { input() } else { Vec::new() };
    let outcome = boot_with_input(&machine(isa, &row.options)?, &build::kernel(isa), &image, &input, TIMEOUT)?;
    let output = String::from_utf8_lossy(&outcome.output);
    ensure!(outcome.end == End::Exit(row.exit), "{}, not exit {}; it printed:\n{output}", outcome.end, row.exit);
    for text in &row.texts {
        ensure!(output.contains(text), "{text:?} is not in what it printed:\n{output}");
    }
    if row.options.iter().any(|option| option == "icount") {
        let folder = tree::target().join("chitin/measured");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{}-{isa}.txt", row.program)), outcome.output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_program_an_exit_options_and_texts() {
        let row = parse(r#"counts 33 icount mem=64M "null call" "done""#).unwrap();
        assert_eq!(row.program, "counts");
        assert_eq!(row.exit, 33);
        assert_eq!(row.options, ["icount", "mem=64M"]);
        assert_eq!(row.texts, ["null call", "done"]);
        assert!(parse("lonely").is_err());
    }
}
