//! How a program of a suite ended, and the lines of the runner that say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// By its own wish.
    Exit(u8),
    /// By a signal.
    Signal(u8),
    /// It did not, in its time.
    Timeout,
    /// It could not be started; the error's number.
    Missing(i32),
    /// The machine ended before it; how.
    Machine(String),
}

/// What became of a program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The first lines that it wrote, unless it passed.
    pub output: Vec<String>,
}

impl Outcome {
    /// Whether the program says that all is as it should be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.end == End::Exit(0)
    }
}

/// Outcomes by the programs' names.
pub type Results = BTreeMap<String, Outcome>;

impl std::fmt::Display for End {
    /// The names of the statuses are those of the Open POSIX Test Suite's `posixtest.h`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            End::Exit(0) => formatter.write_str("pass"),
            End::Exit(1) => formatter.write_str("fail"),
            End::Exit(2) => formatter.write_str("unresolved"),
            End::Exit(4) => formatter.write_str("unsupported"),
            End::Exit(5) => formatter.write_str("untested"),
            End::Exit(code) => write!(formatter, "exit {code}"),
            End::Signal(signal) => write!(formatter, "signal {signal}"),
            End::Timeout => formatter.write_str("timeout"),
            End::Missing(error) => write!(formatter, "not started, error {error}"),
            End::Machine(how) => write!(formatter, "the machine's end: {how}"),
        }
    }
}

/// What the runner's lines say.
#[derive(Debug, Default)]
pub struct Transcript {
    /// The programs that ended.
    pub results: Results,
    /// The one that was running when the lines ended.
    pub running: Option<String>,
    /// What the program that is running wrote to the console itself, by its last lines.
    pub console: Vec<String>,
}

/// Lines of the console that are kept of a program that takes the machine with it.
const CONSOLE_LINES: usize = 20;

impl Transcript {
    /// Read the runner's output.
    #[must_use]
    pub fn read(text: &[u8]) -> Transcript {
        let mut transcript = Transcript::default();
        let mut output = Vec::new();
        for line in String::from_utf8_lossy(text).lines() {
            let line = line.trim_end_matches('\r');
            if let Some(name) = line.strip_prefix("@begin ") {
                transcript.running = Some(name.to_owned());
                transcript.console.clear();
                output.clear();
            } else if let Some(rest) = line.strip_prefix("@output ") {
                output.push(rest.split_once(' ').map_or("", |(_, text)| text).to_owned());
            } else if let Some((name, outcome)) = line.strip_prefix("@end ").and_then(|rest| ended(rest, &output)) {
                transcript.results.insert(name, outcome);
                transcript.running = None;
            } else if !line.is_empty() {
                transcript.console.push(line.to_owned());
                let excess = transcript.console.len().saturating_sub(CONSOLE_LINES);
                transcript.console.drain(..excess);
            }
        }
        transcript
    }
}

fn ended(rest: &str, output: &[String]) -> Option<(String, Outcome)> {
    let words: Vec<&str> = rest.split(' ').collect();
    let [name, how, number, took_ms] = words.as_slice() else { return None };
    let end = match *how {
        "exit" => End::Exit(number.parse().ok()?),
        "signal" => End::Signal(number.parse().ok()?),
        "timeout" => End::Timeout,
        "missing" => End::Missing(number.parse().ok()?),
        _ => return None,
    };
    Some(((*name).to_owned(), Outcome { end, took_ms: took_ms.parse().ok()?, output: output.to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_gives_each_programs_end_and_who_was_running_last() {
        let text = b"@begin a/1\n\n@end a/1 exit 0 12\n@begin a/2\n@output a/2 it  said\n@output a/2 \n@end a/2 signal 11 3\nnoise\n@begin a/3\nlast words\n";
        let transcript = Transcript::read(text);
        assert_eq!(transcript.results["a/1"], Outcome { end: End::Exit(0), took_ms: 12, output: Vec::new() });
        assert_eq!(transcript.results["a/2"].end, End::Signal(11));
        assert_eq!(transcript.results["a/2"].output, ["it  said", ""]);
        assert_eq!((transcript.running.as_deref(), transcript.console.as_slice()), (Some("a/3"), &["last words".to_owned()][..]));
    }

    #[test]
    fn a_line_that_was_cut_off_is_no_result() {
        assert!(Transcript::read(b"@begin a/1\n@end a/1 exit").results.is_empty());
    }
}
