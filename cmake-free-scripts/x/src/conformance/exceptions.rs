//! What passes on Linux and is known not to pass here, each with the reason: `exceptions.toml`.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::suite::SuiteKind;
use crate::isa::Isa;

const TEXT: &str = include_str!("exceptions.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// Programs and the reason why they do not pass.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    suite: String,
    /// The programs' names.
    programs: Vec<String>,
    /// The ISA's name, where it is about one only.
    isa: Option<String>,
    /// Why.
    pub reason: String,
}

/// All of them.
pub fn read() -> Result<Vec<Exception>> {
    let document: Document = toml::from_str(TEXT).context("exceptions.toml")?;
    Ok(document.exception)
}

impl Exception {
    /// Whether it is about this program.
    #[must_use]
    pub fn covers(&self, kind: SuiteKind, isa: Isa, name: &str) -> bool {
        self.suite == kind.name()
            && self.isa.as_deref().is_none_or(|only| only == isa.name())
            && self.programs.iter().any(|program| program == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_each_exception_has_a_reason_and_a_suite() {
        for exception in read().unwrap() {
            assert!(!exception.reason.is_empty() && SuiteKind::ALL.iter().any(|kind| kind.name() == exception.suite));
        }
    }
}
