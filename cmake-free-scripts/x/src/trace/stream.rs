//! Records taken out of the console's bytes.

use exo::trace::{BEGIN, END, Kind, RECORD_MOST};

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it says.
    pub kind: Kind,
    /// The process.
    pub process: u32,
    /// The thread.
    pub thread: u32,
    /// The text, without its newline.
    pub text: String,
}

/// A piece of what came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Bytes that are no record's.
    Output(Vec<u8>),
    /// A record.
    Record(Record),
}

/// See the module.
#[derive(Default)]
pub struct Stream {
    /// What may be the beginning of a record, or is.
    held: Vec<u8>,
}

impl Stream {
    /// Take bytes in; gives what is whole.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.held.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        loop {
            let start = find(&self.held, BEGIN).unwrap_or(self.held.len() - begun(&self.held));
            if start > 0 {
                pieces.push(Piece::Output(self.held.drain(..start).collect()));
            }
            if !self.held.starts_with(BEGIN) {
                return pieces;
            }
            let Some(end) = find(&self.held, END) else {
                if self.held.len() <= RECORD_MOST {
                    return pieces;
                }
                // No record is that long: the program wrote this itself.
                pieces.push(Piece::Output(self.held.drain(..BEGIN.len()).collect()));
                continue;
            };
            let whole: Vec<u8> = self.held.drain(..end + END.len()).collect();
            pieces.push(parse(&whole[BEGIN.len()..end]).map_or(Piece::Output(whole), Piece::Record));
        }
    }

    /// What is left at the end.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// How many of the last bytes may be the beginning of a record.
fn begun(bytes: &[u8]) -> usize {
    (1..BEGIN.len()).rev().find(|&length| bytes.ends_with(&BEGIN[..length])).unwrap_or(0)
}

fn parse(bytes: &[u8]) -> Option<Record> {
    let kind = Kind::from_byte(*bytes.first()?)?;
    let text = String::from_utf8_lossy(&bytes[1..]);
    let (who, text) = text.split_once(';')?;
    let (process, thread) = who.split_once(',')?;
    // The serial line may have made two bytes of the newline.
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    Some(Record { kind, process: process.parse().ok()?, thread: thread.parse().ok()?, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"before\x1b[1m\x1b_chitin:w2,3;getpid()\x1f2\n\x1b\\after\x1b";

    #[test]
    fn a_record_is_taken_out_wherever_the_bytes_are_cut() {
        for at in 0..BYTES.len() {
            let mut stream = Stream::default();
            let pieces = [stream.take(&BYTES[..at]), stream.take(&BYTES[at..])].concat();
            let record = Record { kind: Kind::Whole, process: 2, thread: 3, text: "getpid()\u{1f}2".into() };
            assert!(pieces.contains(&Piece::Record(record)), "{at}");
            let output: Vec<u8> = pieces
                .into_iter()
                .filter_map(|piece| if let Piece::Output(bytes) = piece { Some(bytes) } else { None })
                .flatten()
                .collect();
            assert_eq!([output, stream.rest()].concat(), b"before\x1b[1mafter\x1b", "{at}");
        }
    }

    #[test]
    fn what_only_begins_as_a_record_is_the_programs() {
        let mut stream = Stream::default();
        let long = [BEGIN, &[b'x'; 2 * RECORD_MOST][..]].concat();
        assert_eq!(stream.take(&long).len(), 2);
        let odd = [BEGIN, b"?no record", END].concat();
        assert_eq!(stream.take(&odd), [Piece::Output(odd)]);
    }
}
