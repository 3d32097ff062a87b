//! What the project aims at, and what is still missed.

use std::fmt::Write;

use crate::bench::aims::{self, Most, Stand};
use crate::bench::results::Results;
use crate::bench::table;
use crate::isa::Isa;

/// A table of all aims, what is missed first in words.
pub fn card(results: &Results, isas: &[Isa]) -> String {
    let stands: Vec<(Isa, Vec<Stand>)> = isas.iter().map(|&isa| (isa, aims::stands(results, isa))).collect();
    let all: Vec<&Stand> = stands.iter().flat_map(|(_, stands)| stands).collect();
    if all.is_empty() {
        return String::new();
    }
    let met = all.iter().filter(|stand| stand.is_met()).count();
    let mut names: Vec<(&str, &Stand)> = Vec::new();
    for stand in all.iter().copied() {
        if !names.iter().any(|(_, known)| known.name == stand.name && known.entry == stand.entry) {
            names.push((&stand.name, stand));
        }
    }
    let mut html = format!(
        "<section class=card id=aims><h2>What it aims at</h2><p class=note>Parts of what the tuned Linux costs, and, for the exokernel's own, \
         instructions. Of {} aims {met} are met.</p><div class=scroll><table><thead><tr><th>operation</th><th>aim</th>",
        all.len()
    );
    for isa in isas {
        let _ = write!(html, "<th>{isa}</th><th>may cost</th>");
    }
    html += "</tr></thead><tbody>";
    for (name, known) in names {
        let _ = write!(html, "<tr><th>{name}<small>{}</small></th><td>{}</td>", known.entry.name(), aim(known.most));
        for (_, stands) in &stands {
            html += &stands
                .iter()
                .find(|stand| stand.name == known.name && stand.entry == known.entry)
                .map_or("<td>–</td><td></td>".into(), cells);
        }
        html += "</tr>";
    }
    html + "</tbody></table></div></section>"
}

fn cells(stand: &Stand) -> String {
    let (class, mark) = if stand.is_met() { ("win", "✓") } else { ("loss", "✗") };
    format!("<td class={class}>{} {mark}</td><td>{}</td>", table::amount(stand.cost), table::amount(stand.limit))
}

fn aim(most: Most) -> String {
    match most {
        Most::Part(1.0) => "no more".into(),
        Most::Part(divisor) => format!("1/{divisor}"),
        Most::Instructions(count) => table::amount(count),
    }
}
