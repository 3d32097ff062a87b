//! What whole programs ask of Linux: each call, how often, how often in vain, and what it cost, as the library OS counts it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use exo::command::CommandFlags;
use exo::trace::Kind;

use super::column::Column;
use super::operation::Operation;
use super::session::{self, Work};
use super::transcript::Transcript;
use crate::entry::Entry;
use crate::isa::Isa;
use crate::trace::{Count, Piece, Stream, Summary};

/// The table of the programs that are looked into.
pub const GROUP: &str = "programs";
/// The column that is: what a handler costs is the same by each entry.
pub const COLUMN: Column = Column::Chitin(Entry::Linked);
/// How often a program runs: once to warm, and in three passes.
const RUNS: u64 = 4;

/// By call, of one run.
pub type Calls = BTreeMap<String, Count>;
/// By ISA, by program.
pub type AllCalls = BTreeMap<String, BTreeMap<String, Calls>>;

/// By program. The children of a program are counted with it.
pub fn measure(isa: Isa, known: &[Operation]) -> Result<BTreeMap<String, Calls>> {
    let names = known.iter().filter(|operation| operation.group == GROUP).map(|operation| operation.name.as_str()).collect();
    let output = session::boot_telling(isa, COLUMN, &Work::of(names), CommandFlags::TALLY)?;
    let all = read(&output);
    ensure!(!all.is_empty(), "no process told what it called; it printed:\n{}", String::from_utf8_lossy(&output));
    Ok(all)
}

/// What processes told of themselves while a program ran.
fn read(output: &[u8]) -> BTreeMap<String, Calls> {
    let (mut text, mut summaries) = (Vec::new(), BTreeMap::<String, Summary>::new());
    for piece in Stream::default().take(output) {
        match piece {
            Piece::Output(bytes) => text.extend(bytes),
            Piece::Record(record) if record.kind == Kind::Tally => {
                // What ends between two programs is the measuring program's.
                if let Some(running) = Transcript::read(&text).running {
                    summaries.entry(running).or_default().add(&record.text);
                }
            }
            Piece::Record(_) => {}
        }
    }
    summaries.into_iter().map(|(name, summary)| (name, summary.of_one(RUNS))).collect()
}

/// The calls of a program that cost most, the dearest first.
pub fn dearest(calls: &Calls) -> Vec<(&str, &Count)> {
    let mut sorted: Vec<(&str, &Count)> = calls.iter().map(|(name, count)| (name.as_str(), count)).collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(count.instructions), *name));
    sorted
}

#[cfg(test)]
mod tests {
    use exo::trace::{BEGIN, END, FIELD};

    use super::*;

    #[test]
    fn a_call_is_of_the_program_that_was_running() {
        let record = |text: &str| [BEGIN, b"t5,5;", text.replace(' ', &FIELD.to_string()).as_bytes(), END].concat();
        let output = [
            b"begin lua\n",
            &record("read 4 0 400")[..],
            &record("read 4 4 800"),
            b"lua 1.0 1.0 1.0\nbegin gzip\n",
            &record("write 8 0 80"),
            b"gzip 1.0 1.0 1.0\nend\n",
            &record("exit 1 0 1"),
        ]
        .concat();
        let all = read(&output);
        assert_eq!(all["lua"]["read"], Count { calls: 2, errors: 1, instructions: 300 });
        assert_eq!(all["gzip"].keys().collect::<Vec<_>>(), ["write"]);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn the_dearest_comes_first() {
        let count = |instructions| Count { calls: 1, errors: 0, instructions };
        let calls = Calls::from([("a".into(), count(1)), ("b".into(), count(9)), ("c".into(), count(9))]);
        assert_eq!(dearest(&calls).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["b", "c", "a"]);
    }
}
