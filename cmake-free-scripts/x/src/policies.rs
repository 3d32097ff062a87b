//! `cargo x policies`: what an app may decide for itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use ::policy::{Domain, Kind, Parameter, Policy};
use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;

use crate::bench::policy::{self, Comparison};
use crate::isa::Isa;
use crate::manifest::{self, Manifest};
use crate::{progress, tree};

/// Where policies are that are compiled into images of their own.
const FOLDER: &str = "user/policies";

/// The file of a policy that is compiled into an image of its own, if there is one of that name.
pub fn file(name: &str) -> PathBuf {
    tree::root().join(FOLDER).join(format!("{name}.rs"))
}

/// The names of those policies of settings that are compiled into an image of their own.
pub fn own(settings: &[String]) -> Vec<String> {
    let name = |setting: &String| setting.split(',').next()?.split_once('=').map(|(_, name)| name.to_owned());
    let is_own = |name: &String| !name.is_empty() && !name.contains(['/', '.']) && file(name).is_file();
    let mut names: Vec<String> = settings.iter().filter_map(name).filter(is_own).collect();
    names.sort();
    names.dedup();
    names
}

/// How to show them.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only those whose name or kind contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write them to standard output as JSON
    #[arg(long)]
    pub json: bool,
    /// Measure what an app's policies change: its program with them, without them and on Linux (repeatable; `all`)
    #[arg(long, value_name = "APP")]
    pub measure: Vec<String>,
    /// Measure on this instruction set only
    #[arg(long, requires = "measure")]
    pub arch: Option<Isa>,
    /// Measure on Chitin only
    #[arg(long, requires = "measure")]
    pub no_linux: bool,
    /// How many machines run at a time; by default as many as there are processors
    #[arg(long, requires = "measure")]
    pub jobs: Option<usize>,
}

/// List the policies, or measure what apps' policies change.
pub fn policies(options: &Options) -> Result<()> {
    if options.measure.is_empty() {
        list(options);
        return Ok(());
    }
    let known = manifest::all()?;
    let mut apps = known.clone();
    apps.retain(|(name, manifest)| if options.measure == ["all"] { manifest.measure.is_some() } else { options.measure.contains(name) });
    ensure!(!apps.is_empty(), "no app is called {}: user/apps has them", options.measure.join(" or "));
    let isas = options.arch.map_or(Isa::ALL.to_vec(), |isa| vec![isa]);
    for &isa in &isas {
        policy::prepare(isa, apps.iter().map(|(_, manifest)| manifest), !options.no_linux)?;
    }
    let jobs: Vec<Job> = isas.into_iter().flat_map(|isa| apps.iter().map(move |(name, manifest)| (isa, name.as_str(), manifest))).collect();
    let all = measure(&jobs, options)?;
    let page = policy::report(&known)?;
    if options.json {
        println!("{:#}", json!(all));
    } else {
        println!("{}, and the figures beside it as JSON", page.display());
    }
    Ok(())
}

/// What is measured at a time: an app on an ISA.
type Job<'a> = (Isa, &'a str, &'a Manifest);

