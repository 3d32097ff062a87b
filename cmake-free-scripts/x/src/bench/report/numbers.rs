//! Every figure in a table, folded away, with the reasons for those that there are not.

use std::fmt::Write;

use super::escape;
use crate::bench::baseline;
use crate::bench::column::Column;
use crate::bench::results::Results;
use crate::bench::table;
use crate::bench::transcript::Measured;
use crate::isa::Isa;

/// A table for each ISA.
pub fn tables(results: &Results, isas: &[Isa]) -> String {
    let mut html =
        "<section class=card id=figures><h2>Every figure</h2><p class=note>Guest instructions; small: Chitin's part of the tuned Linux's.</p>"
            .to_owned();
    for &isa in isas {
        let columns = results.columns(isa);
        let _ = write!(html, "<details><summary>{isa}</summary><div class=scroll><table><thead><tr><th>operation</th>");
        columns.iter().for_each(|column| {
            let _ = write!(html, "<th>{}</th>", column.name());
        });
        html += "</tr></thead><tbody>";
        for operation in &results.operations {
            let _ = write!(html, "<tr><th title=\"{}\">{}</th>", escape(&operation.title), operation.name);
            let truth = results.figure(isa, Column::TRUTH, &operation.name);
            for &column in &columns {
                html += &cell(results.measured(isa, column, &operation.name), truth.filter(|_| matches!(column, Column::Chitin(_))));
            }
            html += "</tr>";
        }
        html += "</tbody></table></div></details>";
    }
    html + "</section>"
}

/// What Linux was seen to cost before by another program, beside what it costs here: those that are far from it, and why.
pub fn baseline(results: &Results, isas: &[Isa]) -> String {
    let (mut all, mut far) = (0, String::new());
    for &isa in isas {
        for column in results.columns(isa) {
            for operation in &results.operations {
                let pair = baseline::seen(isa, column, &operation.name).zip(results.figure(isa, column, &operation.name));
                let Some((seen, found)) = pair else { continue };
                all += 1;
                if (found / seen - 1.0).abs() <= baseline::TOLERANCE {
                    continue;
                }
                let why =
                    if results.quick { "short passes" } else { baseline::why_different(&operation.name).unwrap_or("nobody has said why") };
                let _ = write!(
                    far,
                    "<tr><th>{}</th><td>{isa}</td><td>{}</td><td>{}</td><td>{}</td><td>{:+.0} %</td><td class=why>{}</td></tr>",
                    operation.name,
                    column.name(),
                    table::amount(seen),
                    table::amount(found),
                    100.0 * (found / seen - 1.0),
                    escape(why)
                );
            }
        }
    }
    if all == 0 {
        return String::new();
    }
    format!(
        "<section class=card id=baseline><h2>Is it the Linux that others see?</h2><p class=note>{all} figures of Linux are held against what another program \
         saw of the same kernel; these are more than {:.0} % from it.</p><details><summary>what differs, and why</summary><div class=scroll><table>\
         <thead><tr><th>operation</th><th></th><th></th><th>seen before</th><th>here</th><th></th><th class=why>because</th></tr></thead>\
         <tbody>{far}</tbody></table></div></details></section>",
        100.0 * baseline::TOLERANCE
    )
}

fn cell(measured: Option<&Measured>, truth: Option<f64>) -> String {
    match measured {
        Some(Measured::Figure { median, .. }) => {
            let part = truth.map_or(String::new(), |truth| format!("<small>{}</small>", table::ratio(median / truth)));
            format!("<td>{}{part}</td>", table::amount(*median))
        }
        Some(Measured::Missing { reason }) => format!("<td class=missing title=\"{0}\">–<small>{0}</small></td>", escape(reason)),
        None => "<td>–</td>".into(),
    }
}
