//! Curves: cost by size, both axes logarithmic; and cost by commit.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{HEADLINES, escape, round};
use crate::bench::column::Column;
use crate::bench::history::History;
use crate::bench::results::Results;
use crate::isa::Isa;

/// A drawing's size, and the space around what is drawn: left, right, top, bottom.
const SIZE: (f64, f64) = (360.0, 230.0);
const SPACE: (f64, f64, f64, f64) = (48.0, 14.0, 12.0, 26.0);

/// How wide a digit on an axis is, at the most.
const WIDTH_OF_DIGIT: f64 = 8.0;

/// A line: its class, its points.
struct Line {
    class: &'static str,
    points: Vec<(f64, f64)>,
}

/// A card for what grows, a drawing for each curve and ISA.
pub fn growth(results: &Results, isas: &[Isa]) -> String {
    let mut drawn = BTreeSet::new();
    let mut html = String::new();
    for operation in &results.operations {
        let Some((curve, _)) = operation.point() else { continue };
        if !drawn.insert(curve) {
            continue;
        }
        let mut drawings = String::new();
        for &isa in isas {
            let lines: Vec<Line> = results.columns(isa).into_iter().rev().map(|column| line(results, isa, column, curve)).collect();
            if let Some(drawing) = draw(&lines, true) {
                let _ = write!(drawings, "<figure><figcaption>{isa}</figcaption>{drawing}</figure>");
            }
        }
        if !drawings.is_empty() {
            let _ = write!(html, "<div class=curve><h3>{}</h3><div class=pair>{drawings}</div></div>", escape(&operation.title));
        }
    }
    if html.is_empty() {
        return html;
    }
    format!(
        "<section class=card id=curves><h2>How costs grow</h2><p class=note>Instructions, by what stands below each drawing; both axes are logarithmic. A line that ends early could not be measured \
         further: the reason is among the figures below.</p>{LINES}<div class=curves>{html}</div></section>"
    )
}

const LINES: &str = "<div class=legend><span><i class=\"stroke linked\"></i>linked</span><span><i class=\"stroke rewritten\"></i>rewritten</span>\
     <span><i class=\"stroke reflected\"></i>reflected</span><span><i class=\"stroke linux-tuned\"></i>Linux, tuned</span>\
     <span><i class=\"stroke linux\"></i>Linux as shipped</span></div>";

/// What operations cost by commit, where there are two of them at least.
pub fn history(history: &History, isas: &[Isa]) -> String {
    let mut html = String::new();
    for (name, title) in HEADLINES {
        let mut drawings = String::new();
        for &isa in isas {
            let figures = history.of(isa, name);
            if figures.len() < 2 {
                continue;
            }
            let points = figures.iter().enumerate().map(|(index, &(_, figure))| (index as f64, figure)).collect();
            if let Some(drawing) = draw(&[Line { class: "linked", points }], false) {
                let (first, last) = (&figures[0].0, &figures[figures.len() - 1].0);
                let caption = format!("{isa}, {} to {}", escape(first), escape(last));
                let _ = write!(drawings, "<figure><figcaption>{caption}</figcaption>{drawing}</figure>");
            }
        }
        if !drawings.is_empty() {
            let _ = write!(html, "<div class=curve><h3>{title}</h3><div class=pair>{drawings}</div></div>");
        }
    }
    if html.is_empty() {
        return html;
    }
    format!(
        "<section class=card id=history><h2>By commit</h2><p class=note>Chitin, linked, at each commit that was measured here, in order.</p>\
         <div class=curves>{html}</div></section>"
    )
}

fn line(results: &Results, isa: Isa, column: Column, curve: &str) -> Line {
    let of_curve = results.operations.iter().filter_map(|operation| {
        let (name, at) = operation.point()?;
        (name == curve).then_some(())?;
        Some((at, results.figure(isa, column, &operation.name)?))
    });
    Line { class: column.name(), points: of_curve.collect() }
}

/// A drawing of lines. `by_size`: the horizontal axis is logarithmic and has its values written.
fn draw(lines: &[Line], by_size: bool) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| values.fold((f64::MAX, f64::MIN), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
    let across = |x: f64| if by_size { x.max(0.5).ln() } else { x };
    let (left, right) = range(&mut points().map(|&(x, _)| across(x)));
    let (least, most) = range(&mut points().map(|&(_, y)| y));
    if points().count() < 2 || right <= left {
        return None;
    }
    let (bottom, top) = ((least * 0.8).ln(), (most * 1.25).ln());
    let x = |value: f64| SPACE.0 + (across(value) - left) / (right - left) * (SIZE.0 - SPACE.0 - SPACE.1);
    let y = |value: f64| SIZE.1 - SPACE.3 - (value.ln() - bottom) / (top - bottom) * (SIZE.1 - SPACE.2 - SPACE.3);
    let mut svg = format!("<svg viewBox=\"0 0 {} {}\" role=img>", SIZE.0, SIZE.1);
    for value in ticks(least * 0.8, most * 1.25) {
        let at = y(value);
        let _ = write!(svg, "<line class=grid x1={} x2={} y1={at:.1} y2={at:.1} />", SPACE.0, SIZE.0 - SPACE.1);
        let _ = write!(svg, "<text class=\"tick end\" x={} y={:.1}>{}</text>", SPACE.0 - 6.0, at + 4.0, round(value));
    }
    if by_size {
        let places: BTreeSet<u64> = points().map(|&(x, _)| x as u64).collect();
        let mut free = f64::MIN;
        for &place in &places {
            // One that would stand on its neighbour is left out.
            let half = WIDTH_OF_DIGIT * size(place).len() as f64 / 2.0;
            if x(place as f64) - half < free {
                continue;
            }
            free = x(place as f64) + half + WIDTH_OF_DIGIT;
            let _ = write!(svg, "<text class=tick x={:.1} y={}>{}</text>", x(place as f64), SIZE.1 - 8.0, size(place));
        }
    }
    for line in lines {
        let path: Vec<String> = line.points.iter().map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
        let _ = write!(svg, "<polyline class=\"line {}\" points=\"{}\" />", line.class, path.join(" "));
        for &(a, b) in &line.points {
            let _ = write!(
                svg,
                "<circle class=\"dot {}\" cx={:.1} cy={:.1} r=3><title>{}, {a}: {b:.0}</title></circle>",
                line.class,
                x(a),
                y(b),
                line.class
            );
        }
    }
    Some(svg + "</svg>")
}

/// Round values between two, five at the most.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let candidates = |steps: &[f64]| -> Vec<f64> {
        let powers = (least.log10().floor() as i32)..=(most.log10().ceil() as i32);
        let values = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        values.filter(|value| (least..=most).contains(value)).collect()
    };
    let fine = [&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][..], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
    let all = fine.into_iter().map(candidates).find(|values| values.len() <= 5).unwrap_or_else(|| candidates(&[1.0]));
    let step = all.len().div_ceil(5).max(1);
    all.into_iter().step_by(step).collect()
}

fn size(value: u64) -> String {
    if value >= 1024 && value.is_multiple_of(1024) { format!("{}Ki", value / 1024) } else { value.to_string() }
}
