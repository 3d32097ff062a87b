//! What whole programs ask of Linux: for each the calls that cost most, on a linear scale of its own, and all of them in a table.

use std::fmt::Write;

use super::{escape, short};
use crate::bench::calls::{COLUMN, Calls, GROUP, dearest};
use crate::bench::operation::Operation;
use crate::bench::results::Results;
use crate::bench::table::amount;
use crate::isa::Isa;
use crate::trace::Count;

/// How many calls of a program are drawn; the others are one bar.
const DRAWN: usize = 5;
/// Where bars begin and how long the longest is, in percent of the width: names are before them, figures behind.
const BARS: (f64, f64) = (24.0, 40.0);
/// From one bar to the next, and its height.
const BAR: (usize, usize) = (17, 11);

/// The card; nothing where nothing was looked into.
pub fn card(results: &Results, isas: &[Isa]) -> String {
    let isas: Vec<Isa> = isas.iter().copied().filter(|isa| results.calls.contains_key(isa.name())).collect();
    if isas.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section class=card id=asked><h2>What programs ask for</h2><p class=note>The calls of each whole program that cost most: the instructions of all of \
         them in one run, how often the call is made, and what one costs. The library OS counts them itself, from a handler's start to its end, the server's part \
         included and waiting left out. Chitin, linked.</p><div class=\"rows rows-{}\"><div></div>",
        isas.len()
    );
    isas.iter().for_each(|isa| {
        let _ = write!(html, "<div class=isa>{isa}</div>");
    });
    for operation in results.operations.iter().filter(|operation| operation.group == GROUP) {
        let _ = write!(html, "<div class=label>{}</div>", escape(&operation.title));
        isas.iter().for_each(|&isa| html += &chart(results, isa, operation));
    }
    html += "</div>";
    isas.iter().for_each(|&isa| html += &table(results, isa));
    html + "</section>"
}

fn calls<'a>(results: &'a Results, isa: Isa, operation: &Operation) -> Option<&'a Calls> {
    results.calls.get(isa.name())?.get(&operation.name)
}

fn sum<'a>(counts: impl Iterator<Item = &'a Count>) -> Count {
    counts.fold(Count::default(), |sum, count| Count {
        calls: sum.calls + count.calls,
        errors: sum.errors + count.errors,
        instructions: sum.instructions + count.instructions,
    })
}

/// A program's dearest calls on an ISA.
fn chart(results: &Results, isa: Isa, operation: &Operation) -> String {
    let Some(calls) = calls(results, isa, operation) else { return "<div class=cell></div>".into() };
    let sorted = dearest(calls);
    let (drawn, others) = sorted.split_at(sorted.len().min(DRAWN));
    let mut lines: Vec<(String, Count, &str)> = drawn.iter().map(|(name, count)| ((*name).to_owned(), **count, "ours")).collect();
    if !others.is_empty() {
        lines.push((format!("{} others", others.len()), sum(others.iter().map(|(_, count)| *count)), "ours-more"));
    }
    let all = sum(calls.values()).instructions;
    let whole = results.figure(isa, COLUMN, &operation.name);
    let part = whole.map_or(String::new(), |whole| format!(" of {}: {:.1} %", short(whole), 100.0 * all as f64 / whole));
    let most = lines.iter().map(|(_, count, _)| count.instructions).max().unwrap_or(1).max(1);
    let height = lines.len() * BAR.0;
    let mut html = format!(
        "<div class=\"cell stack\"><span class=isa-tag>{isa}</span><p class=range>{} in calls{part}</p><svg width=\"100%\" height={height} role=img>",
        short(all as f64)
    );
    for (index, (name, count, class)) in lines.iter().enumerate() {
        let (top, base) = (index * BAR.0 + 3, index * BAR.0 + 13);
        let width = (BARS.1 * count.instructions as f64 / most as f64).max(0.3);
        let each = count.instructions / count.calls.max(1);
        let _ = write!(
            html,
            "<g><title>{0}: {1} calls, {2} in vain, {3} instructions</title><text class=\"tick end\" x=\"{4:.1}%\" dx=-6 y={base}>{0}</text>\
             <rect class={class} x=\"{4:.1}%\" y={top} width=\"{width:.2}%\" height={5} rx=2 /><text class=value x=\"{6:.2}%\" dx=5 y={base}>{7} \
             <tspan class=range>{8} × {9}</tspan></text></g>",
            escape(name),
            count.calls,
            count.errors,
            count.instructions,
            BARS.0,
            BAR.1,
            BARS.0 + width,
            short(count.instructions as f64),
            amount_of(count.calls),
            amount_of(each),
        );
    }
    html + "</svg></div>"
}

fn amount_of(number: u64) -> String {
    if number < 100 { number.to_string() } else { amount(number as f64) }
}

/// All calls of all programs, folded away.
fn table(results: &Results, isa: Isa) -> String {
    let mut html = format!(
        "<details><summary>every call, {isa}</summary><div class=scroll><table><thead><tr><th>program</th><th>call</th><th>calls</th>\
         <th>in vain</th><th>instructions</th><th>each</th></tr></thead><tbody>"
    );
    for operation in results.operations.iter().filter(|operation| operation.group == GROUP) {
        let Some(calls) = calls(results, isa, operation) else { continue };
        for (index, (name, count)) in dearest(calls).into_iter().enumerate() {
            let program = if index == 0 { escape(&operation.name) } else { String::new() };
            let _ = write!(
                html,
                "<tr><th>{program}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(name),
                amount_of(count.calls),
                if count.errors == 0 { String::new() } else { amount_of(count.errors) },
                amount_of(count.instructions),
                amount_of(count.instructions / count.calls.max(1))
            );
        }
    }
    html + "</tbody></table></div></details>"
}
