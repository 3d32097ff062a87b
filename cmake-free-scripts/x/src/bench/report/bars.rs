//! Bars: for each operation and ISA one of Chitin's and one of Linux's, on a logarithmic scale that a group has in common.

use std::fmt::Write;

use super::{OURS, advantage, escape, round, short};
use crate::bench::column::{Column, Tuning};
use crate::bench::operation::Operation;
use crate::bench::primitives::COLD;
use crate::bench::results::Results;
use crate::bench::transcript::Measured;
use crate::entry::Entry;
use crate::isa::Isa;

/// The part of a chart's width that the longest bar takes, in percent: the figure is behind it.
const WIDEST: f64 = 62.0;

/// A logarithmic scale.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// From the decade below all figures to the greatest.
    fn of(figures: &[f64]) -> Option<Scale> {
        let (least, most) =
            figures.iter().fold((f64::MAX, 0.0), |(least, most): (f64, f64), &figure| (least.min(figure), most.max(figure)));
        // Half a decade below the least, so that its bar can be seen.
        (most > 0.0).then(|| Scale { least: least.max(0.1) / 3.0, most: most.max(least * 10.0) })
    }

    /// Where a figure is, in percent of the width.
    fn at(&self, figure: f64) -> f64 {
        WIDEST * (figure / self.least).ln().max(0.0) / (self.most / self.least).ln()
    }

    /// The powers of ten on it.
    fn decades(&self) -> impl Iterator<Item = f64> {
        let (first, last) = (self.least.log10().ceil() as i32, self.most.log10().floor() as i32);
        (first..=last).map(|power| 10f64.powi(power))
    }
}

/// A group's card; nothing where none of it was measured.
pub fn group(results: &Results, isas: &[Isa], group: &str, title: &str, text: &str) -> String {
    let operations: Vec<&Operation> =
        results.operations.iter().filter(|operation| operation.group == group && operation.name != "loop").collect();
    // Booting is another order of magnitude, and has its place above.
    let operations: Vec<&Operation> = operations.into_iter().filter(|operation| operation.name != "boot").collect();
    // A cold figure is below its hot one.
    let operations: Vec<&Operation> = operations.into_iter().filter(|operation| !operation.name.ends_with(COLD)).collect();
    let mut figures = Vec::new();
    for operation in &operations {
        for &isa in isas {
            figures.extend(Column::ALL.iter().filter_map(|&column| results.figure(isa, column, &operation.name)));
        }
    }
    let Some(scale) = Scale::of(&figures) else { return String::new() };
    let mut html = format!(
        "<section class=card id={group}><h2>{title}</h2><p class=note>{text}</p><div class=\"rows rows-{}\"><div></div>",
        isas.len()
    );
    isas.iter().for_each(|isa| {
        let _ = write!(html, "<div class=isa>{isa} <small>instructions, logarithmic</small></div>");
    });
    for operation in operations {
        let kin = if operation.kin.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&operation.kin)) };
        let _ = write!(html, "<div class=label>{}{kin}</div>", escape(&operation.title));
        isas.iter().for_each(|&isa| html += &chart(results, isa, operation, &scale));
    }
    html += "<div></div>";
    isas.iter().for_each(|_| html += &axis(&scale));
    html + "</div></section>"
}

/// An operation's two bars on an ISA.
fn chart(results: &Results, isa: Isa, operation: &Operation, scale: &Scale) -> String {
    let figure = |column| results.figure(isa, column, &operation.name);
    let ours = [Entry::Linked, Entry::Rewritten, Entry::Reflected].map(|entry| figure(Column::Chitin(entry)));
    let theirs = [Tuning::Tuned, Tuning::Default].map(|tuning| figure(Column::Linux(tuning)));
    let mut svg = format!("<div class=cell><span class=isa-tag>{isa}</span><svg width=\"100%\" height=40 role=img><title>");
    for column in results.columns(isa) {
        let _ = writeln!(svg, "{}: {}", column.name(), figure(column).map_or("-".into(), |figure| format!("{figure:.1}")));
    }
    svg += "</title>";
    for decade in scale.decades() {
        let _ = write!(svg, "<line class=grid x1=\"{0:.2}%\" x2=\"{0:.2}%\" y1=0 y2=40 />", scale.at(decade));
    }
    svg += &bar(&ours, scale, 4, "ours", "");
    match results.figure(isa, OURS, &format!("{}{COLD}", operation.name)) {
        Some(cold) => svg += &bar(&[Some(cold)], scale, 22, "ours-more", " cold"),
        None => svg += &bar(&theirs, scale, 22, "theirs", ""),
    }
    if let (None, Some(Measured::Missing { reason })) = (ours.iter().flatten().next(), results.measured(isa, OURS, &operation.name)) {
        let _ = write!(svg, "<text class=why x=4 y=15>– {}</text>", escape(reason));
    }
    svg += "</svg>";
    let ratio = ours[0].zip(theirs[0]).map_or((String::new(), ""), |(ours, theirs)| advantage(ours / theirs));
    let _ = write!(svg, "<span class=\"ratio {}\">{}</span></div>", ratio.1, ratio.0);
    svg
}

/// A bar to the first figure, and a lighter one on to the greatest of the others, with a notch at each.
fn bar(figures: &[Option<f64>], scale: &Scale, y: u32, class: &str, word: &str) -> String {
    let Some(first) = figures.iter().flatten().next().copied() else { return String::new() };
    let most = figures.iter().flatten().copied().fold(first, f64::max);
    let (start, end) = (scale.at(first).max(0.4), scale.at(most).max(0.4));
    let mut svg = String::new();
    if end > start {
        let _ = write!(svg, "<rect class={class}-more x=0 y={y} width=\"{end:.2}%\" height=14 rx=2 />");
    }
    let _ = write!(svg, "<rect class={class} x=0 y={y} width=\"{start:.2}%\" height=14 rx=2 />");
    for figure in figures.iter().flatten().skip(1).filter(|&&figure| figure > first && figure < most) {
        let _ = write!(svg, "<line class=notch x1=\"{0:.2}%\" x2=\"{0:.2}%\" y1={y} y2={1} />", scale.at(*figure), y + 14);
    }
    let range = if most > first * 1.2 {
        format!("<tspan class=range dx=4>to {}</tspan>", short(most))
    } else {
        format!("<tspan class=range>{word}</tspan>")
    };
    let _ = write!(svg, "<text class=value x=\"{end:.2}%\" dx=5 y={}>{}{range}</text>", y + 11, short(first));
    svg
}

fn axis(scale: &Scale) -> String {
    let mut svg = "<div class=\"cell axis\"><svg width=\"100%\" height=18>".to_owned();
    for decade in scale.decades() {
        let _ = write!(svg, "<text class=tick x=\"{:.2}%\" y=13>{}</text>", scale.at(decade), round(decade));
    }
    svg + "</svg><span class=ratio></span></div>"
}
