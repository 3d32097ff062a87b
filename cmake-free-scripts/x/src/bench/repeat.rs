//! Whether figures repeat: those of a second run, held against the first one's.

use std::collections::BTreeMap;

use super::column::Column;
use super::session::Figures;
use crate::isa::Isa;

/// How far two runs' figures of an operation may be apart, as a part of them.
pub const TOLERANCE: f64 = 0.001;

/// A line for each figure of one run that the other does not repeat.
pub fn differences(first: &BTreeMap<(Isa, Column), Figures>, second: &BTreeMap<(Isa, Column), Figures>) -> Vec<String> {
    let mut lines = Vec::new();
    for ((isa, column), figures) in first {
        for (name, measured) in figures {
            let again = second.get(&(*isa, *column)).and_then(|figures| figures.get(name));
            let pair = (measured.median(), again.and_then(|measured| measured.median()));
            if !is_same(pair) {
                let text = |figure: Option<f64>| figure.map_or("-".into(), |figure| figure.to_string());
                lines.push(format!("{name} on {isa}, {}: {}, then {}", column.name(), text(pair.0), text(pair.1)));
            }
        }
    }
    lines
}

/// What could not be measured twice is the same.
fn is_same(pair: (Option<f64>, Option<f64>)) -> bool {
    match pair {
        (Some(first), Some(second)) => (first - second).abs() <= TOLERANCE * first.min(second),
        (first, second) => first == second,
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::Measured;
    use super::*;
    use crate::entry::Entry;

    #[test]
    fn two_in_a_thousand_are_too_many_and_so_is_no_figure() {
        let run = |figures: &[(&str, f64)]| {
            let figure = |median| Measured::Figure { median, least: median, most: median };
            let figures = figures.iter().map(|&(name, median)| (name.to_owned(), figure(median))).collect();
            BTreeMap::from([((Isa::X86_64, Column::Chitin(Entry::Linked)), figures)])
        };
        let first = run(&[("a", 1000.0), ("b", 1000.0), ("c", 5.0)]);
        assert!(differences(&first, &first).is_empty());
        let lines = differences(&first, &run(&[("a", 1000.9), ("b", 1002.0)]));
        assert_eq!(lines, ["b on x86_64, linked: 1000, then 1002", "c on x86_64, linked: 5, then -"]);
    }
}
