//! App manifests: what a program is run with, in a file (TOML).
//!
//! ```toml
//! program = "/bin/lua"                  # a path in the guest, or a program of the host's, relative to the manifest
//! arguments = ["/fib.lua", "20"]
//! entry = "rewritten"                   # linked, rewritten or reflected
//! quota = "64M"                         # the most memory that each of its processes may have
//! slices = 3                            # how many slices it has in each round of the CPU, of which others have one
//! add = ["fib.lua:/fib.lua"]            # host files and folders, relative to the manifest, and where they are in the guest
//!
//! [environment]
//! LUA_INIT = "x = 1"
//!
//! [policies]                            # of each kind one, by name or with parameters: cargo x policies
//! paging = { name = "prefault", pages = 64 }
//! tracing = "counts"
//!
//! [measure]                             # what shows their worth: cargo x policies --measure APP
//! row = "touch"                         # a figure that the program prints as a line of a name and a number
//! times = 2.0                           # how many times it must be less than without them
//! against = ["paging=prefault,pages=8"] # or than with these
//! without = ["4096"]                    # what its arguments are there, if others
//! linux = "a fault for each page"       # what Linux does instead, for the report
//! ```
//!
//! The comment that it begins with says what it is about, in the report too.
//!
//! The command line goes before the manifest: arguments after `--` take the place of the manifest's, `--entry` that of its entry.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::entry::Entry;
use crate::{policies, tree};

/// Where manifests are that are called by name.
const FOLDER: &str = "user/apps";

/// A manifest.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is about: the comment that it begins with.
    #[serde(skip)]
    pub about: String,
    /// The program: a path in the guest, or one of the host's.
    pub program: String,
    /// Its arguments, without the zeroth.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Variables of its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Host files and folders to be put into the guest: `HOST:GUEST`.
    #[serde(default)]
    pub add: Vec<String>,
    /// The entry.
    pub entry: Option<Entry>,
    /// The most memory that each of its processes may have.
    pub quota: Option<Quota>,
    /// How many slices it has in each round, of which all others have one.
    #[serde(default, deserialize_with = "slices")]
    pub slices: Option<u32>,
    /// What shows the policies' worth.
    pub measure: Option<Measure>,
    /// The policies, as they stand in the file.
    #[serde(default)]
    pub policies: toml::Table,
    /// The same as settings, checked.
    #[serde(skip)]
    pub settings: Vec<String>,
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Quota {
    /// In frames.
    pub frames: u32,
}

impl TryFrom<String> for Quota {
    type Error = String;

    fn try_from(text: String) -> Result<Quota, String> {
        let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
            Some(digits) if text.ends_with('K') => (digits, 10),
            Some(digits) if text.ends_with('M') => (digits, 20),
            Some(digits) => (digits, 30),
            None => (text.as_str(), 0),
        };
        let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        let frames = bytes.map(|bytes| bytes / abi::PAGE_SIZE as u64).filter(|frames| (LEAST_FRAMES..1 << 32).contains(frames));
        let frames = frames.ok_or_else(|| format!("an amount of memory of 4M or more is wanted, such as \"64M\", not {text:?}"))?;
        Ok(Quota { frames: frames as u32 })
    }
}

/// Frames without which no program starts.
const LEAST_FRAMES: u64 = 1024;
/// The most slices of a round.
const SLICES_MOST: u32 = 64;

fn slices<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let count = u32::deserialize(from)?;
    if (1..=SLICES_MOST).contains(&count) {
        Ok(Some(count))
    } else {
        Err(serde::de::Error::custom(format!("1 to {SLICES_MOST} slices are wanted")))
    }
}

/// What shows the worth of an app's policies: `cargo x policies --measure APP`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// A figure that the program prints as a line of its name and a number, less being better.
    pub row: String,
    /// How many times it must be less than without the policies; below 1: what part they may make of it.
    pub times: f64,
    /// What the program has in their place, if that is not the defaults: another policy with the same means.
    #[serde(default)]
    pub against: Vec<String>,
    /// The program's arguments there and on Linux, if they are others.
    pub without: Option<Vec<String>>,
    /// What Linux does instead.
    #[serde(default)]
    pub linux: String,
}

