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
//! ```
//!
//! The command line goes before the manifest: arguments after `--` take the place of the manifest's, `--entry` that of its entry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::entry::Entry;
use crate::tree;

/// Where manifests are that are called by name.
const FOLDER: &str = "user/apps";

/// A manifest.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
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
}

/// Read a manifest by its path, or by the name that it has in `user/apps`.
///
/// # Errors
/// There is no such file, or what is in it is no manifest: the error points at the line.
pub fn read(name: &str) -> Result<Manifest> {
    let path = locate(name)?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut manifest = parse(&text).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    if folder.join(&manifest.program).is_file() && !manifest.program.starts_with('/') {
        manifest.program = folder.join(&manifest.program).display().to_string();
    }
    for pair in &mut manifest.add {
        *pair = folder.join(&*pair).display().to_string();
    }
    Ok(manifest)
}

fn parse(text: &str) -> Result<Manifest> {
    toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", error.to_string().trim_end()))
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
        let error = parse("program = \"/bin/sh\"\nentry = \"quick\"\n").expect_err("no such entry").to_string();
        assert!(error.contains("line 2") && error.contains("reflected"), "{error}");
        let error = parse("program = \"/bin/sh\"\nquta = 3\n").expect_err("no such key").to_string();
        assert!(error.contains("line 2") && error.contains("quta"), "{error}");
        assert!(parse("entry = \"linked\"\n").expect_err("no program").to_string().contains("program"));
    }

    #[test]
    fn a_missing_app_names_those_that_there_are() {
        assert!(read("no-such-app").expect_err("none").to_string().contains("lua"));
    }
}
