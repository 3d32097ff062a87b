//! App manifests: what a program is run with, in a file (TOML).
//!
//! ```toml
//! program = "/bin/lua"                  # a path in the guest, or a program of the host's, relative to the manifest
//! arguments = ["/fib.lua", "20"]
//! entry = "rewritten"                   # linked, rewritten or reflected
//! add = ["fib.lua:/fib.lua"]            # host files and folders, relative to the manifest, and where they are in the guest
//!
//! [environment]
//! LUA_INIT = "x = 1"
//!
//! [policies]                            # of each kind one, by name or with parameters: cargo x policies
//! paging = { name = "prefault", pages = 64 }
//! tracing = "counts"
//! ```
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
use crate::tree;

/// Where manifests are that are called by name.
const FOLDER: &str = "user/apps";

/// A manifest.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
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
    /// The policies, as they stand in the file.
    #[serde(default)]
    pub policies: toml::Table,
    /// The same as settings, checked.
    #[serde(skip)]
    pub settings: Vec<String>,
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
    Ok(Manifest { settings, ..manifest })
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
    let policy = policy::setting::find(kind.get_ref(), name.0).map_err(fault(place))?;
    let mut setting = format!("{}={}", kind.get_ref(), name.0);
    for (parameter, value) in parameters.into_iter().flat_map(|table| table.iter()).filter(|(key, _)| key.get_ref() != "name") {
        let text = words(value.get_ref());
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
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
            .collect();
        names.sort();
        bail!("there is no app called {name}; {FOLDER} has: {}", names.join(", "));
    }
    Ok(path)
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
        assert!(value.contains("app.toml:3:40") && value.contains("from 1 to"), "{value}");
        let parameter = error(&format!("{program}[policies]\npaging = {{ name = \"prefault\", page = 1 }}\n"));
        assert!(parameter.contains("app.toml:3:32") && parameter.contains("it has: pages"), "{parameter}");
    }

    #[test]
    fn policies_become_settings() {
        let manifest = parse("program = \"a\"\n[policies]\ntracing = \"counts\"\npaging = { name = \"prefault\", pages = 64 }\n");
        assert_eq!(manifest.expect("a manifest").settings, ["paging=prefault,pages=64", "tracing=counts"]);
    }

    #[test]
    fn a_missing_app_names_those_that_there_are() {
        assert!(read("no-such-app").expect_err("none").to_string().contains("lua"));
    }
}