/// The manifests of `user/apps`, by name.
///
/// # Errors
/// One is wrong.
pub fn all() -> Result<Vec<(String, Manifest)>> {
    names().into_iter().map(|name| read(&name).map(|manifest| (name, manifest))).collect()
}

/// Read a manifest by its path, or by the name that it has in `user/apps`.
///
/// # Errors
/// There is no such file, or what is in it is no manifest: the error points at the line.
pub fn read(name: &str) -> Result<Manifest> {
    let path = locate(name)?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut manifest = parse(&text).map_err(|fault| fault.show(&path, &text))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    if folder.join(&manifest.program).is_file() && !manifest.program.starts_with('/') {
        manifest.program = folder.join(&manifest.program).display().to_string();
    }
    for pair in &mut manifest.add {
        *pair = folder.join(&*pair).display().to_string();
    }
    Ok(manifest)
}

/// What is wrong with a manifest, and where.
#[derive(Debug)]
struct Fault {
    place: Range<usize>,
    what: String,
}

impl Fault {
    /// The line, and a mark under what is wrong.
    fn show(self, path: &Path, text: &str) -> anyhow::Error {
        let path = path.display().to_string();
        let place = self.place.start.min(text.len())..self.place.end.min(text.len());
        let snippet = Snippet::source(text).path(&path).annotation(AnnotationKind::Primary.span(place));
        let report = [Level::ERROR.no_name().primary_title(&self.what).element(snippet)];
        anyhow::anyhow!("{}", Renderer::plain().render(&report))
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Fault {
        Fault { place: error.span().unwrap_or_default(), what: error.message().to_owned() }
    }
}

fn parse(text: &str) -> Result<Manifest, Fault> {
    let manifest: Manifest = toml::from_str(text)?;
    let table = DeTable::parse(text)?;
    let settings = match table.get_ref().get("policies").map(Spanned::get_ref) {
        Some(DeValue::Table(policies)) => policies.iter().map(|(kind, choice)| setting(kind, choice)).collect::<Result<_, _>>()?,
        _ => Vec::new(),
    };
    Ok(Manifest { settings, about: about(text), ..manifest })
}

/// The comment that a file begins with, in one line.
fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A policy as a setting: `KIND=NAME,PARAMETER=VALUE`.
fn setting(kind: &Spanned<DeString>, choice: &Spanned<DeValue>) -> Result<String, Fault> {
    let fault = |place: Range<usize>| move |what| Fault { place, what };
    let (name, parameters) = match choice.get_ref() {
        DeValue::String(name) => ((name.as_ref(), choice.span()), None),
        DeValue::Table(table) => match table.get("name").map(|name| (name.get_ref(), name.span())) {
            Some((DeValue::String(name), place)) => ((name.as_ref(), place), Some(table)),
            _ => return Err(fault(choice.span())("it has no name".into())),
        },
        _ => return Err(fault(choice.span())("a name is wanted, or a table with a name and parameters".into())),
    };
    let is_kind = policy::Kind::ALL.iter().any(|known| known.name() == kind.get_ref().as_ref());
    let place = if is_kind { name.1 } else { kind.span() };
    let mut setting = format!("{}={}", kind.get_ref(), name.0);
    let is_own = is_kind && policies::file(name.0).is_file();
    // What can be set of a policy that is compiled into an image of its own, that image knows.
    let policy = if is_own { None } else { Some(policy::setting::find(kind.get_ref(), name.0).map_err(fault(place))?) };
    for (parameter, value) in parameters.into_iter().flat_map(|table| table.iter()).filter(|(key, _)| key.get_ref() != "name") {
        let text = words(value.get_ref());
        let Some(policy) = policy else {
            setting += &format!(",{}={text}", parameter.get_ref());
            continue;
        };
        let is_known = policy.parameters.iter().any(|known| known.name == parameter.get_ref().as_ref());
        let place = if is_known { value.span() } else { parameter.span() };
        policy::setting::check(policy, parameter.get_ref(), &text).map_err(fault(place))?;
        setting += &format!(",{}={text}", parameter.get_ref());
    }
    Ok(setting)
}

/// A value as settings have it; an array's with colons between.
fn words(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().replace('_', ""),
        DeValue::Boolean(truth) => u8::from(*truth).to_string(),
        DeValue::Array(values) => values.iter().map(|value| words(value.get_ref())).collect::<Vec<_>>().join(":"),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Datetime(_) | DeValue::Table(_) => "a table".into(),
    }
}

