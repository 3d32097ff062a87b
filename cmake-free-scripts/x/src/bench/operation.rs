//! What the program can measure, as it says itself.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::c_programs::{BENCH, Form, c_program};
use crate::entry::Flavour;
use crate::isa::Isa;

/// Something that is measured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// The table that it is in.
    pub group: String,
    /// One word; a point of a curve has where it is behind a @.
    pub name: String,
    /// What it does.
    pub title: String,
    /// The benchmark by others that measures the same.
    pub kin: String,
    /// Rounds of a pass that is not divided.
    #[serde(default)]
    pub rounds: u64,
}

impl Operation {
    /// Rounds of a pass, as the program divides them.
    pub fn rounds(&self, divisor: usize) -> u64 {
        (self.rounds / divisor.max(1) as u64).max(self.rounds.min(2))
    }

    /// The curve that it is a point of, and where.
    pub fn point(&self) -> Option<(&str, f64)> {
        let (curve, at) = self.name.split_once('@')?;
        Some((curve, at.parse().ok()?))
    }

    /// Whether it is measured where there is room for a thousand processes; all points of a curve are measured in one machine.
    pub fn needs_room(name: &str) -> bool {
        name.split_once('@').is_some_and(|(curve, _)| curve == "fork_alive" || curve.starts_with("switch_processes"))
    }

    fn parse(line: &str) -> Option<Operation> {
        let mut quoted = line.split('"');
        let mut words = quoted.next()?.split_whitespace();
        ensure_word(&mut words, "operation")?;
        let (group, name) = (words.next()?.to_owned(), words.next()?.to_owned());
        let title = quoted.next()?.to_owned();
        let kin = quoted.nth(1)?.to_owned();
        Some(Operation { group, name, title, kin, rounds: quoted.next()?.trim().parse().ok()? })
    }
}

fn ensure_word<'a>(words: &mut impl Iterator<Item = &'a str>, word: &str) -> Option<()> {
    (words.next()? == word).then_some(())
}

/// All of them, in the program's order. The host runs its own ISA's program, which lists and measures nothing.
pub fn all() -> Result<Vec<Operation>> {
    let program = c_program(Isa::host(), Flavour::Stock, BENCH, Form::Static);
    let output = Command::new(&program).arg("--list").output().with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{} --list: {}", program.display(), output.status);
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Operation::parse(line).with_context(|| format!("{line}: no operation"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_words_and_strings() {
        let operation = Operation::parse(r#"operation growth fork_size@64 "fork, by pages" "lat_proc fork" 4"#).unwrap();
        assert_eq!(operation.point(), Some(("fork_size", 64.0)));
        assert_eq!(
            (operation.group.as_str(), operation.title.as_str(), operation.kin.as_str()),
            ("growth", "fork, by pages", "lat_proc fork")
        );
        assert_eq!([1, 2, 100].map(|divisor| operation.rounds(divisor)), [4, 2, 2]);
        assert_eq!(Operation::parse("begin fork"), None);
        assert_eq!(
            ["fork_alive@10", "switch_processes_16k@2", "fork_size@1", "fork"].map(Operation::needs_room),
            [true, true, false, false]
        );
    }
}
