//! Every figure in a table, folded away, with the reasons for those that there are not.

use std::fmt::Write;

use super::escape;
use crate::bench::column::Column;
use crate::bench::results::Results;
use crate::bench::table;
use crate::bench::transcript::Measured;
use crate::isa::Isa;

/// A table for each ISA.
pub fn tables(results: &Results, isas: &[Isa]) -> String {
    let mut html =
        "<section class=card><h2>Every figure</h2><p class=note>Guest instructions; small: Chitin's part of the tuned Linux's.</p>"
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