fn locate(name: &str) -> Result<PathBuf> {
    if name.contains('/') || name.ends_with(".toml") {
        return Ok(name.into());
    }
    let folder = tree::root().join(FOLDER);
    let path = folder.join(name).with_extension("toml");
    if !path.is_file() {
        bail!("there is no app called {name}; {FOLDER} has: {}", names().join(", "));
    }
    Ok(path)
}

/// The names of the manifests of `user/apps`.
fn names() -> Vec<String> {
    let folder = std::fs::read_dir(tree::root().join(FOLDER)).into_iter().flatten().flatten();
    let mut names: Vec<String> = folder.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned)).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_of_the_tree_is_one() {
        let folder = tree::root().join(FOLDER);
        let names: Vec<_> = std::fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path()).collect();
        assert!(!names.is_empty());
        for path in names.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
            read(&path.display().to_string()).expect("a manifest");
        }
    }

    #[test]
    fn an_error_points_at_its_line() {
        let error = |text: &str| parse(text).expect_err("a fault").show(Path::new("app.toml"), text).to_string();
        let program = "program = \"/bin/sh\"\n";
        let entry = error(&format!("{program}entry = \"quick\"\n"));
        assert!(entry.contains("app.toml:2:9") && entry.contains("reflected"), "{entry}");
        let key = error(&format!("{program}quta = 3\n"));
        assert!(key.contains("app.toml:2:1") && key.contains("quta"), "{key}");
        assert!(error("entry = \"linked\"\n").contains("program"));
        let kind = error(&format!("{program}[policies]\npagin = \"prefault\"\n"));
        assert!(kind.contains("app.toml:3:1") && kind.contains("scheduling"), "{kind}");
        let name = error(&format!("{program}[policies]\npaging = {{ pages = 3, name = \"eager\" }}\n"));
        assert!(name.contains("app.toml:3:30") && name.contains("prefault"), "{name}");
        let value = error(&format!("{program}[policies]\npaging = {{ name = \"prefault\", pages = 0 }}\n"));
        assert!(value.contains("app.toml:3:39") && value.contains("from 1 to"), "{value}");
        for wrong in ["quota = \"much\"", "quota = \"1M\"", "slices = 0"] {
            let share = error(&format!("{program}{wrong}\n"));
            assert!(share.contains("app.toml:2:") && share.contains("wanted"), "{share}");
        }
        let parameter = error(&format!("{program}[policies]\npaging = {{ name = \"prefault\", page = 1 }}\n"));
        assert!(parameter.contains("app.toml:3:31") && parameter.contains("it has: pages"), "{parameter}");
    }

    #[test]
    fn policies_become_settings() {
        let manifest =
            parse("# one\n# two\nprogram = \"a\"\n[policies]\ntracing = \"counts\"\npaging = { name = \"prefault\", pages = 64 }\n");
        let share = parse("program = \"a\"\nquota = \"64M\"\nslices = 3\n").expect("a manifest");
        assert_eq!((share.quota, share.slices), (Some(Quota { frames: 16384 }), Some(3)));
        let manifest = manifest.expect("a manifest");
        assert_eq!(manifest.settings, ["paging=prefault,pages=64", "tracing=counts"]);
        assert_eq!(manifest.about, "one two");
    }

    #[test]
    fn a_missing_app_names_those_that_there_are() {
        assert!(read("no-such-app").expect_err("none").to_string().contains("lua"));
    }
}
