//! Reads what the program prints; its first comment has the lines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A figure, or why there is none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measured {
    /// Instructions a round.
    Figure {
        /// Of three passes.
        median: f64,
        /// The least of them.
        least: f64,
        /// The most of them.
        most: f64,
    },
    /// Why it could not be measured.
    Missing {
        /// In a few words.
        reason: String,
    },
}

impl Measured {
    /// The median.
    pub fn median(&self) -> Option<f64> {
        match self {
            Measured::Figure { median, .. } => Some(*median),
            Measured::Missing { .. } => None,
        }
    }
}

/// What one boot printed.
#[derive(Default, Debug)]
pub struct Transcript {
    /// By operation.
    pub measured: BTreeMap<String, Measured>,
    /// What was begun, in that order.
    pub begun: Vec<String>,
    /// What was begun and not done.
    pub running: Option<String>,
    /// Whether all was done.
    pub ended: bool,
}

impl Transcript {
    /// Read the console's output. Lines that are not the program's are the system's own.
    pub fn read(output: &[u8]) -> Transcript {
        let mut transcript = Transcript::default();
        for line in String::from_utf8_lossy(output).lines() {
            transcript.line(line.trim());
        }
        transcript
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["end"] => self.ended = true,
            ["begin", name] => {
                self.begun.push(name.into());
                self.running = Some(name.into());
            }
            [name, "-", ..] if self.running.as_deref() == Some(name) => {
                let reason = words[2..].join(" ");
                self.done(name, Measured::Missing { reason });
            }
            // What a user's own program counted itself.
            [name, figure] if self.running.is_some() => {
                if let Ok(figure) = figure.parse() {
                    self.measured.insert(name.into(), Measured::Figure { median: figure, least: figure, most: figure });
                }
            }
            [name, median, least, most] if self.running.as_deref() == Some(name) || name == "boot" => {
                if let [Ok(median), Ok(least), Ok(most)] = [median, least, most].map(str::parse) {
                    self.done(name, Measured::Figure { median, least, most });
                }
            }
            _ => {}
        }
    }

    fn done(&mut self, name: &str, measured: Measured) {
        self.running = None;
        self.measured.insert(name.into(), measured);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_that_ended_early_names_what_ran() {
        let transcript = Transcript::read(b"boot 5 5 5\r\nbegin loop\r\nloop 2.00 2.00 2.01\r\nchitin: a b c\nbegin fork\nOops 1 2 3\n");
        assert_eq!(transcript.measured["loop"], Measured::Figure { median: 2.0, least: 2.0, most: 2.01 });
        assert_eq!(transcript.running.as_deref(), Some("fork"));
        assert_eq!(transcript.begun, ["loop", "fork"]);
        assert!(!transcript.ended && transcript.measured.len() == 2);
    }

    #[test]
    fn a_dash_has_its_reason() {
        let transcript = Transcript::read(b"begin fork\nfork - fork: Out of memory\nend\n");
        assert_eq!(transcript.measured["fork"], Measured::Missing { reason: "fork: Out of memory".into() });
        assert!(transcript.ended && transcript.running.is_none());
    }
}