/// Measure several at a time, each shown when it is done; in the order of the jobs.
fn measure(jobs: &[Job], options: &Options) -> Result<Vec<Comparison>> {
    let with_linux = !options.no_linux;
    let bar = progress::bar(jobs.len() * policy::columns(with_linux));
    bar.enable_steady_tick(Duration::from_secs(1));
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let worker = || -> Result<()> {
        while let Some((isa, name, manifest)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let comparison = policy::compare(name, manifest, *isa, with_linux, &bar)?;
            comparison.write()?;
            if !options.json {
                bar.suspend(|| println!("{}", comparison.text()));
            }
            found.lock().unwrap_or_else(PoisonError::into_inner).insert((*isa, *name), comparison);
        }
        Ok(())
    };
    let at_a_time = options.jobs.unwrap_or_else(|| available_parallelism().map_or(1, usize::from)).clamp(1, jobs.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    bar.finish_and_clear();
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(jobs.iter().filter_map(|(isa, name, _)| found.remove(&(*isa, *name))).collect())
}

fn list(options: &Options) {
    let wanted =
        |policy: &&Policy| options.filter.as_deref().is_none_or(|text| policy.name.contains(text) || policy.kind().name().contains(text));
    if options.json {
        let all: Vec<_> = Kind::ALL.iter().flat_map(|kind| kind.policies()).filter(wanted).map(described).collect();
        println!("{:#}", json!(all));
        return;
    }
    for kind in Kind::ALL {
        let policies: Vec<&Policy> = kind.policies().filter(wanted).collect();
        if policies.is_empty() {
            continue;
        }
        println!("{}: {}", kind.name(), kind.question());
        for policy in policies {
            let mark = if is_default(policy) { " (default)" } else { "" };
            println!("  {:<16} {}{mark}", policy.name, policy.summary);
            policy.parameters.iter().for_each(|parameter| println!("    {:<14} {}", parameter.name, range(parameter)));
        }
        println!();
    }
    println!("{FOLDER}, each compiled into an image of its own for the apps that name it");
    for text in own_files().iter().filter_map(|path| std::fs::read_to_string(path).ok()) {
        let Own { kind, words } = Own::of(&text);
        for (index, (name, summary)) in words.into_iter().enumerate() {
            if index == 0 {
                println!("  {name:<16} {summary} ({})", kind.to_lowercase());
            } else {
                println!("    {name:<14} {summary}");
            }
        }
    }
    println!();
    println!("cargo x run --policy KIND=NAME,PARAMETER=VALUE -- PROGRAM, or [policies] in an app's manifest");
}

/// The files of policies that are compiled into images of their own, by name.
fn own_files() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(tree::root().join(FOLDER)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect();
    files.sort();
    files
}

/// What the text of such a file says of itself: this tool is built without them, so that a mistake in one stops nothing but its own image.
struct Own<'a> {
    kind: &'a str,
    /// Names and summaries: the policy's, and its parameters'.
    words: Vec<(&'a str, &'a str)>,
}

impl<'a> Own<'a> {
    fn of(text: &'a str) -> Own<'a> {
        let quoted = |key: &'a str| text.split(key).skip(1).filter_map(|rest| rest.split('"').next());
        let kind = text.split("make: Make::").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or("");
        Own { kind, words: quoted("name: \"").zip(quoted("summary: \"")).collect() }
    }
}

fn is_default(policy: &Policy) -> bool {
    core::ptr::eq(policy, policy.kind().default())
}

/// What a parameter is and may be.
fn range(parameter: &Parameter) -> String {
    match parameter.domain {
        Domain::Number { unit, least, most, default } => format!("{}: {least} to {most} {unit}, {default}", parameter.summary),
        Domain::Text { default } => format!("{}: a text, \"{default}\"", parameter.summary),
    }
}

fn described(policy: &Policy) -> serde_json::Value {
    let parameters: Vec<_> = policy
        .parameters
        .iter()
        .map(|parameter| match parameter.domain {
            Domain::Number { unit, least, most, default } => json!({
                "name": parameter.name, "summary": parameter.summary, "unit": unit, "least": least, "most": most, "default": default,
            }),
            Domain::Text { default } => json!({ "name": parameter.name, "summary": parameter.summary, "default": default }),
        })
        .collect();
    json!({
        "kind": policy.kind().name(), "name": policy.name, "summary": policy.summary, "default": is_default(policy), "parameters": parameters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_folder_is_listed_with_its_parameters() {
        let text = std::fs::read_to_string(file("doubling")).expect("the guide's example");
        let Own { kind, words } = Own::of(&text);
        assert_eq!((kind, words.iter().map(|(name, _)| *name).collect::<Vec<_>>()), ("Paging", vec!["doubling", "most"]));
        assert!(own_files().contains(&file("doubling")));
    }
}
