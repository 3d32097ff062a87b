//! The table at the end, with both ISAs as columns, and the line that counts.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use serde_json::json;

use super::Verdict;
use crate::isa::Isa;

/// Print the table and the count, or JSON.
pub fn print(verdicts: &[Verdict], isas: &[Isa], as_json: bool) {
    let failed = verdicts.iter().filter(|verdict| verdict.failure.is_some()).count();
    let passed = verdicts.len() - failed;
    if as_json {
        let results: Vec<_> = verdicts.iter().map(as_value).collect();
        println!("{:#}", json!({ "passed": passed, "failed": failed, "results": results }));
        return;
    }
    host_rows(verdicts);
    guest_rows(verdicts, isas);
    for verdict in verdicts.iter().filter(|verdict| verdict.again) {
        println!("passed on its second run only: {} {}", verdict.isa.map_or("host", Isa::name), verdict.name);
    }
    println!("{passed} passed, {failed} failed");
}

fn as_value(verdict: &Verdict) -> serde_json::Value {
    json!({
        "name": verdict.name,
        "level": verdict.level,
        "isa": verdict.isa.map(Isa::name),
        "passed": verdict.failure.is_none(),
        "failure": verdict.failure,
        "again": verdict.again,
        "milliseconds": verdict.took.as_millis() as u64,
    })
}

/// Levels 0 and 1, a line a crate, and each test that failed.
fn host_rows(verdicts: &[Verdict]) {
    let mut crates: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.isa.is_none()) {
        let counts = crates.entry(verdict.name.split(' ').next().unwrap_or("")).or_default();
        if verdict.failure.is_none() { counts.0 += 1 } else { counts.1 += 1 }
    }
    for (name, (passed, failed)) in crates {
        println!("host  {name:<40} {passed:>5} passed {failed:>3} failed");
    }
    for verdict in verdicts.iter().filter(|verdict| verdict.isa.is_none() && verdict.failure.is_some()) {
        println!("host  {} {}", mark(false), verdict.name);
    }
}

fn guest_rows(verdicts: &[Verdict], isas: &[Isa]) {
    let mut rows: Vec<(u8, &str)> =
        verdicts.iter().filter(|verdict| verdict.isa.is_some()).map(|verdict| (verdict.level, verdict.name.as_str())).collect();
    rows.sort();
    rows.dedup();
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|(_, name)| name.len()).max().unwrap_or(0).max(4);
    print!("level {:<width$}", "test");
    isas.iter().for_each(|isa| print!("  {isa:<14}"));
    println!();
    for (level, name) in rows {
        print!("{level:<5} {name:<width$}");
        for isa in isas {
            let found = verdicts.iter().find(|verdict| verdict.isa == Some(*isa) && verdict.name == name && verdict.level == level);
            match found {
                Some(verdict) => print!("  {} {:>5.1} s", mark(verdict.failure.is_none()), verdict.took.as_secs_f64()),
                None => print!("  {:<14}", "-"),
            }
        }
        println!();
    }
}

fn mark(passed: bool) -> String {
    let (word, colour) = if passed { ("ok    ", 32) } else { ("FAILED", 31) };
    if std::io::stdout().is_terminal() { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
}
