//! The second clock: a table of its own, or why there is none.

use std::fmt::Write;

use super::escape;
use crate::bench::cycles::{Cycles, HOST, OPERATIONS, OnClock};
use crate::bench::results::Results;
use crate::bench::table;

/// The card; nothing where cycles were not asked for.
pub fn card(results: &Results) -> String {
    if results.cycles.is_empty() {
        return String::new();
    }
    let (mut measured, mut missing) = (Vec::new(), String::new());
    for (column, on_clock) in &results.cycles {
        match on_clock {
            OnClock::Measured { clock, figures } => measured.push((column, clock, figures)),
            OnClock::Missing { reason } => {
                let _ = write!(missing, "<p class=note><b>{column}</b>: no cycles. {}</p>", escape(reason));
            }
        }
    }
    let mut html = format!(
        "<section class=card id=cycles><h2>The second clock: cycles</h2><p class=note>On the host's own processor, in machines of KVM where there are such, \
         read between barriers, what reading costs taken off. Hot: the median of 31 passes, below it where eight tenths of them lie; cold: the median of \
         single rounds after 32 MiB of other memory. Ticks of the counter, whose rate may not be the core's. <i>{HOST}</i> is the Linux that all this \
         ran on, in no machine: for orientation. Not to be compared with instructions.</p>{missing}"
    );
    if !measured.is_empty() {
        html += "<div class=scroll><table><thead><tr><th>operation</th>";
        for (column, clock, _) in &measured {
            let _ = write!(html, "<th>{column}, hot<small>{clock}</small></th><th>cold</th>");
        }
        html += "</tr></thead><tbody>";
        for name in OPERATIONS {
            let _ = write!(html, "<tr><th>{name}</th>");
            measured.iter().for_each(|(_, _, figures)| html += &cells(figures.get(name)));
            html += "</tr>";
        }
        html += "</tbody></table></div>";
    }
    html + "</section>"
}

fn cells(cycles: Option<&Cycles>) -> String {
    let Some(Cycles { hot, cold, least, most }) = cycles else { return "<td>–</td><td>–</td>".into() };
    let [hot, cold, least, most] = [hot, cold, least, most].map(|figure| table::amount(*figure));
    format!("<td>{hot}<small>{least} to {most}</small></td><td>{cold}</td>")
}
