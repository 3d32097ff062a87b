//! The table for a terminal.

use super::aims::Stand;
use super::column::Column;
use super::results::Results;
use super::transcript::Measured;
use crate::isa::Isa;

/// Width of a column of figures.
const WIDTH: usize = 13;

/// Print an ISA's figures. Behind each of Chitin's is what part it is of the tuned Linux's.
pub fn print(results: &Results, isa: Isa) {
    let columns = results.columns(isa);
    let width = results.operations.iter().map(|operation| operation.name.len()).max().unwrap_or(0).max(12) + 1;
    let mut group = "";
    let mut reasons = Vec::new();
    println!("\n{isa}: {}", results.unit);
    for operation in &results.operations {
        if operation.group != group {
            group = &operation.group;
            print!("\n{group:<width$}");
            columns.iter().for_each(|column| print!("{:>WIDTH$}{}", column.name(), if is_chitin(*column) { "       " } else { "" }));
            println!();
        }
        print!("{:<width$}", operation.name);
        let truth = results.figure(isa, Column::TRUTH, &operation.name);
        for &column in &columns {
            let measured = results.measured(isa, column, &operation.name);
            if let Some(Measured::Missing { reason }) = measured {
                reasons.push(format!("{} {}: {reason}", operation.name, column.name()));
            }
            let figure = measured.and_then(Measured::median);
            print!("{:>WIDTH$}", figure.map_or("-".into(), amount));
            if is_chitin(column) {
                print!("{:>7}", figure.zip(truth).map_or(String::new(), |(figure, truth)| ratio(figure / truth)));
            }
        }
        println!();
    }
    if !reasons.is_empty() {
        println!("\nnot measured:");
        reasons.iter().for_each(|line| println!("  {line}"));
    }
}

/// Print what of the project's aims is missed.
pub fn print_aims(stands: &[Stand]) {
    let missed: Vec<&Stand> = stands.iter().filter(|stand| !stand.is_met()).collect();
    if !stands.is_empty() {
        println!("\n{} of {} aims met", stands.len() - missed.len(), stands.len());
    }
    for stand in missed {
        println!("  missed: {} {}: {}, may cost {}", stand.name, stand.entry.name(), amount(stand.cost), amount(stand.limit));
    }
}

fn is_chitin(column: Column) -> bool {
    matches!(column, Column::Chitin(_))
}

/// A figure with as many digits as it deserves, thousands apart.
pub fn amount(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of the tuned Linux's figure.
pub fn ratio(part: f64) -> String {
    if part >= 9.95 { format!("{part:.0}x") } else { format!("{part:.2}x") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([2.0, 99.94, 100.4, 1234.0, 1_234_567.8].map(amount), ["2.0", "99.9", "100", "1,234", "1,234,568"]);
    }
}
