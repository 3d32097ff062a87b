//! What is compiled into an image of its own: policies of files that `CHITIN_POLICIES` names, joined by colons.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The trait of which an implementation takes the default's place in the image, called statically.
const STATIC: &str = "impl Paging for ";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CHITIN_POLICIES");
    let files: Vec<PathBuf> = std::env::var_os("CHITIN_POLICIES").map(|files| std::env::split_paths(&files).collect()).unwrap_or_default();
    let (mut modules, mut names, mut paging) = (String::new(), String::new(), None);
    for (index, file) in files.iter().enumerate() {
        println!("cargo:rerun-if-changed={}", file.display());
        let _ = writeln!(modules, "#[allow(missing_docs, reason = \"a user's file\")]\n#[path = {:?}]\nmod own{index};", file);
        let _ = write!(names, "&own{index}::POLICY, ");
        paging = paging.or(type_of(file).map(|name| (index, name)));
    }
    let text = match paging {
        None => "pub use crate::paging::InOrder as Paging;\nconst PAGING: Option<&'static Policy> = None;\n".to_owned(),
        Some((index, name)) => {
            format!("pub use own{index}::{name} as Paging;\nconst PAGING: Option<&'static Policy> = Some(&own{index}::POLICY);\n")
        }
    };
    let text = format!("{modules}\n{text}\n/// Policies of this image alone.\npub const OWN: &[&Policy] = &[{names}];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where")).join("own.rs");
    std::fs::write(out, text).expect("the folder is cargo's");
}

/// The type of a file that says which pages come in.
fn type_of(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let rest = text.lines().find_map(|line| line.strip_prefix(STATIC))?;
    Some(rest.chars().take_while(|letter| letter.is_alphanumeric()).collect())
}
