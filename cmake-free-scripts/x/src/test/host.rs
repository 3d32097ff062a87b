//! Levels 0 and 1: `cargo test` on the host, each of its tests counted.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Verdict;
use crate::{progress, tree};

/// Run the workspace's own tests.
pub fn run(filter: Option<&str>) -> Result<Vec<Verdict>> {
    let spinner = progress::spinner("cargo test");
    let start = Instant::now();
    let output = Command::new("cargo")
        .args(["test", "--no-fail-fast"])
        .args(filter)
        .current_dir(tree::root())
        .output()
        .context("cannot start cargo")?;
    spinner.finish_and_clear();
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut verdicts = parse(&String::from_utf8_lossy(&output.stdout), &errors, start.elapsed());
    if !output.status.success() && verdicts.iter().all(|verdict| verdict.failure.is_none()) {
        eprintln!("{errors}");
        verdicts.push(verdict("cargo test", Some("it does not build, or a test ended it".into()), start.elapsed()));
    }
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(verdicts)
}

fn verdict(name: &str, failure: Option<String>, took: Duration) -> Verdict {
    Verdict { name: name.to_owned(), level: 1, isa: None, failure, again: false, took }
}

/// The lines `test NAME ... ok` of the output, each under its crate's name. Crates are announced on the error stream, in the same order as
/// each one's `running N tests`.
fn parse(output: &str, errors: &str, took: Duration) -> Vec<Verdict> {
    let mut crates = errors.lines().filter_map(|line| {
        let line = line.trim();
        let of_tests = line.strip_prefix("Running ").and_then(|rest| rest.rsplit('/').next());
        let name = of_tests.map(|file| file.split('-').next().unwrap_or(file)).or_else(|| line.strip_prefix("Doc-tests "))?;
        Some(name.to_owned())
    });
    let mut current = String::new();
    let mut verdicts = Vec::new();
    for line in output.lines() {
        if line.starts_with("running ") {
            current = crates.next().unwrap_or_default();
        } else if let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            match result {
                "ok" => verdicts.push(verdict(&format!("{current} {name}"), None, took)),
                "ignored" => {}
                _ => verdicts.push(verdict(&format!("{current} {name}"), Some("see the output above".into()), took)),
            }
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_is_counted_under_its_crate() {
        let output =
            "\nrunning 2 tests\ntest a::one ... ok\ntest a::two ... FAILED\n\ntest result: FAILED.\n\nrunning 1 test\ntest three ... ok\n";
        let errors = "   Compiling x\n     Running unittests src/lib.rs (target/debug/deps/arch-0123)\n   Doc-tests abi\n";
        let verdicts = parse(output, errors, Duration::ZERO);
        let names: Vec<(&str, bool)> = verdicts.iter().map(|verdict| (verdict.name.as_str(), verdict.failure.is_none())).collect();
        assert_eq!(names, [("arch a::one", true), ("arch a::two", false), ("abi three", true)]);
    }
}
