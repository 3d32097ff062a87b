//! What Chitin cost at each commit that was measured here, so that the report can show how it went.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::column::Column;
use super::results::Results;
use crate::entry::Entry;
use crate::isa::Isa;

/// A commit's figures by the linked entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measurement {
    commit: String,
    committed: u64,
    /// By ISA, by operation.
    isas: BTreeMap<String, BTreeMap<String, f64>>,
}

/// All of them, by the commit's time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History(Vec<Measurement>);

impl History {
    fn path() -> PathBuf {
        Results::folder().join("history.json")
    }

    /// What is there; nothing, where nothing was measured yet.
    fn read() -> History {
        fs::read(History::path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// What is there, and a run's figures: in place of those that the same commit had of the same operations.
    pub fn with(results: &Results) -> Result<History> {
        let mut history = History::read();
        let commit = &results.commit;
        if !history.0.iter().any(|measurement| measurement.commit == *commit) {
            history.0.push(Measurement { commit: commit.clone(), committed: results.committed, isas: BTreeMap::new() });
        }
        for measurement in history.0.iter_mut().filter(|measurement| measurement.commit == *commit) {
            for isa in Isa::ALL {
                let figures = measurement.isas.entry(isa.name().into()).or_default();
                for operation in &results.operations {
                    if let Some(figure) = results.figure(isa, Column::Chitin(Entry::Linked), &operation.name) {
                        figures.insert(operation.name.clone(), figure);
                    }
                }
            }
        }
        history.0.sort_by_key(|measurement| measurement.committed);
        fs::write(History::path(), serde_json::to_vec(&history)?)?;
        Ok(history)
    }

    /// An operation's figures on an ISA, with their commits.
    pub fn of(&self, isa: Isa, name: &str) -> Vec<(String, f64)> {
        let figure = |measurement: &Measurement| Some((measurement.commit.clone(), *measurement.isas.get(isa.name())?.get(name)?));
        self.0.iter().filter_map(figure).collect()
    }
}
