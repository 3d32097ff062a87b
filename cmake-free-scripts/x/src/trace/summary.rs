//! What a run's processes called, added up.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use exo::trace::FIELD;
use serde::{Deserialize, Serialize};

/// What a call came to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Count {
    /// How often it was made.
    pub calls: u64,
    /// How often it was refused.
    pub errors: u64,
    /// Instructions of the guest in all, from its handler's start to its end, without waiting.
    pub instructions: u64,
}

/// See the module.
#[derive(Default, Serialize)]
pub struct Summary {
    calls: BTreeMap<String, Count>,
    /// Calls that there are not, by the program that made them.
    absent: BTreeMap<String, Vec<String>>,
}

impl Summary {
    /// Add what a process counted of a call.
    pub fn add(&mut self, text: &str) {
        let fields: Vec<&str> = text.split(FIELD).collect();
        if let [name, calls, errors, ticks] = fields[..] {
            let count = self.calls.entry(name.to_owned()).or_default();
            count.calls += calls.parse().unwrap_or(0);
            count.errors += errors.parse().unwrap_or(0);
            count.instructions += ticks.parse().unwrap_or(0);
        }
    }

    /// Note a call that a program made and that there is not.
    pub fn note_absent(&mut self, text: &str) {
        if let Some((program, name)) = text.split_once(FIELD) {
            let names = self.absent.entry(program.to_owned()).or_default();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }

    /// What a call came to.
    pub fn count(&self, name: &str) -> Option<Count> {
        self.calls.get(name).copied()
    }

    /// All calls, of one of so many runs that were alike.
    pub fn of_one(self, runs: u64) -> BTreeMap<String, Count> {
        let part = |sum: u64| (sum + runs / 2) / runs;
        let average = |count: Count| Count { calls: part(count.calls), errors: part(count.errors), instructions: part(count.instructions) };
        self.calls.into_iter().map(|(name, count)| (name, average(count))).collect()
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.absent.is_empty()
    }

    /// As JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    fn table(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<(&String, &Count)> = self.calls.iter().collect();
        rows.sort_by_key(|(name, count)| (std::cmp::Reverse(count.instructions), name.as_str()));
        let total = rows.iter().fold(Count::default(), |sum, (_, count)| Count {
            calls: sum.calls + count.calls,
            errors: sum.errors + count.errors,
            instructions: sum.instructions + count.instructions,
        });
        let line = |to: &mut fmt::Formatter<'_>, name: &str, count: &Count| {
            let share = 100.0 * count.instructions as f64 / total.instructions.max(1) as f64;
            let each = count.instructions / count.calls.max(1);
            let errors = if count.errors == 0 { String::new() } else { count.errors.to_string() };
            writeln!(to, "{share:6.2} {:>13} {each:>11} {:>9} {errors:>9} {name}", count.instructions, count.calls)
        };
        let rule = "------ ------------- ----------- --------- --------- ----------------";
        writeln!(to, "% inst  instructions   inst/call     calls    errors syscall\n{rule}")?;
        for (name, count) in &rows {
            line(to, name, count)?;
        }
        writeln!(to, "{rule}")?;
        line(to, "total", &total)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.calls.is_empty() {
            self.table(to)?;
        }
        for (program, names) in &self.absent {
            writeln!(to, "[ENOSYS] {program}: {}", names.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_added_up_and_the_dearest_call_comes_first() {
        let mut summary = Summary::default();
        for text in ["read\u{1f}2\u{1f}1\u{1f}300", "open\u{1f}1\u{1f}0\u{1f}600", "read\u{1f}1\u{1f}0\u{1f}100"] {
            summary.add(text);
        }
        summary.note_absent("prog\u{1f}bpf");
        summary.note_absent("prog\u{1f}bpf");
        let text = summary.to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[2], ["60.00", "600", "600", "1", "open"]);
        assert_eq!(lines[3], ["40.00", "400", "133", "3", "1", "read"]);
        assert_eq!(lines[5], ["100.00", "1000", "250", "4", "1", "total"]);
        assert!(text.ends_with("[ENOSYS] prog: bpf\n"));
        assert!(summary.json().unwrap().contains("\"instructions\": 600"));
    }
}
