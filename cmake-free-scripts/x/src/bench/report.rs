//! The report: one HTML file without anything from elsewhere, for light and dark, for a telephone and a desk.
//!
//! | file | what it draws |
//! |---|---|
//! | `aims` | what is aimed at |
//! | `bars` | operations, on a logarithmic scale |
//! | `curves` | what grows, and the history over commits |
//! | `stacks` | where instructions go |
//! | `calls` | what whole programs call |
//! | `cycles` | the second clock |
//! | `numbers` | every figure |
//! | `report.css` | how it looks |

mod aims;
mod bars;
mod calls;
mod curves;
mod cycles;
mod numbers;
mod stacks;

use std::fmt::Write;

use super::column::Column;
use super::history::History;
use super::results::Results;
use super::table;
use crate::entry::Entry;
use crate::isa::Isa;

/// The column that the report is about.
const OURS: Column = Column::Chitin(Entry::Linked);

/// What comes first: an operation, and what it is called there.
const HEADLINES: [(&str, &str); 8] = [
    ("null_call", "null system call"),
    ("page_fault", "page fault"),
    ("trap", "SIGSEGV round trip"),
    ("mmap_munmap", "mmap + munmap"),
    ("pthread_create_join", "thread create + join"),
    ("pipe_round_trip", "pipe round trip"),
    ("fork", "fork + exit + wait"),
    ("boot", "boot to main"),
];

/// Headings of the groups that the program has.
const GROUPS: [(&str, &str, &str); 10] = [
    ("own", "Your own", "The whole program, from fork to wait, and what it counted itself."),
    ("calls", "Calls", "The entry itself, and calls that do little."),
    ("files", "Files", "In memory, by descriptor and by name."),
    ("memory", "Memory", "Mappings, and pages touched for the first time."),
    ("signals", "Signals and traps", "With the primitives that Appel and Li asked of virtual memory in 1991."),
    ("threads", "Threads", "POSIX threads of musl, and the futexes below them."),
    ("processes", "Processes", "fork, exec, and pipes between processes."),
    ("events", "Events", "Sockets, and waiting for descriptors."),
    (
        "exokernel",
        "The exokernel itself",
        "Its own calls and traps, below every entry: hot, and cold, where nothing is where the kernel last looked.",
    ),
    ("programs", "Whole programs", "From fork to wait, the same source on each; on Linux they run as they are."),
];

/// The whole file.
pub fn write(results: &Results, history: &History) -> String {
    let isas: Vec<Isa> = Isa::ALL.into_iter().filter(|isa| results.isas.contains_key(isa.name())).collect();
    let mut html = String::new();
    let style = include_str!("report/report.css");
    let _ = write!(
        html,
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <meta name=color-scheme content=\"light dark\"><title>Chitin, measured</title><style>{style}</style></head><body><main>"
    );
    html += &header(results, &isas);
    html += &headlines(results, &isas);
    let cards = cards(results, history, &isas);
    html += &contents(&cards);
    html += LEGEND;
    html + &cards + "</main></body></html>\n"
}

fn cards(results: &Results, history: &History, isas: &[Isa]) -> String {
    let mut html = String::new();
    for (group, title, text) in GROUPS {
        html += &bars::group(results, isas, group, title, text);
    }
    html += &aims::card(results, isas);
    html += &calls::card(results, isas);
    html += &stacks::card(results, isas);
    html += &curves::growth(results, isas);
    html += &curves::history(history, isas);
    html += &numbers::tables(results, isas);
    html += &numbers::baseline(results, isas);
    html += &cycles::card(results);
    html + &method(results, isas)
}

/// A link to each card, by the card's own heading.
fn contents(cards: &str) -> String {
    let link = |card: &str| {
        let (id, rest) = card.split_once("><h2>")?;
        let (title, _) = rest.split_once("</h2>")?;
        Some(format!("<a href=\"#{id}\">{title}</a>"))
    };
    let links: Vec<String> = cards.split("<section class=card id=").skip(1).filter_map(link).collect();
    format!("<nav aria-label=Contents>{}</nav>", links.concat())
}

/// Text as HTML has it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn header(results: &Results, isas: &[Isa]) -> String {
    let names: Vec<&str> = isas.iter().map(|isa| isa.name()).collect();
    format!(
        "<header><p class=eyebrow>{} · commit {}{}</p><h1>Chitin, <em>measured</em></h1><p class=lead>What operations cost on an exokernel with a \
         linked-in Linux library, beside a stock Linux kernel in the same virtual machine: exact counts of guest instructions, lower is \
         better.</p></header>",
        names.join(" and "),
        escape(&results.commit),
        if results.quick { " · a quick run" } else { "" },
    )
}

