//! Where instructions go: a bar for each column, in pieces, all of an operation on one linear scale.

use std::fmt::Write;

use super::{escape, short};
use crate::bench::column::Column;
use crate::bench::parts::{COLUMNS, OPERATIONS, Part, Parts};
use crate::bench::results::Results;
use crate::isa::Isa;

/// The part of a chart's width that the longest bar takes, in percent: the sum is behind it.
const WIDEST: f64 = 70.0;
/// A bar's height, and from one to the next.
const BAR: (usize, usize) = (11, 16);
/// The least width of a piece that is drawn, in percent.
const LEAST: f64 = 0.15;

/// The card; nothing where nothing was looked into.
pub fn card(results: &Results, isas: &[Isa]) -> String {
    let isas: Vec<Isa> = isas.iter().copied().filter(|isa| results.parts.contains_key(isa.name())).collect();
    if isas.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<section class=card id=parts><h2>Where the instructions go</h2><p class=note>Each instruction of an operation, counted by the translator's plugin and \
         found in the image that has it: nothing is sampled. From above: Chitin linked, Chitin reflected, Linux tuned; one linear scale for the \
         three. Of Linux the kernel is one piece.</p>{}<div class=\"rows rows-{}\"><div></div>",
        legend(),
        isas.len()
    );
    isas.iter().for_each(|isa| {
        let _ = write!(html, "<div class=isa>{isa}</div>");
    });
    for name in OPERATIONS {
        let title = results.operations.iter().find(|operation| operation.name == name).map_or(name, |operation| &operation.title);
        let _ = write!(html, "<div class=label>{}</div>", escape(title));
        isas.iter().for_each(|&isa| html += &chart(results, isa, name));
    }
    html + "</div></section>"
}

fn legend() -> String {
    let key = |part: Part| format!("<span><i class=\"key part-{}\"></i>{}</span>", part.class(), part.title());
    format!("<div class=legend>{}</div>", Part::ALL.map(key).concat())
}

fn chart(results: &Results, isa: Isa, name: &str) -> String {
    let parts = |column: Column| results.parts.get(isa.name())?.get(column.name())?.get(name);
    let bars: Vec<(Column, &Parts)> = COLUMNS.into_iter().filter_map(|column| Some((column, parts(column)?))).collect();
    let sum = |parts: &Parts| parts.values().sum::<f64>();
    let most = bars.iter().map(|(_, parts)| sum(parts)).fold(0.0, f64::max);
    let height = bars.len() * BAR.1;
    let mut svg = format!("<div class=\"cell stack\"><span class=isa-tag>{isa}</span><svg width=\"100%\" height={height} role=img>");
    for (index, (column, parts)) in bars.iter().enumerate() {
        let y = index * BAR.1 + 2;
        let mut x = 0.0;
        let _ = write!(svg, "<g><title>{}: {:.0}{}</title>", column.name(), sum(parts), spoken(parts));
        for part in Part::ALL {
            let width = parts.get(&part).copied().unwrap_or(0.0) / most * WIDEST;
            if width >= LEAST {
                let _ = write!(svg, "<rect class=part-{} x=\"{x:.2}%\" y={y} width=\"{width:.2}%\" height={} />", part.class(), BAR.0);
            }
            x += width;
        }
        let _ = write!(
            svg,
            "<text class=value x=\"{x:.2}%\" dx=6 y={}>{} <tspan class=range>{}</tspan></text></g>",
            y + 10,
            short(sum(parts)),
            column.name()
        );
    }
    svg + "</svg></div>"
}

/// The pieces in words.
fn spoken(parts: &Parts) -> String {
    let piece = |part: &Part| parts.get(part).filter(|&&count| count >= 0.5).map(|count| format!("; {} {count:.0}", part.title()));
    Part::ALL.iter().filter_map(piece).collect()
}