fn headlines(results: &Results, isas: &[Isa]) -> String {
    let mut html = "<section class=tiles aria-label=\"In short\">".to_owned();
    for (name, title) in HEADLINES {
        let mut lines = String::new();
        for &isa in isas {
            let pair = results.figure(isa, OURS, name).zip(results.figure(isa, Column::TRUTH, name));
            let Some((ours, theirs)) = pair else { continue };
            let (text, class) = advantage(ours / theirs);
            let _ = write!(
                lines,
                "<div class=tile-row><span class=\"big {class}\">{text}</span><span class=small>{isa}<br>{} <i>vs</i> {}</span></div>",
                short(ours),
                short(theirs)
            );
        }
        if !lines.is_empty() {
            let _ = write!(html, "<div class=tile><h3>{title}</h3>{lines}</div>");
        }
    }
    html + "</section>"
}

/// How a part of Linux's figure reads, and its class.
pub(super) fn advantage(part: f64) -> (String, &'static str) {
    let digits = |times: f64| match times {
        _ if times >= 100.0 => table::amount(times),
        _ if times >= 9.95 => format!("{times:.0}"),
        _ => format!("{times:.1}"),
    };
    match part {
        _ if part < 0.98 && part > 0.9 => (format!("{:.0} % less", 100.0 * (1.0 - part)), "win"),
        _ if part > 1.02 && part < 1.1 => (format!("{:.0} % more", 100.0 * (part - 1.0)), "loss"),
        _ if part <= 0.9 => (format!("{}× less", digits(1.0 / part)), "win"),
        _ if part <= 1.02 => ("the same".into(), "even"),
        _ => (format!("{}× more", digits(part)), "loss"),
    }
}

/// A figure in few characters.
pub(super) fn short(figure: f64) -> String {
    match figure {
        _ if figure >= 1e9 => format!("{:.2} G", figure / 1e9),
        _ if figure >= 1e7 => format!("{:.1} M", figure / 1e6),
        _ if figure >= 1e6 => format!("{:.2} M", figure / 1e6),
        _ if figure >= 1e5 => format!("{:.0} k", figure / 1e3),
        _ if figure >= 1e4 => format!("{:.1} k", figure / 1e3),
        _ => table::amount(figure),
    }
}

/// A round figure, on an axis.
fn round(figure: f64) -> String {
    match figure {
        _ if figure >= 1e6 => format!("{}M", figure / 1e6),
        _ if figure >= 1e3 => format!("{}k", figure / 1e3),
        _ => figure.to_string(),
    }
}

/// What the bars' colours are.
const LEGEND: &str = "<div class=legend><span><i class=\"key ours\"></i>Chitin, linked</span><span><i class=\"key ours-more\"></i>to rewritten, \
     reflected</span><span><i class=\"key theirs\"></i>Linux, tuned</span><span><i class=\"key theirs-more\"></i>to Linux as shipped</span></div>";

fn method(results: &Results, isas: &[Isa]) -> String {
    let mut html = format!(
        "<section class=card id=method><h2>How it was measured</h2><p class=note>One static program of musl's, the same source for every column, in the \
         same virtual machine. A tick of the guest's clock is one guest instruction; in each boot a loop of known length proves it, or the run \
         fails. Instructions are not cycles: a cache miss, a flushed translation buffer and a mispredicted branch cost nothing here. Figures are \
         the median of three passes after one that warms. <i>Linux, tuned</i> has every mitigation and hardening off that a word on its command \
         line turns off: it is what the ratios are against.</p><dl><dt>clock</dt><dd>{}</dd><dt>unit</dt><dd>{}</dd><dt>emulator</dt><dd>{}</dd>",
        escape(&results.clock),
        escape(&results.unit),
        escape(&results.qemu)
    );
    for &isa in isas {
        for column in results.columns(isa) {
            let on = &results.isas[isa.name()][column.name()];
            let kernel = if matches!(column, Column::Chitin(_)) { format!("commit {}", results.commit) } else { on.kernel.clone() };
            let words = if on.command_line.is_empty() { String::new() } else { format!("<br><code>{}</code>", escape(&on.command_line)) };
            let _ = write!(html, "<dt>{isa}, {}</dt><dd>{} · CPU {}{words}</dd>", column.name(), escape(&kernel), escape(&on.cpu));
        }
    }
    html + "</dl></section>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_card_has_a_link() {
        let cards = "<section class=card id=a><h2>One</h2></section><section class=card id=b><h2>Two</h2><p>…</p></section>";
        assert_eq!(contents(cards), "<nav aria-label=Contents><a href=\"#a\">One</a><a href=\"#b\">Two</a></nav>");
    }
}
